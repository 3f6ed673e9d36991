-- Where the numbers of a session broke: from the last number before it to where they run on again. Lost are those that
-- were not all sent again. `count` is how many numbers were missing; a reset and a roll-over have none.
SELECT
    breaks.session_id,
    coalesce(max(numbered.receive_ns), breaks.found_ns) AS from_ns,
    max(numbered.receive_ns) AS heard_ns,
    breaks.found_ns,
    breaks.to_ns,
    breaks.is_lost,
    breaks.kind,
    breaks.msg_seq_num,
    breaks.count
FROM (
    SELECT
        gaps.*,
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
    FROM (
        SELECT
            gap.kind,
            gap.session_id,
            gap.receive_ns AS found_ns,
            gap.msg_seq_num,
            max(gap.count) AS count,
            min(closed.receive_ns) AS closed_ns
        FROM events AS gap
        LEFT JOIN events AS closed
            ON
                gap.session_id = closed.session_id
                AND closed.kind = 'gap_closed'
                AND closed.receive_ns >= gap.receive_ns
                AND closed.msg_seq_num >= gap.msg_seq_num
        WHERE gap.kind = 'gap'
        GROUP BY gap.kind, gap.session_id, gap.receive_ns, gap.msg_seq_num
    ) AS gaps
    INNER JOIN lives ON gaps.session_id = lives.session_id
    UNION ALL
    SELECT kind, session_id, receive_ns, NULL, NULL, receive_ns, receive_ns, true
    FROM events
    WHERE kind IN ('sequence_reset', 'rollover') AND session_id IS NOT NULL
) AS breaks
LEFT JOIN numbered
    ON
        breaks.session_id = numbered.session_id
        AND numbered.receive_ns <= breaks.found_ns
        AND (breaks.msg_seq_num IS NULL OR numbered.msg_seq_num < breaks.msg_seq_num)
GROUP BY
    breaks.session_id, breaks.found_ns, breaks.to_ns, breaks.is_lost, breaks.kind, breaks.msg_seq_num, breaks.count
