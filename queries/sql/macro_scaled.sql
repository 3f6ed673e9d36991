-- An integer scaled by a power of ten as a number; exact to the last bit of a DOUBLE up to 2^53.
CREATE MACRO scaled(digits, scale) AS CAST(digits AS DOUBLE) / (10 ** scale);
