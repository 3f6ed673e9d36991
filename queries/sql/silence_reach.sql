-- How far silence may reach: the longest heartbeat interval agreed, in seconds, and whether numbers broke anywhere.
SELECT
    max(count) FILTER (kind = 'logon') AS seconds,
    count(*) FILTER (kind IN ('gap', 'sequence_reset', 'rollover')) > 0 AS is_broken
FROM events
