-- How long after its sending a message came, by interval, in whole milliseconds as SendingTime has them.
SELECT
    cell,
    CAST(quantile_disc(latency_ms, 0.5) AS DOUBLE) AS latency_p50_ms,
    CAST(quantile_disc(latency_ms, 0.99) AS DOUBLE) AS latency_p99_ms,
    CAST(max(latency_ms) AS DOUBLE) AS latency_max_ms
FROM (
    SELECT receive_ns // $every_ns * $every_ns AS cell, receive_ns // 1000000 - sending_ms AS latency_ms
    FROM messages
    WHERE symbol = $symbol AND receive_ns >= $first_ns AND receive_ns < $last_ns
)
GROUP BY cell
