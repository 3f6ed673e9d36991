-- Intervals, how many of the seconds that each touches are not known, and what its state is by that. `nothing` is zero
-- where it is known that there is nothing, else null.
SELECT
    cell,
    from_ns,
    to_ns,
    unknown_seconds,
    CASE WHEN unknown_seconds = 0 THEN 0 END AS nothing,
    CASE WHEN unknown_seconds > 0 THEN 'unknown' WHEN is_active THEN 'active' ELSE 'quiet' END AS state
FROM (
    SELECT
        span.*,
        (span.to_ns - 1) // 1000000000 - span.from_ns // 1000000000 + 1
            - coalesce(upto.known_count, 0) + coalesce(before.known_count, 0) AS unknown_seconds,
        coalesce(upto.active_count, 0) > coalesce(before.active_count, 0) AS is_active
    FROM spans AS span
    ASOF LEFT JOIN known AS upto ON (span.to_ns - 1) // 1000000000 >= upto.second
    ASOF LEFT JOIN known AS before ON span.from_ns // 1000000000 > before.second
)
