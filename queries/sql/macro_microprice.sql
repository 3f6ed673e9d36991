-- The middle weighted by the size on the other side.
CREATE MACRO microprice(bid, bid_size, offer, offer_size) AS
    (CAST(bid AS DOUBLE) * offer_size + CAST(offer AS DOUBLE) * bid_size) / (CAST(bid_size AS DOUBLE) + offer_size);
