"""A day of a tape, as every check sees it.

Layer: queries, over the engine. Knows which files a question of a day reads; no check in particular.
Source: design section 7.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from queries.engine import Engine
from queries.errors import EmptyWindow
from queries.quality.coverage import SymbolCoverage, coverage
from queries.quality.sessions import Session, sessions
from queries.silence import Told, told
from queries.statements import parameters_of
from queries.times import Window, as_ns, iso

DAY_NS: Final = 86_400 * 10**9
_NO_PARTS: Final[Mapping[str, str]] = {}


class Day:
    """One UTC date of receive time.

    place: of the tape. full: whether every byte of its files is verified, or names, sizes and footers only.
    Errors: TimeNotUnderstood; EmptyWindow where nothing of that date was recorded.
    """

    def __init__(self, engine: Engine, place: Path | str, date: str, *, full: bool) -> None:
        self.engine, self.place, self.date, self.full = engine, place, date, full
        start_ns = as_ns(f"{date}T00:00Z")
        self.bounds = Window(start_ns, start_ns + DAY_NS)
        extent = engine.extent()
        if extent is None or extent[1] < start_ns or extent[0] >= self.bounds.end_ns:
            covered = None if extent is None else f"{iso(extent[0])} to {iso(extent[1])}"
            raise EmptyWindow(str(self.bounds), covered=covered)
        self.until_ns = min(extent[1] + 1, self.bounds.end_ns)  # Where the tape ends, or the day.
        self.from_ns = max(extent[0], start_ns)

    def ask(
        self,
        name: str,
        *tables: str,
        parts: Mapping[str, str] = _NO_PARTS,
        window: Window | None = None,
        before_ns: int = 0,
        **parameters: object,
    ) -> list[tuple[Any, ...]]:
        """Return the rows of a statement over files of some tables; it may use $start_ns and $end_ns.

        window: a part of the day, all of it if not given. before_ns: how far before it files are read as well.
        """
        start_ns, end_ns = window or self.bounds
        files = {table: self.engine.files(table, start_ns=start_ns - before_ns, end_ns=end_ns) for table in tables}
        given = {"start_ns": start_ns, "end_ns": end_ns, **parameters}
        return self.engine.ask(name, files, used(name, parts, given), parts=parts).fetchall()

    def windows(self, length_ns: int) -> list[Window]:
        """Return the day in windows of a length, those that the tape covers."""
        starts = range(self.bounds.start_ns, self.bounds.end_ns, length_ns)
        return [Window(at, at + length_ns) for at in starts if at < self.until_ns and at + length_ns > self.from_ns]

    def ask_sessions(self, name: str, **parameters: object) -> list[tuple[Any, ...]]:
        """Return the rows of a statement that reads what is told of sessions, `queries.silence`."""
        given = used(name, _NO_PARTS, {**self.bounds._asdict(), **parameters})
        return self.engine.ask(name, {}, given, tables=self.told.tables).fetchall()

    @cached_property
    def told(self) -> Told:
        """What is told of the sessions in and around the day."""
        return told(self.engine, self.bounds)

    @cached_property
    def sessions(self) -> list[Session]:
        """The sessions in and around the day, by their begin."""
        return sessions(self.engine, self.bounds)

    @cached_property
    def coverage(self) -> list[SymbolCoverage]:
        """What is known of each symbol that was asked for, sorted by symbol."""
        return coverage(self.engine, self.bounds, self.sessions, self.until_ns - 1)

    @property
    def own_sessions(self) -> list[Session]:
        """The sessions of which a second lies in the day."""
        start_ns, end_ns = self.bounds
        return [it for it in self.sessions if it.end_ns >= start_ns and it.begin_ns < end_ns]


def used(name: str, parts: Mapping[str, str], parameters: Mapping[str, object]) -> dict[str, object]:
    """Return those parameters that a statement or one of its parts uses."""
    names = parameters_of(name, *parts.values())
    return {key: value for key, value in parameters.items() if key in names}


def clock(ns: int) -> str:
    """Return the time of day of a moment, to the millisecond."""
    return datetime.fromtimestamp(ns // 10**9, UTC).strftime("%H:%M:%S") + f".{ns % 10**9 // 10**6:03}"
