-- How many seconds of each interval and of the horizon after it are not known.
SELECT
    span.cell,
    (span.far_ns - 1) // 1000000000 - span.from_ns // 1000000000 + 1
    - coalesce(upto.known_count, 0) + coalesce(before.known_count, 0) AS unknown_seconds
FROM (SELECT cell, from_ns, to_ns + $horizon_ns AS far_ns FROM spans) AS span
ASOF LEFT JOIN counted AS upto ON (span.far_ns - 1) // 1000000000 >= upto.second
ASOF LEFT JOIN counted AS before ON span.from_ns // 1000000000 > before.second
