-- Where the receive time of a message lies before that of the message before it, among some numbers of a session; a few
-- earlier ones are looked at for what was before the first.
SELECT session_id, msg_seq_num, receive_ns AS from_ns, before_ns AS to_ns
FROM (
    SELECT
        session_id,
        msg_seq_num,
        receive_ns,
        lag(receive_ns) OVER (ORDER BY msg_seq_num) AS before_ns
    FROM messages
    WHERE session_id = $session_id AND msg_seq_num BETWEEN $earliest AND $last AND flags & 48 = 0
)
WHERE receive_ns < before_ns AND msg_seq_num >= $first
ORDER BY from_ns
