-- What was traded in each cell, in integers.
SELECT
    cell,
    min(receive_ns) AS first_ns,
    max(receive_ns) AS last_ns,
    arg_min(price, place) AS open,
    max(price) AS high,
    min(price) AS low,
    arg_max(price, place) AS close,
    sum(size) AS volume,
    sum(CAST(price AS HUGEINT) * size) AS notional,
    count(*) AS trades,
    count(*) FILTER (aggressor_side = 'buy') AS buys,
    count(*) FILTER (aggressor_side = 'sell') AS sells,
    coalesce(sum(size) FILTER (aggressor_side = 'buy'), 0) AS buy_volume,
    coalesce(sum(size) FILTER (aggressor_side = 'sell'), 0) AS sell_volume,
    bool_or(fills) AS is_full,
    bool_and(proven) AS proven,
    any_value(price_scale) AS price_scale,
    any_value(size_scale) AS size_scale
FROM cells
GROUP BY cell
