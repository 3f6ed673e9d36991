-- What ended a book or could not be read, by time.
SELECT
    symbol,
    session_id,
    msg_seq_num,
    least(coalesce(from_ns, receive_ns), receive_ns) AS from_ns,
    receive_ns,
    coalesce(text, CASE kind WHEN 'mismatch' THEN 'checksum mismatch' ELSE 'a message could not be read' END) AS text
FROM events
WHERE kind IN ('mismatch', 'malformed') AND receive_ns >= $start_ns AND receive_ns < $end_ns
ORDER BY receive_ns, session_id, msg_seq_num, symbol
