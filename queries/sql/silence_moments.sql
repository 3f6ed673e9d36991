-- The earliest moment before which a last number is asked for: the end of each session that can reach into a window, and
-- each break of the numbers. `told_ns` goes by the events of a session alone.
SELECT min(late_ns) AS late_ns, min(told_ns) AS told_ns
FROM (
    SELECT late_ns, end_ns AS told_ns FROM told
    UNION ALL
    SELECT receive_ns, receive_ns
    FROM events
    WHERE kind IN ('gap', 'sequence_reset', 'rollover') AND session_id IS NOT NULL
)
WHERE late_ns >= $start_ns
