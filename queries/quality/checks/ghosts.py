"""Ghost levels: levels that a book still held, though the venue's next snapshot knows nothing of them.

Layer: queries, one check. The question is `sql/quality_ghosts.sql`.
Says: for each snapshot that took the place of a book, how many levels of that book, old and in sight of the snapshot,
are not in it. The checksum sees ten levels of a side; this looks at the others as well.
Computed: from `book_changes`, the rows of believed books alone. A level counts if nothing changed it for STALE_NS
before the book's last row, and if it lies between the best and the last price of its side of the snapshot.
Thresholds: between the last row and the snapshot at most HOLE_NS passed, else the market may have taken any level away.
More than GHOST_SHARE of the levels looked at is a warning, fewer is info: some go by themselves in such a time.
Source: design section 6, invariants: what 5041 cannot see. Level 3 recordings have no levels and are not looked at.
"""

from typing import Final

from queries.quality.day import Day
from queries.quality.findings import Finding, Outcome, Severity

name: Final = "ghosts"
title: Final = "Ghost levels"
STALE_NS: Final = 60 * 10**9
HOLE_NS: Final = 30 * 10**9
GHOST_SHARE: Final = 0.01


def run(day: Day) -> Outcome:
    """Return snapshots that do not know levels which their books had."""
    found, ghosts, looked_at = [], 0, 0
    for symbol, session_id, seq, from_ns, to_ns, count, held in day.ask(
        "quality_ghosts", "book_changes", "messages", stale_ns=STALE_NS, hole_ns=HOLE_NS
    ):
        looked_at += held
        if not count:
            continue
        ghosts += count
        severity = Severity.WARNING if count > GHOST_SHARE * held else Severity.INFO
        text = f"{count} of {held} old levels are not in the next snapshot"
        found.append(Finding(name, severity, symbol, from_ns, to_ns, count, text, session_id, seq))
    return Outcome(f"{ghosts} of {looked_at:,} old levels looked at", found, {"ghosts": ghosts, "looked_at": looked_at})
