-- What one change of the top of book added to demand or took from supply, after the quote before it.
CREATE MACRO order_flow(bid_before, bid_size_before, offer_before, offer_size_before, bid, bid_size, offer, offer_size) AS
    CASE WHEN bid >= bid_before THEN bid_size ELSE 0 END
    - CASE WHEN bid <= bid_before THEN bid_size_before ELSE 0 END
    - CASE WHEN offer <= offer_before THEN offer_size ELSE 0 END
    + CASE WHEN offer >= offer_before THEN offer_size_before ELSE 0 END;
