-- Intervals, how many of the seconds that each touches are not known, and what its state is by that. `nothing` is zero
-- where it is known that there is nothing, else null.
SELECT
    cell,
    from_ns,
    to_ns,
    unknown_seconds,
    CASE WHEN unknown_seconds = 0 THEN 0 END AS nothing,
    CASE WHEN unknown_seconds > 0 THEN 'unknown' WHEN active_seconds > 0 THEN 'active' ELSE 'quiet' END AS state
FROM (
    SELECT *, (to_ns - 1) // 1000000000 - from_ns // 1000000000 + 1 - known_seconds AS unknown_seconds FROM touched
)
