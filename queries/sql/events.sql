-- Events in a window, by arrival: of a symbol and of the session it came over, or all.
SELECT *
FROM events
WHERE ($symbol IS NULL OR symbol IS NULL OR symbol = $symbol) AND receive_ns >= $start_ns AND receive_ns < $end_ns
ORDER BY receive_ns, session_id, msg_seq_num NULLS FIRST, kind, from_ns
