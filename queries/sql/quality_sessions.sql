-- Sessions by their begin, and how each ended: rolled over, logged out by us without a complaint, or what the disconnect says.
SELECT
    lives.session_id,
    lives.begin_ns,
    lives.end_ns,
    count(*) FILTER (said.kind = 'rollover') > 0 AS rolled,
    count(*) FILTER (said.kind = 'logout' AND said.expected = 'by us' AND coalesce(said.text, '') = '') > 0 AS stopped,
    any_value(said.text) FILTER (said.kind = 'disconnect') AS closed,
    count(*) FILTER (said.kind IN ('disconnect', 'logout')) > 0 AS ended
FROM lives
INNER JOIN events AS said ON lives.session_id = said.session_id
GROUP BY lives.session_id, lives.begin_ns, lives.end_ns
ORDER BY lives.begin_ns, lives.session_id
