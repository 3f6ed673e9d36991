-- What people read of instruments. `stored` is the table as its files hold it: a run begins with all of them again, so
-- a row that says nothing new is none here. A version holds until the symbol's next.
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
    CASE status
        WHEN -1 THEN 'unlisted'
        WHEN 0 THEN 'hidden'
        WHEN 1 THEN 'online'
        WHEN 2 THEN 'maintenance'
        WHEN 3 THEN 'cancel-only'
        WHEN 4 THEN 'post-only'
        WHEN 5 THEN 'limit-only'
        WHEN 6 THEN 'delisted'
        WHEN 7 THEN 'reduce-only'
    END AS status_name,
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
    SELECT *, lead(valid_from_ns) OVER of_symbol AS valid_to_ns
    FROM (
        SELECT *, lag(version) OVER of_symbol AS version_before
        FROM (
            SELECT
                *,
                row(price_precision, size_precision, tick_size, lot_size, size_min, size_max, cost_min, status)
                    AS version
            FROM stored
        )
        WINDOW of_symbol AS (PARTITION BY symbol ORDER BY valid_from_ns, receive_ns, session_id, msg_seq_num)
    )
    WHERE version IS DISTINCT FROM version_before
    WINDOW of_symbol AS (PARTITION BY symbol ORDER BY valid_from_ns, receive_ns, session_id, msg_seq_num)
)
