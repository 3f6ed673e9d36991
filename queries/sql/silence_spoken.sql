-- Breaks of the numbers, those that were mended only if something that was sent again is about a symbol, or anything.
SELECT *
FROM windows
WHERE
    is_lost
    OR EXISTS (
        SELECT 1
        FROM messages
        WHERE
            messages.session_id = windows.session_id
            AND messages.receive_ns BETWEEN windows.found_ns AND windows.to_ns
            AND ($symbol IS NULL OR messages.symbol = $symbol)
    )
