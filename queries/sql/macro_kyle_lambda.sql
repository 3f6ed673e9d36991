-- How far the middle moves for one unit of signed volume: the slope of a line through the trades, null where they all have
-- one volume. An aggregate.
CREATE MACRO kyle_lambda(mid_change, signed_volume) AS
    CASE WHEN regr_sxx(mid_change, signed_volume) > 0 THEN regr_slope(mid_change, signed_volume) END;
