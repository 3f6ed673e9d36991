"""Coverage: of which seconds of each symbol everything is known, hour by hour.

Layer: queries, one check, over `quality.coverage`.
Says: how many seconds of each symbol and hour were active (a message came), proven quiet (the numbers of later ones
prove that none was sent) or unknown; each end of a session that was not planned, to the next one.
Computed: from numbers, heartbeats and the events of each symbol, as `fixtape silence` does; time between sessions is
unknown unless the recorder was stopped, or the venue rolled over.
Thresholds: a symbol with a known part below KNOWN_LEAST is a warning, with any unknown second info; an end that was not
planned is a warning, a recorder that did not run is info. Symbols whose sessions are told elsewhere, as in a tape that
was merged, cannot be judged, which is a warning.
Source: design section 6.
"""

from typing import Final

from queries.quality.day import DAY_NS, Day
from queries.quality.findings import Finding, Outcome, Severity, counted
from queries.quality.sessions import SECOND_NS, Ending, Session

name: Final = "coverage"
title: Final = "Coverage"
KNOWN_LEAST: Final = 0.999


def run(day: Day) -> Outcome:
    """Return holes between sessions, and symbols of which seconds are unknown."""
    found = [finding for session in day.own_sessions for finding in _between(day, session)]
    expected = unknown = 0
    for it in day.coverage:
        expected, unknown = expected + it.expected_s, unknown + it.unknown_s
        if it.unknown_s:
            severity = Severity.WARNING if it.score < KNOWN_LEAST else Severity.INFO
            text = f"{it.unknown_s:,} of {it.expected_s:,} seconds unknown, {counted(len(it.unknown), 'time')}"
            begin, end = it.unknown[0].begin * SECOND_NS, it.unknown[-1].end * SECOND_NS
            found.append(Finding(name, severity, it.symbol, begin, end, it.unknown_s, text))
    judged = {it.symbol for it in day.coverage}
    others = [symbol for (symbol,) in day.ask("symbols", "messages") if symbol not in judged]
    if others:
        why = "of this tape, merged of two that tell their seconds" if day.engine.is_united else "to judge them by"
        text = f"{counted(len(others), 'symbol')} with messages and no session {why}: {', '.join(others[:3])}"
        found.append(Finding(name, Severity.WARNING, None, day.from_ns, day.until_ns, len(others), text))
    if day.until_ns - day.from_ns < DAY_NS - SECOND_NS:
        text = "the tape holds a part of the day"
        found.append(Finding(name, Severity.INFO, None, day.from_ns, day.until_ns, 1, text))
    share = 1 - unknown / expected if expected else None
    summary = f"{expected - unknown:,} of {expected:,} symbol seconds known"
    return Outcome(summary, found, {"known": expected - unknown, "unknown": unknown, "share": share})


def _between(day: Day, session: Session) -> list[Finding]:
    """Return what the end of a session left until the next one began."""
    if session.ending is Ending.OPEN or session.end_ns >= day.bounds.end_ns:
        return []
    last = session.next_ns is None
    to_ns = min(day.until_ns if session.next_ns is None else session.next_ns, day.bounds.end_ns)
    if session.ending is Ending.LOST:
        text = f"session ended unplanned: {session.words}" + ("; none followed" if last else "")
        return [Finding(name, Severity.WARNING, None, session.end_ns, to_ns, 1, text, session_id=session.session_id)]
    if last:
        return []
    return [Finding(name, Severity.INFO, None, session.end_ns, to_ns, 1, session.words, session_id=session.session_id)]
