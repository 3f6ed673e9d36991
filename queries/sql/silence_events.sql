-- What is told of sessions, all of it.
SELECT * FROM events
