-- The same of the best levels of a book, its sizes given best first.
CREATE MACRO imbalance_of_levels(bid_sizes, offer_sizes, levels) AS
    imbalance(coalesce(list_sum(bid_sizes[1:levels]), 0), coalesce(list_sum(offer_sizes[1:levels]), 0));
