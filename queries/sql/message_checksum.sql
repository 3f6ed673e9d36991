-- What one message said of the book's checksum.
SELECT checksum_received, checksum_computed, verdict
FROM messages
WHERE symbol = $symbol AND session_id = $session_id AND msg_seq_num = $msg_seq_num
LIMIT 1
