-- The last message about a symbol, or about any, at or before a moment.
SELECT session_id, receive_ns
FROM messages
WHERE ($symbol IS NULL OR symbol = $symbol) AND receive_ns <= $at_ns
ORDER BY receive_ns DESC, session_id DESC, msg_seq_num DESC
LIMIT 1
