-- Seconds of each session in a window and what is known of each: 0 quiet, 1 active, 2 unknown. Of a symbol, its book must
-- stand as well.
--
-- Whatever bears a number and came in its turn proves that nothing before it is missing. So a second is unknown only
-- where that is not so: after the last number of a session, from the last number before a gap until it is closed,
-- unless all of it was sent again, and around a reset. Windows have both ends; a second that one touches is in it.
SELECT session_id, second, max(mark) AS mark
FROM (
    WITH
    unknown AS (
        SELECT session_id, from_ns, to_ns FROM windows WHERE is_lost
        UNION ALL
        SELECT session_id, last_ns, end_ns FROM lives WHERE last_ns < end_ns
        UNION ALL
        SELECT lives.session_id, lives.begin_ns, coalesce(started.to_ns, lives.end_ns)
        FROM lives
        LEFT JOIN unbelieved AS started
            ON lives.session_id = started.session_id AND started.symbol = $symbol AND started.from_ns IS NULL
        WHERE $symbol IS NOT NULL
        UNION ALL
        SELECT lives.session_id, greatest(fallen.from_ns, lives.begin_ns), coalesce(fallen.to_ns, lives.end_ns)
        FROM unbelieved AS fallen
        INNER JOIN lives ON fallen.session_id = lives.session_id
        WHERE fallen.symbol = $symbol AND fallen.from_ns IS NOT NULL
    )
    SELECT
        session_id,
        unnest(range(greatest(begin_ns, $start_ns) // 1000000000, least(end_ns, $end_ns - 1) // 1000000000 + 1))
            AS second,
        0 AS mark
    FROM lives
    WHERE end_ns >= $start_ns AND begin_ns < $end_ns
    UNION ALL
    SELECT DISTINCT session_id, receive_ns // 1000000000, 1
    FROM messages
    WHERE ($symbol IS NULL OR symbol = $symbol) AND receive_ns >= $spoken_ns AND receive_ns <= $spoken_ns_last
    UNION ALL
    -- What was sent again belongs anywhere before it was found missing.
    SELECT session_id, unnest(range(from_ns // 1000000000, to_ns // 1000000000 + 1)), 1
    FROM windows
    WHERE NOT is_lost
    UNION ALL
    SELECT session_id, unnest(range(from_ns // 1000000000, to_ns // 1000000000 + 1)), 2
    FROM unknown
    WHERE from_ns <= to_ns
)
GROUP BY session_id, second
HAVING min(mark) = 0
