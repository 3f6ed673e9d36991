-- Seconds of each session in a window, in runs: active, quiet or unknown. Of a symbol, its book must stand as well.
--
-- Whatever bears a number and came in its turn proves that nothing before it is missing. So a second is unknown only
-- where that is not so: after the last number of a session, from the last number before a gap until it is closed,
-- unless all of it was sent again, and around a reset. Windows have both ends; a second that one touches is in it.
SELECT
    session_id,
    CAST($symbol AS VARCHAR) AS symbol,
    ['quiet', 'active', 'unknown'][mark + 1] AS state,
    make_timestamp_ns(min(second) * 1000000000) AS from_time,
    make_timestamp_ns((max(second) + 1) * 1000000000) AS to_time,
    count(*) AS seconds,
    min(second) * 1000000000 AS from_ns,
    (max(second) + 1) * 1000000000 AS to_ns
FROM (
    WITH
    -- A Logout in its turn is the last that a side says; one that came too high has the number of the message before.
    logouts AS (
        SELECT said.session_id, min(said.receive_ns) AS receive_ns
        FROM events AS said
        LEFT JOIN (SELECT session_id, max(msg_seq_num) AS last FROM numbered GROUP BY session_id) AS before
            ON said.session_id = before.session_id
        WHERE said.kind = 'logout' AND said.msg_seq_num > coalesce(before.last, 0)
        GROUP BY said.session_id
    ),
    told AS (
        SELECT session_id, min(receive_ns) FILTER (kind = 'logon') AS begin_ns, max(receive_ns) AS end_ns
        FROM events
        WHERE session_id IS NOT NULL
        GROUP BY session_id
        -- The messages of a session that was merged are not among its own, so that its silence cannot be told from here.
        HAVING NOT bool_or(kind = 'merged')
    ),
    heard AS (SELECT session_id, max(receive_ns) AS last_ns FROM numbered GROUP BY session_id),
    lives AS (
        SELECT
            told.session_id,
            told.begin_ns,
            coalesce(logouts.receive_ns, greatest(told.end_ns, coalesce(heard.last_ns, 0))) AS end_ns,
            coalesce(logouts.receive_ns, heard.last_ns, told.begin_ns) AS last_ns
        FROM told
        LEFT JOIN heard ON told.session_id = heard.session_id
        LEFT JOIN logouts ON told.session_id = logouts.session_id
        WHERE told.begin_ns IS NOT NULL
    ),
    seconds AS (
        SELECT
            session_id,
            unnest(range(greatest(begin_ns, $start_ns) // 1000000000, least(end_ns, $end_ns - 1) // 1000000000 + 1))
                AS second
        FROM lives
        WHERE end_ns >= $start_ns AND begin_ns < $end_ns
    ),
    gaps AS (
        SELECT gap.session_id, gap.receive_ns AS found_ns, gap.msg_seq_num, min(closed.receive_ns) AS closed_ns
        FROM events AS gap
        LEFT JOIN events AS closed
            ON
                gap.session_id = closed.session_id
                AND closed.kind = 'gap_closed'
                AND closed.receive_ns >= gap.receive_ns
                AND closed.msg_seq_num >= gap.msg_seq_num
        WHERE gap.kind = 'gap'
        GROUP BY gap.session_id, gap.receive_ns, gap.msg_seq_num
    ),
    breaks AS (
        SELECT
            gaps.session_id,
            gaps.found_ns,
            gaps.msg_seq_num,
            coalesce(gaps.closed_ns, lives.end_ns) AS to_ns,
            gaps.closed_ns IS NULL
            OR EXISTS (
                SELECT 1
                FROM events AS lost
                WHERE
                    lost.session_id = gaps.session_id
                    AND lost.kind IN ('gap_fill', 'sequence_reset')
                    AND lost.receive_ns BETWEEN gaps.found_ns AND gaps.closed_ns
            ) AS is_lost
        FROM gaps
        INNER JOIN lives ON gaps.session_id = lives.session_id
        UNION ALL
        SELECT session_id, receive_ns, NULL, receive_ns, true
        FROM events
        WHERE kind IN ('sequence_reset', 'rollover') AND session_id IS NOT NULL
    ),
    windows AS (
        SELECT
            breaks.session_id,
            coalesce(max(numbered.receive_ns), breaks.found_ns) AS from_ns,
            breaks.found_ns,
            breaks.to_ns,
            breaks.is_lost
        FROM breaks
        LEFT JOIN numbered
            ON
                breaks.session_id = numbered.session_id
                AND numbered.receive_ns <= breaks.found_ns
                AND (breaks.msg_seq_num IS NULL OR numbered.msg_seq_num < breaks.msg_seq_num)
        GROUP BY breaks.session_id, breaks.found_ns, breaks.msg_seq_num, breaks.to_ns, breaks.is_lost
    ),
    of_symbol AS (SELECT * FROM events WHERE symbol = $symbol AND session_id IS NOT NULL),
    stands AS (
        SELECT lives.session_id, lives.begin_ns, lives.end_ns, min(of_symbol.receive_ns) AS first_ns
        FROM lives
        LEFT JOIN of_symbol ON lives.session_id = of_symbol.session_id AND of_symbol.kind = 'snapshot'
        GROUP BY lives.session_id, lives.begin_ns, lives.end_ns
    ),
    -- Where a symbol has no book to believe; what was sent again in a gap leaves none such.
    falls AS (
        SELECT
            fall.session_id,
            CASE WHEN fall.kind = 'unsubscribe' THEN fall.receive_ns ELSE fall.from_ns END AS from_ns,
            min_by({'ns': mended.receive_ns, 'by_resend': mended.text = 'by resend'}, mended.receive_ns) AS mended
        FROM of_symbol AS fall
        LEFT JOIN of_symbol AS mended
            ON
                fall.session_id = mended.session_id
                AND mended.receive_ns >= fall.receive_ns
                AND mended.kind = CASE WHEN fall.kind = 'unsubscribe' THEN 'snapshot' ELSE 'healed' END
        WHERE fall.kind IN ('mismatch', 'suspect', 'unsubscribe')
        GROUP BY fall.session_id, fall.kind, fall.receive_ns, fall.from_ns
    ),
    unknown AS (
        SELECT session_id, from_ns, to_ns FROM windows WHERE is_lost
        UNION ALL
        SELECT session_id, last_ns, end_ns FROM lives WHERE last_ns < end_ns
        UNION ALL
        SELECT session_id, begin_ns, coalesce(first_ns, end_ns) FROM stands WHERE $symbol IS NOT NULL
        UNION ALL
        SELECT falls.session_id, greatest(falls.from_ns, stands.begin_ns), coalesce(falls.mended.ns, stands.end_ns)
        FROM falls
        INNER JOIN stands ON falls.session_id = stands.session_id
        WHERE falls.mended.by_resend IS NOT TRUE
    ),
    spoken AS (
        SELECT session_id, receive_ns FROM messages WHERE $symbol IS NULL OR symbol = $symbol
    ),
    marks AS (
        SELECT session_id, second, 0 AS mark FROM seconds
        UNION ALL
        SELECT DISTINCT session_id, receive_ns // 1000000000, 1 FROM spoken
        UNION ALL
        -- What was sent again belongs anywhere before it was found missing.
        SELECT
            windows.session_id,
            unnest(range(windows.from_ns // 1000000000, windows.to_ns // 1000000000 + 1)),
            1
        FROM windows
        WHERE
            NOT windows.is_lost
            AND EXISTS (
                SELECT 1
                FROM spoken
                WHERE
                    spoken.session_id = windows.session_id
                    AND spoken.receive_ns BETWEEN windows.found_ns AND windows.to_ns
            )
        UNION ALL
        SELECT session_id, unnest(range(from_ns // 1000000000, to_ns // 1000000000 + 1)), 2
        FROM unknown
        WHERE from_ns <= to_ns
    ),
    judged AS (
        SELECT session_id, second, max(mark) AS mark
        FROM marks
        GROUP BY session_id, second
        HAVING min(mark) = 0
    )
    SELECT
        session_id,
        second,
        mark,
        second - row_number() OVER (PARTITION BY session_id, mark ORDER BY second) AS run
    FROM judged
)
GROUP BY session_id, mark, run
ORDER BY from_ns, session_id
