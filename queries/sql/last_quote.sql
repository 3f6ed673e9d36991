-- The newest quote of a symbol at or before a moment.
SELECT max(receive_ns) AS receive_ns
FROM quotes
WHERE symbol = $symbol AND receive_ns <= $at_ns
HAVING max(receive_ns) IS NOT NULL
