-- Measures of trades against the quotes that stood before them, and some time after, by interval.
SELECT
    cell,
    CAST(sum(paid * size) AS DOUBLE) / sum(size) FILTER (paid IS NOT NULL) / (10 ** any_value(scale)) AS effective_spread,
    CAST(sum(kept * size) AS DOUBLE) / sum(size) FILTER (kept IS NOT NULL) / (10 ** any_value(scale)) AS realised_spread,
    CAST(sum((paid - kept) * size) AS DOUBLE) / sum(size) FILTER (paid - kept IS NOT NULL) / (10 ** any_value(scale))
        AS price_impact,
    kyle_lambda(CAST(moved AS DOUBLE) / 2 / (10 ** scale), CAST(sign * size AS DOUBLE) / (10 ** size_scale)) AS kyle_lambda,
    CAST(count(*) FILTER (is_through) AS DOUBLE) / nullif(count(*) FILTER (is_through IS NOT NULL), 0)
        AS trade_through_rate
FROM (
    SELECT
        cell,
        size,
        size_scale,
        scale,
        sign,
        sign * CAST(2 * price - bid - offer AS HUGEINT) AS paid,
        sign * CAST(2 * price - bid_after - offer_after AS HUGEINT) AS kept,
        bid_after + offer_after - bid - offer AS moved,
        CASE sign WHEN 1 THEN price > offer WHEN -1 THEN price < bid END AS is_through
    FROM (
        SELECT
            trade.cell,
            trade.size,
            trade.size_scale,
            side_sign(trade.aggressor_side) AS sign,
            greatest(trade.price_scale, later.price_scale) AS scale,
            at_scale(trade.price, trade.price_scale, greatest(trade.price_scale, later.price_scale)) AS price,
            at_scale(before.bid, before.price_scale, greatest(trade.price_scale, later.price_scale)) AS bid,
            at_scale(before.offer, before.price_scale, greatest(trade.price_scale, later.price_scale)) AS offer,
            at_scale(later.bid, later.price_scale, greatest(trade.price_scale, later.price_scale)) AS bid_after,
            at_scale(later.offer, later.price_scale, greatest(trade.price_scale, later.price_scale)) AS offer_after
        FROM cells AS trade
        ASOF LEFT JOIN quoted AS before
            ON trade.session_id = before.session_id AND trade.msg_seq_num > before.msg_seq_num
        ASOF LEFT JOIN settled AS later ON trade.receive_ns + $horizon_ns >= later.receive_ns
    )
)
GROUP BY cell
