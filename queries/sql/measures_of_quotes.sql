-- Measures of the top of book by interval. Averages are weighted by the time that a quote stood; while a side was empty
-- there is none to weigh.
SELECT
    cell,
    spread / (10 ** scales.price) AS spread,
    spread_bps,
    mid(last.bid, last.offer) / (10 ** scales.price) AS mid,
    microprice(last.bid, last.bid_size, last.offer, last.offer_size) / (10 ** scales.price) AS microprice,
    imbalance(last.bid_size, last.offer_size) AS imbalance,
    flow / (10 ** scales.size) AS order_flow_imbalance,
    quote_count,
    quote_lifetime_ms
FROM (
    WITH
    flows AS (
        SELECT
            *,
            receive_ns - lag(receive_ns) OVER of_session AS lived_ns,
            order_flow(
                lag(bid) OVER of_session,
                lag(bid_size) OVER of_session,
                lag(offer) OVER of_session,
                lag(offer_size) OVER of_session,
                bid,
                bid_size,
                offer,
                offer_size
            ) AS flow
        FROM quoted
        WINDOW of_session AS (PARTITION BY session_id ORDER BY place)
    ),
    points AS (
        SELECT
            receive_ns // $every_ns * $every_ns AS cell,
            receive_ns AS at_ns,
            place,
            true AS is_new,
            lived_ns,
            flow,
            bid,
            bid_size,
            offer,
            offer_size,
            price_scale,
            size_scale
        FROM flows
        WHERE receive_ns >= $first_ns AND receive_ns < $last_ns
        UNION ALL
        -- What stood as an interval began.
        SELECT
            span.cell,
            span.from_ns,
            stood.place,
            false,
            NULL,
            NULL,
            stood.bid,
            stood.bid_size,
            stood.offer,
            stood.offer_size,
            stood.price_scale,
            stood.size_scale
        FROM spans AS span
        ASOF INNER JOIN settled AS stood ON span.from_ns > stood.receive_ns
    ),
    lasting AS (
        SELECT
            *,
            lead(at_ns, 1, cell + $every_ns) OVER (PARTITION BY cell ORDER BY place) - at_ns AS stood_ns
        FROM points
    )
    SELECT
        cell,
        CAST(sum(CAST(offer - bid AS HUGEINT) * stood_ns) AS DOUBLE)
        / nullif(sum(stood_ns) FILTER (bid + offer IS NOT NULL), 0) AS spread,
        sum(spread_bps(bid, offer) * stood_ns) / nullif(sum(stood_ns) FILTER (bid + offer IS NOT NULL), 0)
            AS spread_bps,
        arg_max({'bid': bid, 'bid_size': bid_size, 'offer': offer, 'offer_size': offer_size}, place) AS last,
        CAST(coalesce(sum(flow), 0) AS DOUBLE) AS flow,
        count(*) FILTER (is_new) AS quote_count,
        avg(lived_ns) / 1e6 AS quote_lifetime_ms,
        {'price': any_value(price_scale), 'size': any_value(size_scale)} AS scales
    FROM lasting
    GROUP BY cell
)
