-- 1 for a buy, -1 for a sell, null for neither.
CREATE MACRO side_sign(side) AS CASE side WHEN 'buy' THEN 1 WHEN 'sell' THEN -1 END;
