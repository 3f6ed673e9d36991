"""Latency and clocks: how long messages were on their way, and times that went back.

Layer: queries, one check. The questions are `sql/quality_latency.sql` and `sql/quality_clocks.sql`.
Says: quantiles of receive time minus SendingTime(52), of the day and of each session; each step of the receive time
back; messages whose times cannot be.
Computed: from `messages`, in whole milliseconds, for SendingTime has no more. The receive clock is the recorder's, so a
quantile is its offset and the way together; only differences within a session say more than that. Messages that were
sent again are left out.
Thresholds: a session with a median above MEDIAN_MS_LIMIT or below EARLY_MS_LIMIT, or with a 99th percentile above
P99_MS_LIMIT, is a warning, for one of the clocks is off or the recorder lagged; so is a step back, and a message marked
with a bad time.
Source: design section 5, `receive_ns` and `sending_ms`; faults, clock steps.
"""

from collections.abc import Iterator
from typing import Final

from queries.quality.day import Day
from queries.quality.findings import Finding, Outcome, Severity, counted
from queries.times import Window

name: Final = "latency"
title: Final = "Latency and clocks"
MEDIAN_MS_LIMIT: Final = 1_000
P99_MS_LIMIT: Final = 5_000
EARLY_MS_LIMIT: Final = -100
NUMBERS: Final = 2_000_000  # Of a session, that are put in order at once: some 200 MB.
NUMBERS_BEFORE: Final = 1_000  # Of those before, so that a step between two lots is seen: heartbeats may lie there.
BEFORE_NS: Final = 60 * 10**9  # In which they came.


def run(day: Day) -> Outcome:
    """Return sessions with clocks that are off, and steps back."""
    found = []
    figures: dict[str, int | float | None] = {}
    summary = "no messages"
    for row in day.ask("quality_latency", "messages"):
        session_id, first_ns, last_ns, count, least, p50, p90, p99, most, bad, bad_first_ns, bad_last_ns = row
        if session_id is None:
            figures = {"least_ms": least, "p50_ms": p50, "p90_ms": p90, "p99_ms": p99, "most_ms": most}
            summary = f"p50 {p50} ms, p90 {p90} ms, p99 {p99} ms, least {least} ms, most {most} ms"
            continue
        if p50 > MEDIAN_MS_LIMIT or p50 < EARLY_MS_LIMIT or p99 > P99_MS_LIMIT:
            text = f"received {least} to {most} ms after sending, median {p50} ms, p99 {p99} ms"
            found.append(Finding(name, Severity.WARNING, None, first_ns, last_ns, count, text, session_id))
        if bad:
            text = f"{counted(bad, 'message')} with a SendingTime that cannot be"
            found.append(Finding(name, Severity.WARNING, None, bad_first_ns, bad_last_ns, bad, text, session_id))
    for session_id, seq, from_ns, to_ns in _steps_back(day):
        text = f"the receive time went back by {(to_ns - from_ns) / 1e6:,.3f} ms"
        found.append(Finding(name, Severity.WARNING, None, from_ns, to_ns, 1, text, session_id, seq))
    return Outcome(summary, found, figures)


def _steps_back(day: Day) -> Iterator[tuple[str, int, int, int]]:
    """Yield session, number, time and the time before of each step, so many numbers at a time."""
    if day.engine.is_united:
        return  # Its numbers are in order within a symbol alone, whose rows never go back.
    for session_id, first, last, from_ns, to_ns in day.ask("quality_numbers", "messages", numbers=NUMBERS):
        yield from day.ask(
            "quality_clocks",
            "messages",
            window=Window(from_ns, to_ns + 1),
            before_ns=BEFORE_NS,
            session_id=session_id,
            first=first,
            last=last,
            earliest=first - NUMBERS_BEFORE,
        )
