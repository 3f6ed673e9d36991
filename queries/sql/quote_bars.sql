-- Bars of the top of book. A bar opens with the quote that stood when it began, wherever that is known; where it is not,
-- with the first that came.
SELECT
    make_timestamp_ns(from_ns) AS from_time,
    make_timestamp_ns(to_ns) AS to_time,
    CAST($symbol AS VARCHAR) AS symbol,
    state,
    scaled(bid_open, price_scale) AS bid_open,
    scaled(bid_high, price_scale) AS bid_high,
    scaled(bid_low, price_scale) AS bid_low,
    scaled(bid_close, price_scale) AS bid_close,
    scaled(offer_open, price_scale) AS offer_open,
    scaled(offer_high, price_scale) AS offer_high,
    scaled(offer_low, price_scale) AS offer_low,
    scaled(offer_close, price_scale) AS offer_close,
    scaled(bid_size_close, size_scale) AS bid_size_close,
    scaled(offer_size_close, size_scale) AS offer_size_close,
    quotes,
    proven,
    unknown_seconds,
    bid_open AS bid_open_scaled,
    bid_high AS bid_high_scaled,
    bid_low AS bid_low_scaled,
    bid_close AS bid_close_scaled,
    offer_open AS offer_open_scaled,
    offer_high AS offer_high_scaled,
    offer_low AS offer_low_scaled,
    offer_close AS offer_close_scaled,
    bid_size_close AS bid_size_close_scaled,
    offer_size_close AS offer_size_close_scaled,
    price_scale,
    size_scale,
    from_ns,
    to_ns
FROM (
    SELECT
        from_ns,
        to_ns,
        state,
        unknown_seconds,
        coalesce(quotes, nothing) AS quotes,
        proven,
        -- A side may be empty, so a quote is told from none by its place.
        if(standing.place IS NULL, first.bid, standing.bid) AS bid_open,
        greatest(bid_high, standing.bid) AS bid_high,
        least(bid_low, standing.bid) AS bid_low,
        if(last.place IS NULL, standing.bid, last.bid) AS bid_close,
        if(standing.place IS NULL, first.offer, standing.offer) AS offer_open,
        greatest(offer_high, standing.offer) AS offer_high,
        least(offer_low, standing.offer) AS offer_low,
        if(last.place IS NULL, standing.offer, last.offer) AS offer_close,
        if(last.place IS NULL, standing.bid_size, last.bid_size) AS bid_size_close,
        if(last.place IS NULL, standing.offer_size, last.offer_size) AS offer_size_close,
        max(price_scale) OVER () AS price_scale,
        max(size_scale) OVER () AS size_scale
    FROM (
        SELECT
            judged.*,
            quote_cells.* EXCLUDE (cell),
            CASE
                WHEN judged.nothing = 0
                    THEN last_value(quote_cells.last IGNORE NULLS) OVER (
                        ORDER BY coalesce(judged.from_ns, quote_cells.cell)
                        ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
                    )
            END AS standing
        FROM judged
        FULL JOIN quote_cells ON judged.cell = quote_cells.cell
    )
)
WHERE from_ns IS NOT NULL
ORDER BY from_ns
