-- The last snapshot of a symbol, empty or not, in a session, at or before a moment.
SELECT msg_seq_num, receive_ns
FROM book_changes
WHERE
    symbol = $symbol AND session_id = $session_id AND receive_ns <= $at_ns AND action IN ('snapshot', 'clear')
ORDER BY msg_seq_num DESC
LIMIT 1
