-- From when to when each symbol was recorded, and how far its messages are proven.
SELECT
    symbol,
    min(receive_time) AS first_time,
    max(receive_time) AS last_time,
    count(*) AS messages,
    count(*) FILTER (proven) AS messages_proven,
    count(DISTINCT session_id) AS sessions,
    min(receive_ns) AS first_ns,
    max(receive_ns) AS last_ns
FROM messages
WHERE symbol IS NOT NULL
GROUP BY symbol
ORDER BY symbol
