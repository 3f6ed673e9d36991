"""Trades outside the book: a price that lay between no bid and no offer of its time.

Layer: queries, one check. The question is `sql/quality_outside.sql`.
Says: trades below every best bid, or above every best offer, that stood in their second, the one before and the one
after, by more than TOLERANCE_BP; those of a symbol within GROUP_NS of each other are told as one.
Computed: from `trades` and `quotes`. The venue tells a trade before the change of the book that it made, in a message
of its own, so the book right before and right after it both count. The quote that stood as those seconds began counts
too. A trade is not judged while its book was suspect, nor where the last quote is older than STANDING_NS.
Thresholds: TOLERANCE_BP for what a taker swept through and what was filled again in between; outside it is a warning.
Source: venue reference 8, row 13.
"""

from typing import Final

from queries.quality.day import Day
from queries.quality.findings import Finding, Outcome, Severity, counted

name: Final = "outside"
title: Final = "Trades outside the book"
TOLERANCE_BP: Final = 50  # Hundredths of a per cent.
GROUP_NS: Final = 10 * 10**9
STANDING_NS: Final = 600 * 10**9
WINDOW_NS: Final = 6 * 3600 * 10**9  # Looked at at once, so that no more is held than its quotes.


def run(day: Day) -> Outcome:
    """Return the trades, in groups."""
    found = []
    outside = 0
    for window in day.windows(WINDOW_NS):
        for symbol, session_id, seq, from_ns, to_ns, count, furthest_bp in day.ask(
            "quality_outside",
            "trades",
            "quotes",
            window=window,
            before_ns=STANDING_NS,
            tolerance_bp=TOLERANCE_BP,
            group_ns=GROUP_NS,
            standing_ns=STANDING_NS,
        ):
            outside += count
            text = f"{counted(count, 'trade')} outside the book, by up to {furthest_bp / 100:.2f} %"
            found.append(Finding(name, Severity.WARNING, symbol, from_ns, to_ns, count, text, session_id, seq))
    ((total,),) = day.ask("quality_trades", "trades")
    return Outcome(f"{outside} of {total:,} trades outside the book", found, {"outside": outside, "trades": total})
