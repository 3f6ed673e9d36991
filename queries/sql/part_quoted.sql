-- Quotes of a symbol from the one that stood before a window on, by arrival, all in the finest scale that one of them has.
SELECT
    *,
    row_number() OVER (ORDER BY receive_ns, session_id, msg_seq_num) AS place
FROM (
    SELECT
        receive_ns,
        session_id,
        msg_seq_num,
        proven,
        at_scale(bid_price_scaled, price_scale, max(price_scale) OVER ()) AS bid,
        at_scale(offer_price_scaled, price_scale, max(price_scale) OVER ()) AS offer,
        at_scale(bid_size_scaled, size_scale, max(size_scale) OVER ()) AS bid_size,
        at_scale(offer_size_scaled, size_scale, max(size_scale) OVER ()) AS offer_size,
        max(price_scale) OVER () AS price_scale,
        max(size_scale) OVER () AS size_scale
    FROM quotes
    WHERE symbol = $symbol AND receive_ns >= $standing_ns AND receive_ns < $quotes_end_ns
)
