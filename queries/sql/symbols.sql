-- Every symbol that a message was about.
SELECT DISTINCT symbol
FROM messages
WHERE symbol IS NOT NULL
ORDER BY symbol
