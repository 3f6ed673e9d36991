-- Intervals of whole seconds, and how many of them are known, and active: as part_touched, without a search for each.
SELECT
    span.cell,
    span.from_ns,
    span.to_ns,
    coalesce(inside.known_seconds, 0) AS known_seconds,
    coalesce(inside.active_seconds, 0) AS active_seconds
FROM spans AS span
LEFT JOIN (
    SELECT
        second * 1000000000 // $every_ns * $every_ns AS cell,
        count(*) AS known_seconds,
        sum(is_active) AS active_seconds
    FROM known
    GROUP BY ALL
) AS inside
    ON span.cell = inside.cell
