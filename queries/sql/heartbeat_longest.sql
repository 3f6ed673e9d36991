-- The longest heartbeat interval agreed, in seconds.
SELECT max(count) AS seconds
FROM events
WHERE kind = 'logon'
