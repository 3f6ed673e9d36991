-- Sessions by their events, and until when each can have lived within a window: until the next began.
SELECT
    session_id,
    begin_ns,
    end_ns,
    least(greatest(end_ns, coalesce(lead(begin_ns) OVER (ORDER BY begin_ns), $until_ns)), $until_ns) AS late_ns
FROM (
    SELECT session_id, min(receive_ns) FILTER (kind = 'logon') AS begin_ns, max(receive_ns) AS end_ns
    FROM events
    WHERE session_id IS NOT NULL
    GROUP BY session_id
)
WHERE begin_ns IS NOT NULL
