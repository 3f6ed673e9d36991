-- Seconds of which all is known, and whether one of them is active: 1, else 0. A second is known if any session knows all
-- of it; the one in which a session ends is not known by that session.
SELECT seconds.second, max(seconds.mark) AS is_active
FROM seconds
INNER JOIN lives ON seconds.session_id = lives.session_id
WHERE seconds.mark < 2 AND seconds.second < least(lives.end_ns, $end_ns - 1) // 1000000000
GROUP BY seconds.second
