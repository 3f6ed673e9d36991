-- What people read of trades. `stored` is the table as its files hold it.
SELECT
    make_timestamp_ns(receive_ns) AS receive_time,
    symbol,
    CASE aggressor_side WHEN 1 THEN 'buy' WHEN 2 THEN 'sell' END AS aggressor_side,
    CASE order_type WHEN 1 THEN 'market' WHEN 2 THEN 'limit' END AS order_type,
    scaled(price, price_scale) AS price,
    scaled(size, size_scale) AS size,
    entry_id,
    (proof & 5) = 5 AS proven, -- A trade has no checksum: both witnesses that there are.
    proof,
    flags,
    session_id,
    msg_seq_num,
    entry_index,
    time_of_ms(sending_ms) AS sending_time,
    time_of_ms(entry_ms) AS entry_time,
    price AS price_scaled,
    size AS size_scaled,
    price_scale,
    size_scale,
    receive_ns,
    sending_ms,
    entry_ms
FROM stored
