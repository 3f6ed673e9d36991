-- Breaks of the numbers in a day, by time.
SELECT session_id, kind, from_ns, to_ns, msg_seq_num, count, is_lost
FROM windows
WHERE to_ns >= $start_ns AND from_ns < $end_ns
ORDER BY from_ns, session_id, msg_seq_num
