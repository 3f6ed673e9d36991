-- Trades of a symbol in a window, by arrival.
SELECT *
FROM trades
WHERE symbol = $symbol AND receive_ns >= $start_ns AND receive_ns < $end_ns AND (proven OR NOT $proven)
ORDER BY receive_ns, session_id, msg_seq_num, entry_index
