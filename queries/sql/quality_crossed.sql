-- Stretches of crossed tops of believed books, each up to the next top of its session that is not crossed, and the status
-- that the instrument had as it began.
SELECT stretch.* EXCLUDE (valid_ns), listed.status
FROM (
    WITH
    tops AS (
        SELECT symbol, session_id, msg_seq_num, receive_ns, bid_price_scaled >= offer_price_scaled AS is_crossed
        FROM quotes
        WHERE
            receive_ns >= $start_ns
            AND receive_ns < $end_ns
            AND flags & 4 = 0
            AND bid_price_scaled IS NOT NULL
            AND offer_price_scaled IS NOT NULL
    ),
    crossed AS (SELECT * FROM tops WHERE is_crossed)
    SELECT
        crossed.symbol,
        crossed.session_id,
        min(crossed.msg_seq_num) AS msg_seq_num,
        min(crossed.receive_ns) AS from_ns,
        coalesce(max(good.receive_ns), max(crossed.receive_ns)) AS to_ns,
        count(*) AS count,
        min(crossed.receive_ns) AS valid_ns
    FROM crossed
    ASOF LEFT JOIN (SELECT * FROM tops WHERE NOT is_crossed) AS good
        ON
            crossed.symbol = good.symbol
            AND crossed.session_id = good.session_id
            AND crossed.msg_seq_num < good.msg_seq_num
    GROUP BY crossed.symbol, crossed.session_id, good.msg_seq_num
) AS stretch
ASOF LEFT JOIN (SELECT symbol, valid_from_ns, status FROM instruments) AS listed
    ON stretch.symbol = listed.symbol AND stretch.valid_ns >= listed.valid_from_ns
ORDER BY stretch.from_ns, stretch.symbol
