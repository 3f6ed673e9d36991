-- What each session asked for and what became of it, by symbol: from a subscription to its end, and where there was no
-- book to believe. An end that is null is the session's.
SELECT session_id, symbol, 'wanted' AS kind, receive_ns AS from_ns, next_ns AS to_ns
FROM (
    SELECT
        session_id,
        symbol,
        kind,
        receive_ns,
        lead(receive_ns) OVER (PARTITION BY session_id, symbol ORDER BY receive_ns, msg_seq_num) AS next_ns
    FROM events
    WHERE kind IN ('subscribe', 'unsubscribe') AND symbol IS NOT NULL AND session_id IS NOT NULL
)
WHERE kind = 'subscribe'
UNION ALL
SELECT session_id, symbol, 'fallen' AS kind, from_ns, to_ns FROM unbelieved
ORDER BY session_id, symbol, kind, from_ns NULLS FIRST
