-- How long after sending messages were received, of each session and of the whole day (session_id is null), in
-- milliseconds. By how many messages took each time, so that no more is held than the times there are.
SELECT
    session_id,
    min(first_ns) AS first_ns,
    max(last_ns) AS last_ns,
    CAST(sum(count) AS BIGINT) AS count,
    min(took_ms) AS least,
    min(took_ms) FILTER (upto >= 0.5 * total) AS p50,
    min(took_ms) FILTER (upto >= 0.9 * total) AS p90,
    min(took_ms) FILTER (upto >= 0.99 * total) AS p99,
    max(took_ms) AS most,
    CAST(sum(bad) AS BIGINT) AS bad,
    min(bad_first_ns) AS bad_first_ns,
    max(bad_last_ns) AS bad_last_ns
FROM (
    WITH
    took AS MATERIALIZED (
        SELECT
            session_id,
            receive_ns // 1000000 - sending_ms AS took_ms,
            min(receive_ns) AS first_ns,
            max(receive_ns) AS last_ns,
            count(*) AS count,
            count(*) FILTER (flags & 8 <> 0) AS bad,
            min(receive_ns) FILTER (flags & 8 <> 0) AS bad_first_ns,
            max(receive_ns) FILTER (flags & 8 <> 0) AS bad_last_ns
        FROM messages
        WHERE receive_ns >= $start_ns AND receive_ns < $end_ns AND flags & 32 = 0 AND session_id IS NOT NULL
        GROUP BY session_id, took_ms
    ),
    listed AS (
        SELECT * FROM took
        UNION ALL
        SELECT NULL AS session_id, * EXCLUDE (session_id) FROM took
    )
    SELECT
        *,
        sum(count) OVER (PARTITION BY session_id ORDER BY took_ms) AS upto,
        sum(count) OVER (PARTITION BY session_id) AS total
    FROM listed
)
GROUP BY session_id
ORDER BY first_ns, session_id NULLS FIRST
