-- From the first trade of each bar to its last, as an interval that holds both.
SELECT cell, first_ns AS from_ns, last_ns + 1 AS to_ns FROM traded
