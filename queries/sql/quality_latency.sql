-- How long after sending messages were received, of each session and of the whole day, in milliseconds.
SELECT
    session_id,
    min(receive_ns) AS first_ns,
    max(receive_ns) AS last_ns,
    count(*) AS count,
    min(took_ms) AS least,
    quantile_disc(took_ms, 0.5) AS p50,
    quantile_disc(took_ms, 0.9) AS p90,
    quantile_disc(took_ms, 0.99) AS p99,
    max(took_ms) AS most,
    count(*) FILTER (flags & 8 <> 0) AS bad,
    min(receive_ns) FILTER (flags & 8 <> 0) AS bad_first_ns,
    max(receive_ns) FILTER (flags & 8 <> 0) AS bad_last_ns
FROM (
    SELECT session_id, receive_ns, flags, receive_ns // 1000000 - sending_ms AS took_ms
    FROM messages
    WHERE receive_ns >= $start_ns AND receive_ns < $end_ns AND flags & 32 = 0
)
GROUP BY GROUPING SETS ((session_id), ())
HAVING count(*) > 0
ORDER BY first_ns, session_id NULLS FIRST
