"""What is known of each symbol, second by second: active, proven quiet, unknown, or not meant to be recorded.

Layer: queries, over the engine. The questions are `sql/quality_asked.sql` and `sql/quality_active.sql`.
Source: design section 6: each second of each session is active, proven quiet or unknown.
Left to others: what is a finding (`checks.coverage`), the score (`quality.condition`).

A second counts for a symbol if it was meant to be recorded in it: from its subscription on, through every end that was
not planned, until it was unsubscribed for good or the recorder was stopped. Not meant, and never counted against the
tape, are the time of a recorder that was stopped, the daily roll-over, and a start until the first snapshot. The same
seconds as of `fixtape silence` are unknown, and those between sessions besides.
"""

from collections import defaultdict
from dataclasses import dataclass
from typing import Final

from queries.engine import Engine
from queries.quality.sessions import SECOND_NS, Ending, Session
from queries.quality.spans import Span, Spans, common, each, merged, seconds, without
from queries.times import Window

START_S: Final = 60  # A first snapshot that takes longer is late, and its symbol unknown from then on.
TAIL_S: Final = 60  # At a planned end, seconds after the last number that are nobody's loss.
HOUR_S: Final = 3600


@dataclass(frozen=True, slots=True)
class Cell:
    """One symbol in one hour of the day. Units: seconds; those that are none of the three were not meant to be had."""

    hour: int
    active: int
    quiet: int
    unknown: int

    @property
    def expected(self) -> int:
        """How many seconds were meant to be recorded."""
        return self.active + self.quiet + self.unknown


@dataclass(frozen=True, slots=True)
class SymbolCoverage:
    """One symbol of a day. expected, unknown: its seconds; cells: hour by hour."""

    symbol: str
    expected: Spans
    unknown: Spans
    cells: tuple[Cell, ...]

    @property
    def expected_s(self) -> int:
        """How many seconds were meant to be recorded."""
        return seconds(self.expected)

    @property
    def unknown_s(self) -> int:
        """Of how many of them anything may be missing."""
        return seconds(self.unknown)

    @property
    def active_s(self) -> int:
        """In how many something came."""
        return sum(cell.active for cell in self.cells)

    @property
    def score(self) -> float:
        """Return which part of the seconds that were meant to be recorded is known; 1 where none was."""
        return 1.0 - self.unknown_s / self.expected_s if self.expected_s else 1.0


@dataclass(slots=True)
class _Asked:
    """What one session says of one symbol. wanted: when it was asked for, the end None where the session's is.

    fallen: where its book was not to be believed. first_ns: of its first snapshot.
    """

    wanted: list[tuple[int, int | None]]
    fallen: list[tuple[int | None, int | None]]
    first_ns: int | None = None


