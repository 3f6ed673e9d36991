-- Twice what a trade paid beyond the middle; with the middle of some time after it, the realised spread.
CREATE MACRO effective_spread(price, mid, side) AS 2 * side_sign(side) * (price - mid);
