-- What people read of events. `stored` is the table as its files hold it.
SELECT
    make_timestamp_ns(receive_ns) AS receive_time,
    kind,
    symbol,
    make_timestamp_ns(from_ns) AS from_time,
    make_timestamp_ns(to_ns) AS to_time,
    count,
    expected,
    received,
    text,
    session_id,
    msg_seq_num,
    receive_ns,
    from_ns,
    to_ns
FROM stored
