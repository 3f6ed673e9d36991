-- All measures of each interval; null where anything of it is not known, and then why.
SELECT
    make_timestamp_ns(judged.from_ns) AS from_time,
    make_timestamp_ns(judged.to_ns) AS to_time,
    CAST($symbol AS VARCHAR) AS symbol,
    judged.state,
    CASE
        WHEN judged.unknown_seconds > 0 THEN judged.unknown_seconds || ' s of it unknown'
        WHEN $with_horizon AND far.unknown_seconds > 0 THEN far.unknown_seconds || ' s of the horizon after it unknown'
    END AS reason,
    CASE WHEN judged.nothing = 0 THEN of_quotes.spread END AS spread,
    CASE WHEN judged.nothing = 0 THEN of_quotes.spread_bps END AS spread_bps,
    CASE WHEN judged.nothing = 0 THEN of_quotes.mid END AS mid,
    CASE WHEN judged.nothing = 0 THEN of_quotes.microprice END AS microprice,
    CASE WHEN judged.nothing = 0 THEN of_quotes.imbalance END AS imbalance,
    CASE WHEN judged.nothing = 0 THEN coalesce(of_quotes.order_flow_imbalance, 0) END AS order_flow_imbalance,
    CASE WHEN judged.nothing = 0 THEN CAST(coalesce(of_quotes.quote_count, 0) AS BIGINT) END AS quote_count,
    CASE WHEN judged.nothing = 0 THEN of_quotes.quote_lifetime_ms END AS quote_lifetime_ms,
    CASE WHEN judged.nothing = 0 THEN of_trades.effective_spread END AS effective_spread,
    CASE WHEN far.unknown_seconds = 0 THEN of_trades.realised_spread END AS realised_spread,
    CASE WHEN far.unknown_seconds = 0 THEN of_trades.price_impact END AS price_impact,
    CASE WHEN far.unknown_seconds = 0 THEN of_trades.kyle_lambda END AS kyle_lambda,
    CASE WHEN judged.nothing = 0 THEN of_trades.trade_through_rate END AS trade_through_rate,
    CASE WHEN judged.nothing = 0 THEN of_changes.cancel_rate END AS cancel_rate,
    CASE WHEN judged.nothing = 0 THEN of_changes.eviction_rate END AS eviction_rate,
    CASE WHEN judged.nothing = 0 THEN of_depth.imbalance_of_levels END AS imbalance_of_levels,
    CASE WHEN judged.nothing = 0 THEN of_depth.bid_depth END AS bid_depth,
    CASE WHEN judged.nothing = 0 THEN of_depth.offer_depth END AS offer_depth,
    CASE WHEN judged.nothing = 0 THEN of_depth.buy_cost_bps END AS buy_cost_bps,
    CASE WHEN judged.nothing = 0 THEN of_depth.sell_cost_bps END AS sell_cost_bps,
    CASE WHEN judged.nothing = 0 THEN of_latency.latency_p50_ms END AS latency_p50_ms,
    CASE WHEN judged.nothing = 0 THEN of_latency.latency_p99_ms END AS latency_p99_ms,
    CASE WHEN judged.nothing = 0 THEN of_latency.latency_max_ms END AS latency_max_ms,
    judged.from_ns,
    judged.to_ns
FROM judged
INNER JOIN far ON judged.cell = far.cell
LEFT JOIN of_quotes ON judged.cell = of_quotes.cell
LEFT JOIN of_trades ON judged.cell = of_trades.cell
LEFT JOIN of_changes ON judged.cell = of_changes.cell
LEFT JOIN of_depth ON judged.cell = of_depth.cell
LEFT JOIN of_latency ON judged.cell = of_latency.cell
ORDER BY judged.from_ns
