-- How levels went, by interval. A level that was deleted while a trade at its price came shortly before or after was traded
-- away, as far as Level 2 tells; any other was cancelled. Evictions are no end of a level, and count for themselves.
SELECT
    cell,
    CAST(count(*) FILTER (is_cancel) AS DOUBLE) / nullif(count(*) FILTER (action IN ('new', 'change', 'delete')), 0)
        AS cancel_rate,
    CAST(count(*) FILTER (action = 'evict') AS DOUBLE)
    / nullif(count(*) FILTER (action IN ('new', 'change', 'delete', 'evict')), 0) AS eviction_rate
FROM (
    SELECT
        changed.cell,
        changed.action,
        changed.action = 'delete' AND coalesce(trade.receive_ns < changed.receive_ns - $traded_ns, true) AS is_cancel
    FROM (
        SELECT
            receive_ns,
            receive_ns // $every_ns * $every_ns AS cell,
            action,
            -- Of 18 decimals, so that a price is the same whatever its scale.
            if(action = 'delete', price_scaled * CAST(10 ** (18 - price_scale) AS HUGEINT), NULL) AS price
        FROM book_changes
        WHERE symbol = $symbol AND receive_ns >= $first_ns AND receive_ns < $last_ns
    ) AS changed
    ASOF LEFT JOIN (
        SELECT receive_ns, price_scaled * CAST(10 ** (18 - price_scale) AS HUGEINT) AS price
        FROM trades
        WHERE symbol = $symbol
    ) AS trade
        ON changed.price = trade.price AND changed.receive_ns + $traded_ns >= trade.receive_ns
)
GROUP BY cell
