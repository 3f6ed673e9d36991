"""Suspect time: stretches in which a book was not to be believed.

Layer: queries, one check. The question is `sql/quality_suspect.sql`.
Says: each stretch from a book's last good message to the snapshot that stood it up again, or to the end; those of many
symbols with one cause are told as one.
Computed: from the events `mismatch`, `suspect` and `healed`. A connection that ends makes every book of it suspect
without an event of its own: then `healed` alone tells. In a merged tape the united books count, not the recorders'.
Thresholds: none. A stretch that a resend mended and the daily roll-over are info; every other is a warning, and
`coverage` counts its seconds.
Source: design section 3.4 and 6.
"""

from typing import Final

from queries.quality.day import Day
from queries.quality.findings import Finding, Outcome, Severity, counted

name: Final = "suspect"
title: Final = "Suspect time"
SYMBOLS_TOLD: Final = 3  # By name, of those that a stretch concerns.
_ROLLOVER: Final = "daily roll-over"


def run(day: Day) -> Outcome:
    """Return the stretches, the longest total by symbol in the summary."""
    found, total_ns = [], 0
    for cause, mended, by_resend, symbols, from_ns, to_ns, lasted_ns, session_id, seq in day.ask(
        "quality_suspect", "events", until_ns=day.until_ns, names=SYMBOLS_TOLD, is_united=day.engine.is_united
    ):
        planned = by_resend or cause.startswith(_ROLLOVER)
        total_ns += 0 if planned else lasted_ns
        severity = Severity.INFO if planned else Severity.WARNING
        (count, named) = symbols["count"], symbols["names"]
        symbol = named[0] if count == 1 else None
        whom = "" if count == 1 else f" ({', '.join(named)}{', …' if count > len(named) else ''})"
        end = "sent again, nothing lost" if by_resend else "a new snapshot" if mended else "never mended"
        found.append(
            Finding(
                name,
                severity,
                symbol,
                from_ns,
                to_ns,
                count,
                f"{cause}{whom}; {end}",
                session_id=session_id,
                msg_seq_num=seq,
            )
        )
    summary = f"{counted(len(found), 'time')}; {total_ns / 1e9:,.3f} s of unplanned doubt, all symbols together"
    return Outcome(summary, found, {"stretches": len(found), "seconds": total_ns / 1e9})