def coverage(engine: Engine, bounds: Window, sessions: list[Session], until_ns: int) -> list[SymbolCoverage]:
    """Return the coverage of every symbol that was asked for, sorted. until_ns: where the tape ends.

    Errors: FilesDamaged, StatementFailed.
    """
    asked = _asked(engine, sessions)
    day = [Span(bounds.start_ns // SECOND_NS, min(bounds.end_ns // SECOND_NS, until_ns // SECOND_NS + 1))]
    judged: dict[str, tuple[Spans, Spans]] = {}
    for symbol, by_session in sorted(asked.items()):
        expected, unknown = _judged(by_session, sessions, until_ns)
        expected = common(expected, day)
        if expected:
            judged[symbol] = expected, common(expected, unknown)
    hours = range(bounds.start_ns // SECOND_NS, bounds.end_ns // SECOND_NS + 1, HOUR_S)
    active = _active(engine, bounds, judged)
    return [
        SymbolCoverage(symbol, expected, unknown, _cells(expected, unknown, hours, active[symbol]))
        for symbol, (expected, unknown) in judged.items()
    ]


def _cells(expected: Spans, unknown: Spans, hours: range, active: dict[int, int]) -> tuple[Cell, ...]:
    pairs = zip(each(expected, hours), each(unknown, hours), strict=True)
    return tuple(
        Cell(hour, active.get(hour, 0), meant - missing - active.get(hour, 0), missing)
        for hour, (meant, missing) in enumerate(pairs)
    )


def _judged(by_session: dict[str, _Asked], sessions: list[Session], until_ns: int) -> tuple[Spans, Spans]:
    """Return the seconds in which one symbol was meant to be recorded, and those that are unknown."""
    expected: list[tuple[int, int]] = []
    unknown: list[tuple[int, int]] = []
    for session in sessions:
        asked = by_session.get(session.session_id)
        if asked is None or not asked.wanted:
            continue
        meant = _meant(asked, session)
        expected += meant
        begin, end = session.live
        fallen = [
            (begin if a is None else a // SECOND_NS, end if b is None else b // SECOND_NS + 1) for a, b in asked.fallen
        ]
        unknown += [*session.states.get("unknown", []), *fallen]
        if session.ending is Ending.LOST and asked.wanted[-1][1] is None:
            next_ns = until_ns if session.next_ns is None else session.next_ns
            hole = (session.live.end - 1, next_ns // SECOND_NS + 1)
            expected.append(hole)
            unknown.append(hole)
    return merged(expected), merged(unknown)


def _meant(asked: _Asked, session: Session) -> Spans:
    """Return the seconds of a session in which a symbol was meant to be recorded."""
    live = session.live
    spans = [(a // SECOND_NS, live.end if b is None else b // SECOND_NS + 1) for a, b in asked.wanted]
    if session.follows_plan:
        begin = spans[0][0]
        first = begin + START_S if asked.first_ns is None else asked.first_ns // SECOND_NS + 1
        spans = [(max(a, min(first, begin + START_S)), b) for a, b in spans]
    else:
        spans.append((live.begin, spans[0][0] + 1))
    found = common(merged(spans), [live])
    if session.ending in {Ending.ROLLOVER, Ending.STOPPED}:
        tail = session.states.get("unknown", [])[-1:]
        if tail and tail[0].end >= live.end and seconds(tail) <= TAIL_S:
            found = without(found, tail)
    return found


def _asked(engine: Engine, sessions: list[Session]) -> dict[str, dict[str, _Asked]]:
    """Return by symbol and session what was asked for, and what became of it."""
    found: dict[str, dict[str, _Asked]] = defaultdict(dict)
    if not sessions:
        return found
    end_ns = max(session.end_ns for session in sessions) + 1
    files = engine.files("events", start_ns=sessions[0].begin_ns, end_ns=end_ns)
    parts = {"unbelieved": "part_unbelieved"}
    rows = engine.ask("quality_asked", {"events": files}, {}, parts=parts).fetchall()
    for session_id, symbol, kind, from_ns, to_ns in rows:
        asked = found[symbol].setdefault(session_id, _Asked([], []))
        if kind == "wanted":
            asked.wanted.append((from_ns, to_ns))
        else:
            asked.fallen.append((from_ns, to_ns))
            if from_ns is None:
                asked.first_ns = to_ns
    return found


def _active(engine: Engine, bounds: Window, judged: dict[str, tuple[Spans, Spans]]) -> dict[str, dict[int, int]]:
    """Return by symbol and hour in how many of its known seconds a message came.

    Hour by hour, so that no more is held than the seconds of one.
    """
    known = {symbol: without(expected, unknown) for symbol, (expected, unknown) in judged.items()}
    found: dict[str, dict[int, int]] = defaultdict(dict)
    for hour, start_s in enumerate(range(bounds.start_ns // SECOND_NS, bounds.end_ns // SECOND_NS, HOUR_S)):
        whole = [Span(start_s, start_s + HOUR_S)]
        spans = [(symbol, span) for symbol, of_symbol in known.items() for span in common(of_symbol, whole)]
        window = Window(start_s * SECOND_NS, (start_s + HOUR_S) * SECOND_NS)
        files = engine.files("messages", start_ns=window.start_ns, end_ns=window.end_ns)
        if not spans or not files:
            continue
        lists = {
            "symbols": [symbol for symbol, _ in spans],
            "begins": [span.begin for _, span in spans],
            "ends": [span.end for _, span in spans],
        }
        for symbol, count in engine.ask(
            "quality_active", {"messages": files}, {**window._asdict(), **lists}
        ).fetchall():
            found[symbol][hour] = count
    return found
