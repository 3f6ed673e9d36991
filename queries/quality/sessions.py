"""The sessions of a day, and how each began and ended: as planned, or not.

Layer: queries, over the engine. The questions are `sql/quality_sessions.sql` and `sql/silence.sql`.
Source: design section 6; venue reference 1.5 for the daily roll-over.
Left to others: what an end means for a symbol (`quality.coverage`).
"""

from dataclasses import dataclass, field
from enum import StrEnum
from itertools import pairwise
from typing import Final

from queries.engine import Engine
from queries.quality.spans import Span, Spans, merged
from queries.silence import silence, told
from queries.times import NS_MAX, Window

SECOND_NS: Final = 10**9
AROUND_NS: Final = 26 * 3600 * SECOND_NS  # A session before a day or after it lies no further from it, if it counts.
ROLLOVER_NS_LIMIT: Final = 300 * SECOND_NS  # From a roll-over to the next Logon; the venue takes half a minute.


class Ending(StrEnum):
    """How a session ended."""

    ROLLOVER = "roll-over"  # The venue's daily one, as planned.
    STOPPED = "stopped"  # The recorder logged out without a complaint: it was meant to end.
    LOST = "lost"  # Anything else: the line, the venue, or the recorder's own death.
    OPEN = "open"  # Nothing tells of its end, and no session follows.


@dataclass(slots=True)
class Session:
    """One logon to its end. follows_plan: whether what came before it ended as planned, or nothing did.

    next_ns: when the next session began; None for the last. states: its seconds in a day, by state.
    """

    session_id: str
    begin_ns: int
    end_ns: int
    ending: Ending
    words: str
    follows_plan: bool = True
    next_ns: int | None = None
    states: dict[str, Spans] = field(default_factory=dict)

    @property
    def live(self) -> Span:
        """Its seconds, also those that it only touches."""
        return Span(self.begin_ns // SECOND_NS, self.end_ns // SECOND_NS + 1)

    @property
    def ends_planned(self) -> bool:
        """Whether the time after it is nobody's loss."""
        return self.ending is not Ending.LOST


def sessions(engine: Engine, bounds: Window) -> list[Session]:
    """Return the sessions in and around a day, by their begin. Errors: FilesDamaged, StatementFailed."""
    around = Window(max(bounds.start_ns - AROUND_NS, 0), min(bounds.end_ns, NS_MAX - AROUND_NS) + AROUND_NS)
    rows = engine.ask("quality_sessions", {}, {}, tables=told(engine, around).tables).fetchall()
    found = [_session(*row) for row in rows]
    for before, after in pairwise(found):
        before.next_ns = after.begin_ns
        if before.ending is Ending.OPEN:
            before.ending, before.words = Ending.LOST, "the recorder ended without a word"
        if before.ending is Ending.ROLLOVER and after.begin_ns - before.end_ns > ROLLOVER_NS_LIMIT:
            before.ending, before.words = Ending.LOST, "no Logon soon after the roll-over"
        after.follows_plan = before.ends_planned
    _take_states(engine, bounds, found)
    return found


def _session(
    session_id: str, begin_ns: int, end_ns: int, rolled: bool, stopped: bool, closed: str | None, ended: bool
) -> Session:
    if rolled:
        return Session(session_id, begin_ns, end_ns, Ending.ROLLOVER, "daily roll-over")
    if stopped:
        return Session(session_id, begin_ns, end_ns, Ending.STOPPED, "the recorder was stopped")
    if ended:
        return Session(session_id, begin_ns, end_ns, Ending.LOST, closed or "disconnected")
    return Session(session_id, begin_ns, end_ns, Ending.OPEN, "no end is told")


def _take_states(engine: Engine, bounds: Window, found: list[Session]) -> None:
    by_id = {session.session_id: session for session in found}
    spans: dict[tuple[str, str], list[tuple[int, int]]] = {}
    rows = silence(engine, None, bounds)
    for session_id, state, from_ns, to_ns in rows.project("session_id, state, from_ns, to_ns").fetchall():
        spans.setdefault((session_id, state), []).append((from_ns // SECOND_NS, to_ns // SECOND_NS))
    for (session_id, state), stretches in spans.items():
        if session_id in by_id:
            by_id[session_id].states[state] = merged(stretches)
