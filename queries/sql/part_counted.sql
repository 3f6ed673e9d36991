-- Known seconds with running counts of them and of the active ones among them.
SELECT
    second,
    row_number() OVER by_time AS known_count,
    sum(is_active) OVER by_time AS active_count
FROM known
WINDOW by_time AS (ORDER BY second ROWS UNBOUNDED PRECEDING)
