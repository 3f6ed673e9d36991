-- How many of those moments have no number of their session before them among the numbers that were read. A break after the
-- window counts: what is missing there may reach back into it.
SELECT count(*) AS unheard
FROM (
    SELECT lives.heard_ns
    FROM told
    LEFT JOIN lives ON told.session_id = lives.session_id
    WHERE told.late_ns >= $start_ns AND told.begin_ns < $end_ns
    UNION ALL
    SELECT heard_ns FROM windows WHERE found_ns >= $start_ns
)
WHERE coalesce(heard_ns < $numbers_ns, true)
