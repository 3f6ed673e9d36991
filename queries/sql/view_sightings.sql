-- What people read of sightings. `stored` is the table as its files hold it. A positive lead is the first recorder's.
SELECT
    make_timestamp_ns(receive_ns) AS receive_time,
    symbol,
    msg_type,
    taken,
    a_receive_ns IS NOT NULL AS seen_by_a,
    b_receive_ns IS NOT NULL AS seen_by_b,
    b_receive_ns - a_receive_ns AS lead_ns,
    session_id,
    msg_seq_num,
    a_session_id,
    a_msg_seq_num,
    b_session_id,
    b_msg_seq_num,
    receive_ns,
    a_receive_ns,
    b_receive_ns
FROM stored
