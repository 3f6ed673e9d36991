-- In how many seconds of a window something came of a symbol, those alone that are known of it: stretches of whole
-- seconds, `$begins[i]` to `$ends[i]` of `$symbols[i]`, none of which touch.
SELECT spoken.symbol, count(*) AS active
FROM (
    SELECT DISTINCT symbol, receive_ns // 1000000000 AS second
    FROM messages
    WHERE receive_ns >= $start_ns AND receive_ns < $end_ns AND symbol IS NOT NULL
) AS spoken
ASOF INNER JOIN (
    SELECT
        unnest(CAST($symbols AS VARCHAR[])) AS symbol,
        unnest(CAST($begins AS BIGINT[])) AS begin_s,
        unnest(CAST($ends AS BIGINT[])) AS end_s
) AS known
    ON spoken.symbol = known.symbol AND spoken.second >= known.begin_s
WHERE spoken.second < known.end_s
GROUP BY spoken.symbol
