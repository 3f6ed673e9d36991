-- How many messages of each symbol were compared with the venue's checksum, and how that went.
SELECT
    symbol,
    min(receive_ns) AS first_ns,
    max(receive_ns) AS last_ns,
    count(*) FILTER (verdict = 'verified') AS verified,
    count(*) FILTER (verdict = 'mismatch') AS mismatches,
    count(*) FILTER (verdict = 'unverified') AS unverified
FROM messages
WHERE receive_ns >= $start_ns AND receive_ns < $end_ns AND symbol IS NOT NULL AND msg_type = 'X'
GROUP BY symbol
ORDER BY symbol
