-- Seconds of each session in a window, in runs: active, quiet or unknown.
SELECT
    session_id,
    CAST($symbol AS VARCHAR) AS symbol,
    ['quiet', 'active', 'unknown'][mark + 1] AS state,
    make_timestamp_ns(min(second) * 1000000000) AS from_time,
    make_timestamp_ns((max(second) + 1) * 1000000000) AS to_time,
    count(*) AS seconds,
    min(second) * 1000000000 AS from_ns,
    (max(second) + 1) * 1000000000 AS to_ns
FROM (
    SELECT
        session_id,
        second,
        mark,
        second - row_number() OVER (PARTITION BY session_id, mark ORDER BY second) AS run
    FROM seconds
)
GROUP BY session_id, mark, run
ORDER BY from_ns, session_id
