-- What people read of quotes. `stored` is the table as its files hold it.
SELECT
    make_timestamp_ns(receive_ns) AS receive_time,
    symbol,
    scaled(bid_price, price_scale) AS bid_price,
    scaled(bid_size, size_scale) AS bid_size,
    scaled(offer_price, price_scale) AS offer_price,
    scaled(offer_size, size_scale) AS offer_size,
    scaled(bid_total, size_scale) AS bid_total,
    scaled(offer_total, size_scale) AS offer_total,
    -- A snapshot carries no checksum and is proven by the first refresh after it.
    (proof & 5) = 5 AND ((proof & 2) = 2 OR (flags & 2) = 2) AND (flags & 4) = 0 AS proven,
    proof,
    flags,
    session_id,
    msg_seq_num,
    time_of_ms(sending_ms) AS sending_time,
    bid_price AS bid_price_scaled,
    bid_size AS bid_size_scaled,
    bid_total AS bid_total_scaled,
    offer_price AS offer_price_scaled,
    offer_size AS offer_size_scaled,
    offer_total AS offer_total_scaled,
    price_scale,
    size_scale,
    receive_ns,
    sending_ms
FROM stored
