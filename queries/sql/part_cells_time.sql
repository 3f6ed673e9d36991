-- Trades and the interval that each falls into.
SELECT *, receive_ns // $every_ns * $every_ns AS cell, true AS fills FROM priced
