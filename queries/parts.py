"""Questions in parts, answered by several processes or a cluster: books by the hour, exports by symbol and day, checks.

Layer: queries, below the tape; every part opens the lake for itself, once a process.
Source: design section 11, "beyond one machine".
Left to others: who does the parts (`storage.executors`).

A part names the lake as it was listed by whoever asks: all parts see the same files, whatever is committed meanwhile.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import pyarrow as pa

from queries.export.formats import export_format
from queries.export.manifest import Output
from queries.export.runner import DayPart, Refused
from queries.opening import Opening
from queries.replay import Replay, every_so_often, schema
from queries.times import Window
from storage.executors import Executor

if TYPE_CHECKING:
    from queries.quality.report import Ran

PART_NS: Final = 3600 * 10**9  # Of a replay: with key frames each batch, a part's own beginning costs little.
PART_INSTANTS_LIMIT: Final = 100_000  # And so many books at most, which are held until their turn has come.


@dataclass(frozen=True, slots=True)
class ReplayPart:
    """Books of a symbol in a window; every_ns: None after each message."""

    opening: Opening
    symbol: str
    bounds: Window
    every_ns: int | None
    depth: int

    def __str__(self) -> str:
        return f"replay of {self.symbol} over {self.bounds}"


def replay_part(part: ReplayPart) -> list[pa.RecordBatch]:
    """Return the record batches of a part."""
    instants = None if part.every_ns is None else every_so_often(part.bounds, part.every_ns)
    return list(Replay(part.opening.lake().engine, part.symbol, part.bounds, part.depth, instants))


class SplitReplay:
    """Record batches of a replay, done in parts; go through it once. Errors come as it runs: as of `Replay`."""

    def __init__(
        self,
        executor: Executor,
        opening: Opening,
        symbol: str,
        bounds: Window,
        *,
        every_ns: int | None,
        depth: int,
    ) -> None:
        self._executor, self._depth = executor, depth
        self._parts = [
            ReplayPart(opening, symbol, window, every_ns, depth) for window in replay_windows(bounds, every_ns)
        ]

    @property
    def schema(self) -> pa.Schema:
        """As of `Replay`."""
        return schema(self._depth)

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        for batches in self._executor.run(replay_part, self._parts):
            yield from batches


def replay_windows(bounds: Window, every_ns: int | None) -> Iterator[Window]:
    """Yield the windows of the parts: about an hour each, and each begins on an instant of the whole."""
    step_ns = every_ns or 1
    instants = max(PART_NS // step_ns, 1)
    part_ns = step_ns * (instants if every_ns is None else min(instants, PART_INSTANTS_LIMIT))
    start_ns = bounds.start_ns
    while start_ns < bounds.end_ns:
        yield Window(start_ns, min(start_ns + part_ns, bounds.end_ns))
        start_ns += part_ns


@dataclass(frozen=True, slots=True)
class ExportPart:
    """One symbol and day of an export, and how the lake is opened. python: as of `Tape.export`."""

    opening: Opening
    day: DayPart
    python: str | None

    def __str__(self) -> str:
        return str(self.day)


def export_parts(
    executor: Executor, opening: Opening, python: str | None, days: Sequence[DayPart]
) -> Iterator[Output | Refused]:
    """Yield what is made of each day, in their order."""
    return executor.run(export_part, [ExportPart(opening, day, python) for day in days])


def export_part(part: ExportPart) -> Output | Refused:
    """Return what is made of one part."""
    form = export_format(part.day.form, python=part.python)
    return part.opening.lake().exporter().day(part.day, form)


@dataclass(frozen=True, slots=True)
class CheckPart:
    """One check of a day's quality, and how the lake is opened. full: as of `Tape.quality`."""

    opening: Opening
    date: str
    full: bool
    name: str

    def __str__(self) -> str:
        return f"check {self.name} of {self.date}"


def check_parts(executor: Executor, opening: Opening, date: str, full: bool, names: Sequence[str]) -> Iterator["Ran"]:
    """Yield what each check comes to, in their order."""
    return executor.run(check_part, [CheckPart(opening, date, full, name) for name in names])


def check_part(part: CheckPart) -> "Ran":
    """Return what one check comes to."""
    from queries.quality.day import Day  # noqa: PLC0415 - they bring the journal's reader
    from queries.quality.report import run_check  # noqa: PLC0415

    lake = part.opening.lake()
    return run_check(Day(lake.engine, lake.path, part.date, full=part.full), part.name)
