-- Messages of a symbol, or of all, in a window, by arrival.
SELECT *
FROM messages
WHERE ($symbol IS NULL OR symbol = $symbol) AND receive_ns >= $start_ns AND receive_ns < $end_ns
ORDER BY receive_ns, session_id, msg_seq_num
