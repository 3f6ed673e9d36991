-- The version of each instrument that was valid at a moment, or of one.
SELECT *
FROM instruments
WHERE
    ($symbol IS NULL OR symbol = $symbol)
    AND valid_from_ns <= $at_ns
    AND (valid_to_ns IS NULL OR valid_to_ns > $at_ns)
ORDER BY symbol
