-- Trades outside the book of their time, in groups. A second knows the lowest best bid and highest best offer that a quote
-- told in it; where none did, and as a trade's seconds begin, the last quote before counts. Prices are exact integers, in
-- the finest scale that the symbol has.
SELECT *
FROM (
    WITH
    scales AS (
        SELECT symbol, max(price_scale) AS scale
        FROM (SELECT symbol, price_scale FROM quotes UNION ALL SELECT symbol, price_scale FROM trades)
        GROUP BY symbol
    ),
    seconds AS (
        SELECT
            quote.symbol,
            quote.receive_ns // 1000000000 AS second,
            min(at_scale(quote.bid_price_scaled, quote.price_scale, scale)) AS bid,
            max(at_scale(quote.offer_price_scaled, quote.price_scale, scale)) AS offer,
            arg_max(at_scale(quote.bid_price_scaled, quote.price_scale, scale), (receive_ns, msg_seq_num)) AS last_bid,
            arg_max(at_scale(quote.offer_price_scaled, quote.price_scale, scale), (receive_ns, msg_seq_num)) AS last_offer,
            bool_or(quote.flags & 4 <> 0) AS is_suspect
        FROM quotes AS quote
        INNER JOIN scales USING (symbol)
        WHERE
            quote.receive_ns >= $start_ns - $standing_ns
            AND quote.receive_ns < $end_ns + 2000000000
            AND quote.bid_price_scaled IS NOT NULL
            AND quote.offer_price_scaled IS NOT NULL
        GROUP BY quote.symbol, second
    ),
    traded AS (
        SELECT
            trade.symbol,
            trade.session_id,
            trade.msg_seq_num,
            trade.entry_index,
            trade.receive_ns,
            trade.receive_ns // 1000000000 AS second,
            at_scale(trade.price_scaled, trade.price_scale, scale) AS price
        FROM trades AS trade
        INNER JOIN scales USING (symbol)
        WHERE trade.receive_ns >= $start_ns AND trade.receive_ns < $end_ns AND trade.flags & 4 = 0
    ),
    -- Each trade with the seconds around it.
    near AS (
        SELECT
            traded.symbol,
            traded.session_id,
            traded.msg_seq_num,
            traded.entry_index,
            min(seconds.bid) AS bid,
            max(seconds.offer) AS offer,
            bool_or(seconds.is_suspect) AS is_suspect
        FROM (SELECT *, unnest([second - 1, second, second + 1]) AS near_second FROM traded) AS traded
        INNER JOIN seconds ON traded.symbol = seconds.symbol AND traded.near_second = seconds.second
        GROUP BY traded.symbol, traded.session_id, traded.msg_seq_num, traded.entry_index
    ),
    judged AS (
        SELECT
            traded.*,
            least(near.bid, before.last_bid) AS bid,
            greatest(near.offer, before.last_offer) AS offer,
            coalesce(near.is_suspect, false) AS is_suspect
        FROM traded
        LEFT JOIN near USING (symbol, session_id, msg_seq_num, entry_index)
        ASOF LEFT JOIN seconds AS before ON traded.symbol = before.symbol AND traded.second - 2 >= before.second
    ),
    outside AS (
        SELECT *, 10000.0 * greatest(bid - price, price - offer) / price AS by_bp
        FROM judged
        WHERE
            NOT is_suspect
            AND (
                CAST(price AS HUGEINT) * 10000 < CAST(bid AS HUGEINT) * (10000 - $tolerance_bp)
                OR CAST(price AS HUGEINT) * 10000 > CAST(offer AS HUGEINT) * (10000 + $tolerance_bp)
            )
    )
    SELECT
        symbol,
        arg_min(session_id, receive_ns) AS session_id,
        arg_min(msg_seq_num, receive_ns) AS msg_seq_num,
        min(receive_ns) AS from_ns,
        max(receive_ns) AS to_ns,
        count(*) AS count,
        max(by_bp) AS furthest_bp
    FROM (
        SELECT *, sum(is_first) OVER (PARTITION BY symbol ORDER BY receive_ns, msg_seq_num, entry_index) AS group_
        FROM (
            SELECT
                *,
                coalesce(
                    CAST(receive_ns - lag(receive_ns) OVER (
                        PARTITION BY symbol ORDER BY receive_ns, msg_seq_num, entry_index
                    ) > $group_ns AS INTEGER), 1
                ) AS is_first
            FROM outside
        )
    )
    GROUP BY symbol, group_
)
ORDER BY from_ns, symbol
