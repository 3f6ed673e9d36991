-- Where in the journal the messages of these numbers are.
SELECT session_id, msg_seq_num, min_by(segment, receive_ns) AS segment, min_by(segment_offset, receive_ns) AS segment_offset
FROM messages
INNER JOIN (
    SELECT unnest(CAST($session_ids AS VARCHAR[])) AS session_id, unnest(CAST($numbers AS BIGINT[])) AS msg_seq_num
) AS wanted USING (session_id, msg_seq_num)
GROUP BY session_id, msg_seq_num
