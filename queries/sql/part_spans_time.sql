-- Every interval of a window.
SELECT range AS cell, range AS from_ns, range + $every_ns AS to_ns FROM range($first_ns, $last_ns, $every_ns)
