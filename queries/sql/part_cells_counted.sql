-- Trades and the bar that each falls into: the whole multiples of a total that were full before it came. A trade is not
-- split: the one that fills a bar is its last, and what it has too much counts for the next.
SELECT *, total_before // threshold AS cell, total_before + amount >= (total_before // threshold + 1) * threshold AS fills
FROM (
    SELECT *, sum(amount) OVER (ORDER BY place ROWS UNBOUNDED PRECEDING) - amount AS total_before
    FROM (
        SELECT
            *,
            CASE $counted
                WHEN 'ticks' THEN CAST(1 AS HUGEINT)
                WHEN 'volume' THEN CAST(size AS HUGEINT)
                ELSE CAST(price AS HUGEINT) * size
            END * CAST(10 ** greatest($threshold_scale - amount_scale, 0) AS HUGEINT) AS amount,
            CAST($threshold AS HUGEINT) * CAST(10 ** greatest(amount_scale - $threshold_scale, 0) AS HUGEINT) AS threshold
        FROM (
            SELECT
                *,
                CASE $counted WHEN 'ticks' THEN 0 WHEN 'volume' THEN size_scale ELSE price_scale + size_scale END
                    AS amount_scale
            FROM priced
        )
    )
)
