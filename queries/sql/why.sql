-- The story of a window, in order: events, runs of messages, seconds that are quiet or unknown, what was not recorded, and
-- how far the clocks agree. Each line with a place in the journal: of its own message, or of the last one before it.
SELECT
    make_timestamp_ns(at_ns) AS at_time,
    what,
    symbol,
    says,
    count,
    (until_ns - at_ns) / 1e9 AS seconds,
    session_id,
    msg_seq_num,
    coalesce(own_segment, place.segment) AS segment,
    coalesce(own_offset, place.segment_offset) AS segment_offset,
    CASE
        WHEN own_segment IS NOT NULL THEN 'its message'
        WHEN place.segment IS NOT NULL THEN 'the message before'
    END AS journal_place,
    at_ns,
    until_ns
FROM (
    WITH
    -- Messages that agree in whether and why they are not as they should be, one after the other.
    marked AS (
        SELECT
            *,
            CASE WHEN verdict = 'not_due' THEN 'verified' ELSE verdict END AS verdict_kind,
            flags & 60 AS odd_flags -- Suspect book, bad time, possible duplicate, recovered by resend.
        FROM messages
        WHERE symbol = $symbol AND receive_ns >= $start_ns AND receive_ns < $end_ns
    ),
    numbered_runs AS (
        SELECT
            *,
            row_number() OVER (PARTITION BY session_id ORDER BY receive_ns, msg_seq_num)
            - row_number() OVER (
                PARTITION BY session_id, verdict_kind, odd_flags, msg_type = 'W' ORDER BY receive_ns, msg_seq_num
            ) AS run
        FROM marked
    ),
    runs AS (
        SELECT
            session_id,
            verdict_kind,
            odd_flags,
            min(receive_ns) AS first_ns,
            max(receive_ns) AS last_ns,
            min(msg_seq_num) AS first_seq,
            max(msg_seq_num) AS last_seq,
            count(*) AS count,
            any_value(msg_type) FILTER (msg_type = 'W') AS snapshot,
            arg_min(segment, (receive_ns, msg_seq_num)) AS segment,
            arg_min(segment_offset, (receive_ns, msg_seq_num)) AS segment_offset
        FROM numbered_runs
        GROUP BY session_id, verdict_kind, odd_flags, msg_type = 'W', run
    ),
    clocks AS (
        SELECT
            session_id,
            min(receive_ns) AS first_ns,
            max(receive_ns) AS last_ns,
            count(*) AS count,
            min(receive_ns // 1000000 - sending_ms) AS least_ms,
            quantile_disc(receive_ns // 1000000 - sending_ms, 0.5) AS median_ms,
            max(receive_ns // 1000000 - sending_ms) AS most_ms,
            count(*) FILTER (receive_ns < ns_before AND NOT $is_united) AS steps,
            count(*) FILTER (flags & 8 <> 0) AS bad_times
        FROM (
            SELECT *, lag(receive_ns) OVER (PARTITION BY session_id ORDER BY msg_seq_num) AS ns_before
            FROM messages
            WHERE receive_ns >= $start_ns AND receive_ns < $end_ns
        )
        GROUP BY session_id
    ),
    seconds AS (
        SELECT state, from_ns, to_ns, session_id
        FROM silence
        WHERE state = 'unknown' OR (state = 'quiet' AND seconds >= $quiet_seconds)
    ),
    -- Between the ends of sessions, whatever their states: nothing listened.
    recorded AS (
        SELECT from_ns, to_ns FROM silence
        UNION ALL
        SELECT $start_ns, $start_ns
        UNION ALL
        SELECT $end_ns, $end_ns
    ),
    unrecorded AS (
        SELECT reached_ns AS from_ns, next_ns AS to_ns
        FROM (
            SELECT
                max(to_ns) OVER (ORDER BY from_ns, to_ns ROWS UNBOUNDED PRECEDING) AS reached_ns,
                lead(from_ns) OVER (ORDER BY from_ns, to_ns) AS next_ns
            FROM recorded
        )
        WHERE next_ns > reached_ns AND NOT $is_united
    ),
    -- The message that an event is about came with it: a number of ours, as of a subscription, may be another's too.
    own AS (
        SELECT
            session_id,
            msg_seq_num,
            receive_ns,
            min(segment) AS segment,
            min_by(segment_offset, segment) AS segment_offset
        FROM messages
        WHERE symbol IS NULL OR symbol = $symbol
        GROUP BY session_id, msg_seq_num, receive_ns
    ),
    lines AS (
        SELECT
            event.receive_ns AS at_ns,
            greatest(coalesce(event.to_ns, event.receive_ns), event.receive_ns) AS until_ns,
            3 AS rank,
            event.kind AS what,
            event.symbol,
            concat_ws(
                '; ',
                CASE
                    WHEN event.from_ns < event.receive_ns
                        THEN 'since ' || utc_text(event.from_ns)
                END,
                CASE WHEN event.kind = 'logout' THEN event.expected ELSE 'expected ' || event.expected END,
                'received ' || event.received,
                event.text
            ) AS says,
            event.count,
            event.session_id,
            event.msg_seq_num,
            own.segment AS own_segment,
            own.segment_offset AS own_offset
        FROM events AS event
        LEFT JOIN own
            ON
                event.session_id = own.session_id
                AND event.msg_seq_num = own.msg_seq_num
                AND event.receive_ns = own.receive_ns
        WHERE
            (event.symbol IS NULL OR event.symbol = $symbol)
            AND (
                (event.receive_ns >= $start_ns AND event.receive_ns < $end_ns)
                OR (event.from_ns < $end_ns AND greatest(event.to_ns, event.receive_ns) >= $start_ns)
            )
        UNION ALL
        SELECT
            first_ns,
            last_ns,
            4,
            'messages',
            $symbol,
            concat_ws(
                ', ',
                -- A snapshot carries no checksum, so its verdict says nothing.
                CASE WHEN snapshot IS NOT NULL AND verdict_kind = 'unverified' THEN 'snapshot' ELSE verdict_kind END,
                CASE WHEN odd_flags & 4 <> 0 THEN 'suspect book' END,
                CASE WHEN odd_flags & 8 <> 0 THEN 'bad time' END,
                CASE WHEN odd_flags & 16 <> 0 THEN 'possible duplicate' END,
                CASE WHEN odd_flags & 32 <> 0 THEN 'recovered by resend' END,
                CASE WHEN last_seq > first_seq THEN 'to MsgSeqNum ' || last_seq END
            ),
            count,
            session_id,
            first_seq,
            segment,
            segment_offset
        FROM runs
        UNION ALL
        SELECT from_ns, to_ns, 1, state, $symbol, NULL, NULL, session_id, NULL, NULL, NULL
        FROM seconds
        UNION ALL
        SELECT from_ns, to_ns, 0, 'unrecorded', $symbol, 'no session', NULL, NULL, NULL, NULL, NULL
        FROM unrecorded
        UNION ALL
        SELECT
            first_ns,
            last_ns,
            2,
            'clock',
            NULL,
            'received ' || least_ms || ' to ' || most_ms || ' ms after sending, median ' || median_ms || ' ms'
            || CASE WHEN steps > 0 THEN '; receive time went back ' || steps || ' times' ELSE '' END
            || CASE WHEN bad_times > 0 THEN '; ' || bad_times || ' with a bad time' ELSE '' END,
            count,
            session_id,
            NULL,
            NULL,
            NULL
        FROM clocks
    )
    SELECT line.*, before.place
    FROM lines AS line
    ASOF LEFT JOIN (
        SELECT
            session_id,
            receive_ns,
            max_by({'segment': segment, 'segment_offset': segment_offset}, msg_seq_num) AS place
        FROM messages
        GROUP BY session_id, receive_ns
    ) AS before
        ON line.session_id = before.session_id AND line.at_ns >= before.receive_ns
)
ORDER BY at_ns, rank, session_id, msg_seq_num NULLS FIRST, what, symbol
