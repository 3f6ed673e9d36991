-- What people read of messages. `stored` is the table as its files hold it.
SELECT
    make_timestamp_ns(receive_ns) AS receive_time,
    symbol,
    msg_type,
    entries,
    verdict,
    checksum_received,
    checksum_computed,
    proof = 7 AS proven,
    proof,
    flags,
    session_id,
    msg_seq_num,
    time_of_ms(sending_ms) AS sending_time,
    bytes,
    segment,
    segment_offset,
    receive_ns,
    sending_ms
FROM stored
