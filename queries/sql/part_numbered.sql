-- What bears a number and came in its turn: messages not older than what `queries.silence` found to suffice, and events.
SELECT session_id, receive_ns, msg_seq_num FROM messages WHERE receive_ns >= $numbers_ns
UNION ALL
SELECT session_id, receive_ns, msg_seq_num
FROM events
WHERE
    kind IN ('logon', 'heartbeat', 'proof', 'resend_request', 'reject', 'rejected')
    AND msg_seq_num IS NOT NULL
    AND receive_ns >= $start_ns
