-- The quote that a moment left, where it brought several.
SELECT *
FROM quoted
QUALIFY row_number() OVER (PARTITION BY receive_ns ORDER BY place DESC) = 1
