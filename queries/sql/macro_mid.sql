-- The middle between the best prices. As all of these, in the unit of its arguments: scaled integers or numbers.
CREATE MACRO mid(bid, offer) AS (CAST(bid AS DOUBLE) + offer) / 2;
