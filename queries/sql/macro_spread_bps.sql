-- The spread in basis points of the middle.
CREATE MACRO spread_bps(bid, offer) AS 20000 * CAST(offer - bid AS DOUBLE) / (CAST(bid AS DOUBLE) + offer);
