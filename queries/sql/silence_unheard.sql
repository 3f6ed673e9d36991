-- How many of those moments have no number of their session before them among the numbers that were read. A break after the
-- window counts: what is missing there may reach back into it.
SELECT count(*) AS unheard
FROM (
    SELECT session_id, NULL AS break_seq, NULL AS break_ns FROM told WHERE late_ns >= $start_ns AND begin_ns < $end_ns
    UNION ALL
    SELECT session_id, if(kind = 'gap', msg_seq_num, NULL), receive_ns
    FROM events
    WHERE kind IN ('gap', 'sequence_reset', 'rollover') AND session_id IS NOT NULL AND receive_ns >= $start_ns
) AS moments
WHERE
    NOT EXISTS (
        SELECT 1
        FROM numbered
        WHERE
            numbered.session_id = moments.session_id
            AND numbered.receive_ns >= $numbers_ns
            AND (break_ns IS NULL OR numbered.receive_ns <= break_ns)
            AND (break_seq IS NULL OR numbered.msg_seq_num < break_seq)
    )
