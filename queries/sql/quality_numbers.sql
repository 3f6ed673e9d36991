-- Each session's messages in a day in lots of numbers: first and last number, first and last time.
SELECT session_id, min(msg_seq_num) AS first, max(msg_seq_num) AS last, min(receive_ns) AS from_ns, max(receive_ns) AS to_ns
FROM messages
WHERE receive_ns >= $start_ns AND receive_ns < $end_ns AND session_id IS NOT NULL
GROUP BY session_id, msg_seq_num // $numbers
ORDER BY from_ns, session_id
