-- Measures of whole books, each as it stood when an interval ended. Sizes and prices are integers of the row's scales.
SELECT
    (at_ns // $every_ns) * $every_ns AS cell,
    imbalance_of_levels(bid_sizes, offer_sizes, $levels) AS imbalance_of_levels,
    depth_within(bid_prices, bid_sizes, centre, $bps) / (10 ** size_scale) AS bid_depth,
    depth_within(offer_prices, offer_sizes, centre, $bps) / (10 ** size_scale) AS offer_depth,
    10000 * (sweep_price(offer_prices, offer_sizes, amount) - centre) / centre AS buy_cost_bps,
    10000 * (centre - sweep_price(bid_prices, bid_sizes, amount)) / centre AS sell_cost_bps
FROM (
    SELECT
        at_ns,
        size_scale,
        CAST(bid_prices AS BIGINT[]) AS bid_prices,
        CAST(bid_sizes AS BIGINT[]) AS bid_sizes,
        CAST(offer_prices AS BIGINT[]) AS offer_prices,
        CAST(offer_sizes AS BIGINT[]) AS offer_sizes,
        mid(bid_prices[1], offer_prices[1]) AS centre,
        CAST($amount AS DOUBLE) * 10.0 ** (size_scale - $amount_scale) AS amount
    FROM standing_books
    WHERE receive_ns IS NOT NULL
)
