-- How many messages of each symbol were compared with the venue's checksum, and how that went.
SELECT
    symbol,
    min(receive_ns) FILTER (verdict = 'mismatch') AS first_bad_ns,
    max(receive_ns) FILTER (verdict = 'mismatch') AS last_bad_ns,
    min(receive_ns) FILTER (verdict = 'unverified') AS first_open_ns,
    max(receive_ns) FILTER (verdict = 'unverified') AS last_open_ns,
    count(*) FILTER (verdict = 'verified') AS verified,
    count(*) FILTER (verdict = 'mismatch') AS mismatches,
    count(*) FILTER (verdict = 'unverified') AS unverified
FROM messages
WHERE receive_ns >= $start_ns AND receive_ns < $end_ns AND symbol IS NOT NULL AND msg_type = 'X'
GROUP BY symbol
ORDER BY symbol
