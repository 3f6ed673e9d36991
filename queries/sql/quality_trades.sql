-- How many trades a day has.
SELECT count(*) AS trades FROM trades WHERE receive_ns >= $start_ns AND receive_ns < $end_ns
