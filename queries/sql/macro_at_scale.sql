-- An integer of one scale as the integer of a finer one; exact, or an error where 64 bits do not hold it.
CREATE MACRO at_scale(digits, scale, wanted) AS digits * CAST(10 ** (wanted - scale) AS BIGINT);
