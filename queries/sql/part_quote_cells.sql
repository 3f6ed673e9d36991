-- What the quotes of each interval came to; the one that stood before the window is in a cell of its own.
SELECT
    cell,
    count(*) AS quotes,
    bool_and(proven) AS proven,
    arg_min({'place': place, 'bid': bid, 'offer': offer, 'bid_size': bid_size, 'offer_size': offer_size}, place) AS first,
    arg_max({'place': place, 'bid': bid, 'offer': offer, 'bid_size': bid_size, 'offer_size': offer_size}, place) AS last,
    max(bid) AS bid_high,
    min(bid) AS bid_low,
    max(offer) AS offer_high,
    min(offer) AS offer_low,
    any_value(price_scale) AS price_scale,
    any_value(size_scale) AS size_scale
FROM (SELECT *, greatest(receive_ns // $every_ns * $every_ns, $first_ns - 1) AS cell FROM quoted)
GROUP BY cell
