-- Where a symbol has no book to believe, session by session: from its beginning (from_ns is null) to the first snapshot,
-- and from each fall until it is mended, or to the session's end (to_ns is null). What was sent again in a gap leaves
-- none such. A fall that is about numbers begins where it was found: what is missing of them is told by the session's own.
SELECT session_id, symbol, NULL AS from_ns, min(receive_ns) FILTER (kind = 'snapshot') AS to_ns
FROM events
WHERE symbol IS NOT NULL AND session_id IS NOT NULL
GROUP BY session_id, symbol
UNION ALL
SELECT session_id, symbol, from_ns, mended.ns
FROM (
    SELECT
        fall.session_id,
        fall.symbol,
        CASE
            WHEN fall.kind = 'unsubscribe' OR (fall.kind = 'suspect' AND fall.msg_seq_num IS NULL) THEN fall.receive_ns
            ELSE fall.from_ns
        END AS from_ns,
        min_by({'ns': mended.receive_ns, 'by_resend': mended.text = 'by resend'}, mended.receive_ns) AS mended
    FROM events AS fall
    LEFT JOIN events AS mended
        ON
            fall.session_id = mended.session_id
            AND fall.symbol = mended.symbol
            AND mended.receive_ns >= fall.receive_ns
            AND mended.kind = CASE WHEN fall.kind = 'unsubscribe' THEN 'snapshot' ELSE 'healed' END
    WHERE fall.kind IN ('mismatch', 'suspect', 'unsubscribe') AND fall.symbol IS NOT NULL AND fall.session_id IS NOT NULL
    GROUP BY fall.session_id, fall.symbol, fall.kind, fall.receive_ns, fall.from_ns, fall.msg_seq_num
)
WHERE mended.by_resend IS NOT TRUE
