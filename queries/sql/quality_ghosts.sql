-- Snapshots that took the place of a book soon after its last row: how many levels of it, old enough and in sight of the
-- snapshot, are not in the snapshot, since when, and how many were looked at.
SELECT *
FROM (
    WITH
    snapshots AS (
        SELECT
            symbol,
            session_id,
            msg_seq_num,
            receive_ns,
            lead(receive_ns) OVER by_arrival AS next_ns,
            lead(session_id) OVER by_arrival AS next_session,
            lead(msg_seq_num) OVER by_arrival AS next_seq
        FROM messages
        WHERE msg_type = 'W' AND symbol IS NOT NULL AND receive_ns >= $start_ns AND receive_ns < $end_ns
        WINDOW by_arrival AS (PARTITION BY symbol ORDER BY receive_ns, msg_seq_num)
    ),
    replaced AS (SELECT * FROM snapshots WHERE next_ns IS NOT NULL),
    rows_of_books AS (
        SELECT *
        FROM book_changes
        WHERE
            receive_ns >= $start_ns
            AND receive_ns < $end_ns
            AND flags & 4 = 0
            AND side IS NOT NULL
            AND symbol IN (SELECT symbol FROM replaced)
    ),
    lived AS (
        SELECT replaced.*, row_.side, row_.price_scaled, row_.action, row_.receive_ns AS at_ns, row_.msg_seq_num AS seq, row_.entry_index
        FROM rows_of_books AS row_
        ASOF INNER JOIN replaced ON row_.symbol = replaced.symbol AND row_.receive_ns >= replaced.receive_ns
        WHERE
            row_.session_id = replaced.session_id
            AND row_.msg_seq_num >= replaced.msg_seq_num
            AND row_.receive_ns <= replaced.next_ns
            AND (row_.session_id <> replaced.next_session OR row_.msg_seq_num < replaced.next_seq)
    ),
    ends AS (
        SELECT symbol, next_session, next_seq, max(at_ns) AS last_ns
        FROM lived
        GROUP BY symbol, next_session, next_seq, next_ns
        HAVING next_ns - max(at_ns) <= $hole_ns
    ),
    held AS (
        SELECT
            lived.symbol,
            lived.next_session,
            lived.next_seq,
            lived.next_ns,
            lived.side,
            lived.price_scaled,
            max(lived.at_ns) AS at_ns,
            any_value(ends.last_ns) AS last_ns
        FROM lived
        INNER JOIN ends USING (symbol, next_session, next_seq)
        GROUP BY lived.symbol, lived.next_session, lived.next_seq, lived.next_ns, lived.side, lived.price_scaled
        HAVING
            -- Within a message a level cut locally (-1) comes last.
            arg_max(lived.action, (lived.at_ns, lived.seq, lived.entry_index < 0, lived.entry_index)) NOT IN ('delete', 'evict')
            AND max(lived.at_ns) <= any_value(ends.last_ns) - $stale_ns
    ),
    shown AS (
        SELECT symbol, session_id, msg_seq_num, side, price_scaled
        FROM rows_of_books
        WHERE action = 'snapshot'
    ),
    reach AS (
        SELECT symbol, session_id, msg_seq_num, side, min(price_scaled) AS lowest, max(price_scaled) AS highest
        FROM shown
        GROUP BY symbol, session_id, msg_seq_num, side
    )
    SELECT
        held.symbol,
        held.next_session,
        held.next_seq,
        coalesce(min(held.at_ns) FILTER (shown.price_scaled IS NULL), min(held.last_ns)) AS from_ns,
        max(held.next_ns) AS to_ns,
        count(*) FILTER (shown.price_scaled IS NULL) AS ghosts,
        count(*) AS held
    FROM held
    INNER JOIN reach
        ON
            held.symbol = reach.symbol
            AND held.next_session = reach.session_id
            AND held.next_seq = reach.msg_seq_num
            AND held.side = reach.side
            AND held.price_scaled BETWEEN reach.lowest AND reach.highest
    LEFT JOIN shown
        ON
            held.symbol = shown.symbol
            AND held.next_session = shown.session_id
            AND held.next_seq = shown.msg_seq_num
            AND held.side = shown.side
            AND held.price_scaled = shown.price_scaled
    GROUP BY held.symbol, held.next_session, held.next_seq
)
ORDER BY from_ns, symbol
