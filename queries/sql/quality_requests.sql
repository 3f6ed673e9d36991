-- Subscriptions beyond the first of a session, refusals and broken rules, by kind, symbol, session and text.
SELECT
    kind,
    symbol,
    session_id,
    min(msg_seq_num) FILTER (kind <> 'resubscribed') AS msg_seq_num,
    min(receive_ns) AS from_ns,
    max(receive_ns) AS to_ns,
    count(*) AS count,
    text
FROM (
    SELECT
        CASE
            WHEN kind <> 'subscribe' THEN kind
            WHEN row_number() OVER (PARTITION BY session_id, symbol, kind ORDER BY receive_ns, msg_seq_num) > 1
                THEN 'resubscribed'
        END AS kind,
        symbol,
        session_id,
        msg_seq_num,
        receive_ns,
        CASE WHEN kind <> 'subscribe' THEN text END AS text
    FROM events
    WHERE
        kind IN ('subscribe', 'subscription_rejected', 'reject', 'rejected', 'logon_refused', 'violation')
        AND receive_ns < $end_ns
)
WHERE kind IS NOT NULL AND receive_ns >= $start_ns
GROUP BY kind, symbol, session_id, text
ORDER BY from_ns, symbol, kind
