-- Intervals of any kind, and how many of the seconds that each touches are known, and active.
SELECT
    span.cell,
    span.from_ns,
    span.to_ns,
    coalesce(upto.known_count, 0) - coalesce(before.known_count, 0) AS known_seconds,
    coalesce(upto.active_count, 0) - coalesce(before.active_count, 0) AS active_seconds
FROM spans AS span
ASOF LEFT JOIN counted AS upto ON (span.to_ns - 1) // 1000000000 >= upto.second
ASOF LEFT JOIN counted AS before ON span.from_ns // 1000000000 > before.second
