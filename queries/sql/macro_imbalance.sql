-- From -1, all is offered, to 1, all is bid for.
CREATE MACRO imbalance(bid_size, offer_size) AS CAST(bid_size - offer_size AS DOUBLE) / nullif(bid_size + offer_size, 0);
