-- Seconds of which all is known, with running counts of them and of the active ones among them. A second is known if any
-- session knows all of it; the one in which a session ends is not known by that session.
SELECT
    second,
    row_number() OVER by_time AS known_count,
    sum(is_active) OVER by_time AS active_count
FROM (
    SELECT second, max(CAST(state = 'active' AS INTEGER)) AS is_active
    FROM (
        SELECT state, ends_at, unnest(range(from_ns // 1000000000, to_ns // 1000000000)) AS second
        FROM (SELECT *, max(to_ns) OVER (PARTITION BY session_id) // 1000000000 - 1 AS ends_at FROM silence)
        WHERE state <> 'unknown'
    )
    WHERE second < ends_at
    GROUP BY second
)
WINDOW by_time AS (ORDER BY second ROWS UNBOUNDED PRECEDING)
