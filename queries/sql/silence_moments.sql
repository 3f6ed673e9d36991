-- The earliest moment before which a last number is asked for: the end of each session that can reach into a window, or
-- of the window, and each break of the numbers. `told_ns` goes by the events of a session alone.
SELECT min(late_ns) AS late_ns, min(told_ns) AS told_ns
FROM (
    SELECT late_ns, least(end_ns, late_ns) AS told_ns FROM told
    UNION ALL
    SELECT least(receive_ns, $until_ns), least(receive_ns, $until_ns)
    FROM events
    WHERE kind IN ('gap', 'sequence_reset', 'rollover') AND session_id IS NOT NULL
)
WHERE late_ns >= $start_ns
