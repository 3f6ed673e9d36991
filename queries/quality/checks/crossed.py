"""Crossed books: a best bid at or above the best offer.

Layer: queries, one check. The question is `sql/quality_crossed.sql`.
Says: each stretch in which a book that was believed stood crossed, from its first crossed top to the next that is not.
Computed: from `quotes` that are not marked suspect, message after message of a session; the recorder's own invariants
are not asked.
Thresholds: up to CROSSED_NS_LIMIT is a warning, longer is an error; where the instrument was cancel-only or post-only,
so that nothing matched, it is info.
Source: design section 6, invariants; venue reference 8, row 29.
"""

from typing import Final

from queries.quality.day import Day
from queries.quality.findings import Finding, Outcome, Severity, counted

name: Final = "crossed"
title: Final = "Crossed books"
CROSSED_NS_LIMIT: Final = 10**9
UNMATCHED: Final = frozenset({3, 4})  # AssetPairStatus(5032): cancel-only, post-only.


def run(day: Day) -> Outcome:
    """Return the stretches."""
    found = []
    for symbol, session_id, seq, from_ns, to_ns, count, status in day.ask("quality_crossed", "quotes", "instruments"):
        severity = Severity.ERROR if to_ns - from_ns > CROSSED_NS_LIMIT else Severity.WARNING
        text = f"the best bid at or above the best offer for {(to_ns - from_ns) / 1e9:,.3f} s"
        if status in UNMATCHED:
            severity, text = Severity.INFO, f"{text}, while nothing was matched"
        found.append(Finding(name, severity, symbol, from_ns, to_ns, count, text, session_id, seq))
    return Outcome(f"{counted(len(found), 'time')} crossed", found, {"stretches": len(found)})
