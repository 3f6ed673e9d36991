"""Session gaps: numbers that were missing, whether they came again, and resets of the numbers.

Layer: queries, one check. The question is `sql/quality_gaps.sql`.
Says: each stretch in which MsgSeqNum(34) did not run on, from the last number before it to where the numbers run on.
Computed: from the events `gap`, `gap_fill`, `gap_closed`, `sequence_reset` and `rollover`, and the last number before
each. A gap is healed if every missing number was sent again; one that was filled over or never closed is not.
Thresholds: none. Healed is info, and so is the daily roll-over; not healed, or a reset, is a warning: rows of the time
are missing, which `coverage` counts.
Source: design section 6, sequence.
"""

from typing import Final

from queries.quality.day import Day
from queries.quality.findings import Finding, Outcome, Severity, counted

name: Final = "gaps"
title: Final = "Session gaps"


def run(day: Day) -> Outcome:
    """Return every break of the numbers."""
    found = []
    healed = open_count = missing = 0
    for session_id, kind, from_ns, to_ns, seq, count, is_lost in day.ask_sessions("quality_gaps"):
        severity = Severity.WARNING
        if kind == "rollover":
            severity, text = Severity.INFO, "daily roll-over: the numbers begin anew, as planned"
        elif kind == "sequence_reset":
            text = "the venue reset the numbers"
        elif is_lost:
            open_count, missing = open_count + 1, missing + count
            text = f"MsgSeqNum {seq} to {seq + count - 1} lost: not sent again"
        else:
            healed += 1
            severity, text = Severity.INFO, f"MsgSeqNum {seq} to {seq + count - 1} missing, all sent again"
        found.append(
            Finding(
                name,
                severity,
                None,
                from_ns,
                to_ns,
                1 if count is None else count,
                text,
                session_id=session_id,
                msg_seq_num=None if seq is None else seq - 1,
            )
        )
    summary = (
        f"{counted(healed + open_count, 'gap')}, {healed} healed, {open_count} not; {counted(missing, 'number')} lost"
    )
    return Outcome(summary, found, {"healed": healed, "unhealed": open_count, "numbers_lost": missing})
