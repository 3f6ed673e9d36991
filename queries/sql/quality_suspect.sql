-- Stretches in which books were not to be believed, those of one cause together: what it was, whether and how they were
-- mended, how many symbols, from when to when, and how long they lasted added up. Of a merged tape its own books count,
-- not those of the recorders, whose events are there too.
SELECT
    cause,
    bool_and(is_mended) AS is_mended,
    bool_and(by_resend) AS by_resend,
    {'count': count(DISTINCT symbol), 'names': list_slice(list_sort(list(DISTINCT symbol)), 1, $names)} AS symbols,
    min(from_ns) AS from_ns,
    max(to_ns) AS to_ns,
    CAST(sum(to_ns - from_ns) AS BIGINT) AS lasted_ns,
    any_value(session_id) AS session_id,
    min(msg_seq_num) AS msg_seq_num
FROM (
    WITH
    falls AS (
        SELECT
            symbol, session_id, receive_ns, msg_seq_num, text,
            least(coalesce(from_ns, receive_ns), receive_ns) AS from_ns
        FROM events
        WHERE kind IN ('mismatch', 'suspect') AND symbol IS NOT NULL AND (NOT $is_united OR session_id = 'merged')
    ),
    healed AS (
        SELECT
            symbol, session_id, receive_ns, msg_seq_num,
            coalesce(text = 'by resend', false) AS by_resend,
            least(coalesce(from_ns, receive_ns), receive_ns) AS from_ns
        FROM events
        WHERE kind = 'healed' AND symbol IS NOT NULL AND (NOT $is_united OR session_id = 'merged')
    )
    -- The first fall of a stretch is its cause; without one it was the end of the connection.
    SELECT
        healed.symbol,
        coalesce(first.text, 'the connection before ended') AS cause,
        coalesce(first.session_id, healed.session_id) AS session_id,
        first.msg_seq_num,
        first.receive_ns AS cause_ns,
        healed.from_ns,
        healed.receive_ns AS to_ns,
        true AS is_mended,
        healed.by_resend
    FROM healed
    LEFT JOIN (
        SELECT
            mended.symbol,
            mended.receive_ns AS healed_ns,
            arg_min(fall.text, fall.receive_ns) AS text,
            arg_min(fall.session_id, fall.receive_ns) AS session_id,
            arg_min(fall.msg_seq_num, fall.receive_ns) AS msg_seq_num,
            min(fall.receive_ns) AS receive_ns
        FROM healed AS mended
        INNER JOIN falls AS fall
            ON
                mended.symbol = fall.symbol
                AND fall.receive_ns <= mended.receive_ns
                AND fall.receive_ns >= mended.from_ns
                AND fall.from_ns >= mended.from_ns
        GROUP BY mended.symbol, mended.receive_ns
    ) AS first ON healed.symbol = first.symbol AND healed.receive_ns = first.healed_ns
    UNION ALL
    -- What nothing mended, until its session said its last, or the tape did.
    SELECT
        falls.symbol,
        arg_min(coalesce(falls.text, 'suspect'), falls.receive_ns) AS cause,
        falls.session_id,
        arg_min(falls.msg_seq_num, falls.receive_ns) AS msg_seq_num,
        min(falls.receive_ns) AS cause_ns,
        min(falls.from_ns) AS from_ns,
        CASE WHEN $is_united THEN $until_ns ELSE least(max(ended.end_ns), $until_ns) END AS to_ns,
        false AS is_mended,
        false AS by_resend
    FROM falls
    INNER JOIN (
        SELECT session_id, max(receive_ns) AS end_ns FROM events GROUP BY session_id
    ) AS ended ON falls.session_id = ended.session_id
    LEFT JOIN healed ON falls.symbol = healed.symbol AND healed.receive_ns >= falls.receive_ns
    WHERE healed.symbol IS NULL
    GROUP BY falls.symbol, falls.session_id
)
WHERE to_ns >= $start_ns AND from_ns < $end_ns
GROUP BY cause, cause_ns, session_id, is_mended, by_resend
ORDER BY min(from_ns), cause
