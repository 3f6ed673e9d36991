-- What people read of instruments. `stored` is the table as its files hold it; a version holds until the symbol's next.
SELECT
    symbol,
    make_timestamp_ns(valid_from_ns) AS valid_from_time,
    make_timestamp_ns(valid_to_ns) AS valid_to_time,
    price_precision,
    size_precision,
    tick_size,
    lot_size,
    size_min,
    size_max,
    cost_min,
    status,
    proof = 7 AS proven,
    proof,
    flags,
    session_id,
    msg_seq_num,
    make_timestamp_ns(receive_ns) AS receive_time,
    time_of_ms(sending_ms) AS sending_time,
    valid_from_ns,
    valid_to_ns,
    receive_ns,
    sending_ms
FROM (
    SELECT
        *,
        lead(valid_from_ns) OVER (
            PARTITION BY symbol ORDER BY valid_from_ns, receive_ns, session_id, msg_seq_num
        ) AS valid_to_ns
    FROM stored
)
