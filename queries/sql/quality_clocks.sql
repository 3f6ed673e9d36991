-- Where the receive time of a message lies before that of the message before it in its session.
SELECT session_id, msg_seq_num, receive_ns AS from_ns, before_ns AS to_ns
FROM (
    SELECT
        session_id,
        msg_seq_num,
        receive_ns,
        lag(receive_ns) OVER (PARTITION BY session_id ORDER BY msg_seq_num) AS before_ns
    FROM messages
    WHERE receive_ns >= $start_ns AND receive_ns < $end_ns AND flags & 48 = 0
)
WHERE receive_ns < before_ns
ORDER BY from_ns, session_id
