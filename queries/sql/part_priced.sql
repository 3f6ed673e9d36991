-- Trades of a symbol in a window, by arrival, all in the finest scale that one of them has.
SELECT
    *,
    row_number() OVER (ORDER BY receive_ns, session_id, msg_seq_num, entry_index) AS place
FROM (
    SELECT
        receive_ns,
        session_id,
        msg_seq_num,
        entry_index,
        aggressor_side,
        proven,
        at_scale(price_scaled, price_scale, max(price_scale) OVER ()) AS price,
        at_scale(size_scaled, size_scale, max(size_scale) OVER ()) AS size,
        max(price_scale) OVER () AS price_scale,
        max(size_scale) OVER () AS size_scale
    FROM trades
    WHERE symbol = $symbol AND receive_ns >= $first_ns AND receive_ns < $last_ns
)
