-- Sessions: from their Logon to the last that they said or that is known of them, and the last number before that. A Logout
-- in its turn is the last that a side says; one that came too high has the number of the message before.
SELECT
    told.session_id,
    told.begin_ns,
    coalesce(logouts.receive_ns, greatest(told.end_ns, coalesce(heard.last_ns, 0))) AS end_ns,
    coalesce(logouts.receive_ns, heard.last_ns, told.begin_ns) AS last_ns,
    heard.last_ns AS heard_ns
FROM (
    SELECT session_id, min(receive_ns) FILTER (kind = 'logon') AS begin_ns, max(receive_ns) AS end_ns
    FROM events
    WHERE session_id IS NOT NULL
    GROUP BY session_id
    -- The messages of a session that was merged are not among its own, so that its silence cannot be told from here.
    HAVING NOT bool_or(kind = 'merged')
) AS told
LEFT JOIN (
    SELECT session_id, max(receive_ns) AS last_ns FROM numbered GROUP BY session_id
) AS heard ON told.session_id = heard.session_id
LEFT JOIN (
    SELECT said.session_id, min(said.receive_ns) AS receive_ns
    FROM events AS said
    LEFT JOIN (SELECT session_id, max(msg_seq_num) AS last FROM numbered GROUP BY session_id) AS before
        ON said.session_id = before.session_id
    WHERE said.kind = 'logout' AND said.msg_seq_num > coalesce(before.last, 0)
    GROUP BY said.session_id
) AS logouts ON told.session_id = logouts.session_id
WHERE told.begin_ns IS NOT NULL
