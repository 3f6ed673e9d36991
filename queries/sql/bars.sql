-- Bars of trades. Where nothing was traded there are no prices; where that is not known, no counts either.
SELECT
    make_timestamp_ns(from_ns) AS from_time,
    make_timestamp_ns(to_ns) AS to_time,
    CAST($symbol AS VARCHAR) AS symbol,
    state,
    scaled(open, price_scale) AS open,
    scaled(high, price_scale) AS high,
    scaled(low, price_scale) AS low,
    scaled(close, price_scale) AS close,
    scaled(volume, size_scale) AS volume,
    CAST(notional AS DOUBLE) / nullif(volume, 0) / (10 ** price_scale) AS vwap,
    scaled(notional, price_scale + size_scale) AS notional,
    trades,
    buys,
    sells,
    scaled(buy_volume, size_scale) AS buy_volume,
    scaled(sell_volume, size_scale) AS sell_volume,
    is_full AND state <> 'unknown' AS complete,
    proven,
    unknown_seconds,
    open AS open_scaled,
    high AS high_scaled,
    low AS low_scaled,
    close AS close_scaled,
    volume AS volume_scaled,
    notional AS notional_scaled,
    buy_volume AS buy_volume_scaled,
    sell_volume AS sell_volume_scaled,
    price_scale,
    size_scale,
    from_ns,
    to_ns
FROM (
    SELECT
        judged.from_ns,
        judged.to_ns,
        judged.state,
        judged.unknown_seconds,
        traded.open,
        traded.high,
        traded.low,
        traded.close,
        traded.proven,
        coalesce(traded.is_full, true) AS is_full,
        coalesce(traded.trades, judged.nothing) AS trades,
        coalesce(traded.buys, judged.nothing) AS buys,
        coalesce(traded.sells, judged.nothing) AS sells,
        CAST(coalesce(traded.volume, judged.nothing) AS DECIMAL(38, 0)) AS volume,
        CAST(coalesce(traded.notional, judged.nothing) AS DECIMAL(38, 0)) AS notional,
        CAST(coalesce(traded.buy_volume, judged.nothing) AS DECIMAL(38, 0)) AS buy_volume,
        CAST(coalesce(traded.sell_volume, judged.nothing) AS DECIMAL(38, 0)) AS sell_volume,
        coalesce(scales.price_scale, 0) AS price_scale,
        coalesce(scales.size_scale, 0) AS size_scale
    FROM judged
    LEFT JOIN traded ON judged.cell = traded.cell
    CROSS JOIN (SELECT max(price_scale) AS price_scale, max(size_scale) AS size_scale FROM traded) AS scales
)
ORDER BY from_ns, to_ns
