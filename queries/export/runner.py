"""Exports symbols day by day into a directory, each output whole or not there, and none twice.

Layer: queries, export, over formats, outputs and manifest. Knows no format in particular, and prints nothing.
Source: design section 7, `export`; faults E3: the tape is never written to.

What is there and whole, of the same window and out of the same lake files, is left alone, so a run that was stopped
goes on where it was. Lake files change their names when they are compacted or repaired; what was made of them is then
made again.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final

from queries.engine import Engine
from queries.errors import DoesNotFit, Misused
from queries.export.book_messages import events
from queries.export.formats import ExportFormat, depth_of
from queries.export.manifest import Hole, Manifest, Output, Part, digest_of
from queries.export.outputs import Outputs
from queries.export.source import SymbolDay
from queries.silence import silence
from queries.times import Window, as_ns, iso
from storage.schemas import TABLES
from storage.stores import ensure_directory

HOLES_LIMIT: Final = 200  # That are listed of one output; the others are counted.
MANIFEST_OUTPUTS: Final = 50  # Written outputs after which the manifest is written too.
SOURCES: Final = ("book_changes", "order_changes", "trades", "quotes")
HOLE_KINDS: Final = frozenset({
    "gap", "gap_closed", "suspect", "mismatch", "healed", "disconnect", "logon", "rollover", "sequence_reset",
    "invariant", "precision_change", "subscription_rejected", "unsubscribe",
})  # fmt: skip
_DAY_NS: Final = 86_400 * 10**9
_SYMBOL_HOLES: Final = ("kind", "from_ns", "to_ns", "receive_ns", "session_id", "text")


@dataclass(slots=True)
class Exported:
    """What a run did. refused: by symbol and date, why; nothing was written of those."""

    written: list[Output] = field(default_factory=list)
    skipped: int = 0
    refused: dict[tuple[str, str], str] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        """Rows written."""
        return sum(output.rows for output in self.written)


@dataclass(frozen=True, slots=True)
class Progress:
    """What is told while it runs. begun: symbol, date, place from 0, how many. rows: read since the last call."""

    begun: Callable[[str, str, int, int], None] = lambda _symbol, _date, _place, _count: None
    rows: Callable[[int], None] = lambda _rows: None


@dataclass(frozen=True, slots=True)
class DayPart:
    """One symbol and day for whoever makes it. Fields: as of `SymbolDay` and `Exporter.run`."""

    form: str
    directory: Path
    symbol: str
    date: str
    bounds: Window
    depth: int

    def __str__(self) -> str:
        return f"export of {self.symbol} {self.date}"


@dataclass(frozen=True, slots=True)
class Refused:
    """A day that a format cannot hold, and why."""

    reason: str


@dataclass(frozen=True, slots=True)
class Exporter:
    """Exports from one engine. versions: of the lake's logs; tape: where it stands, a path if it is a directory.

    by: does the parts elsewhere, in their order; here, one after the other, if not given.
    """

    engine: Engine
    versions: Mapping[str, int]
    tape: Path | str
    software: str
    by: "Callable[[Sequence[DayPart]], Iterator[Output | Refused]] | None" = None

    def run(
        self,
        form: ExportFormat,
        directory: Path,
        symbols: Sequence[str],
        bounds: Window,
        *,
        depth: int | None = None,
        force: bool = False,
        progress: Progress | None = None,
    ) -> Exported:
        """Write each symbol and UTC day of a window; return what was written, was there already, or was refused.

        What was written by the time of an error stays.
        Errors: Misused; ManifestDamaged; PeerFailed; FilesDamaged; BeyondInt64; OSError.
        """
        levels = depth_of(form, depth)
        told = progress or Progress()
        if isinstance(self.tape, Path) and directory.resolve().is_relative_to(self.tape.resolve()):
            raise Misused(f"{directory} lies in the tape, which is read only; name a directory elsewhere")
        ensure_directory(directory)
        manifest, done, unwritten = Manifest.open(directory, self.software), Exported(), 0
        days = [
            SymbolDay(self.engine, symbol, day, part, levels, told.rows)
            for day, part in days_of(self.engine, bounds)
            for symbol in symbols
        ]
        sources = [(day, source) for day in days if (source := _source(day)) is not None]
        wanted = [it for it in sources if force or not _is_done(manifest, form, *it)]
        done.skipped = len(sources) - len(wanted)
        try:
            for (day, _), made in zip(wanted, self._made(form, directory, wanted, told), strict=True):
                if isinstance(made, Refused):
                    done.refused[day.symbol, day.date] = made.reason
                    continue
                replaced = manifest.get(made.key)
                manifest.put(made)
                if replaced is not None and {part.name for part in replaced.files} - {part.name for part in made.files}:
                    manifest.write()  # Before what it named is gone.
                    manifest.remove(replaced, but=made)
                if day.name != day.symbol.replace("/", "-"):
                    manifest.names[day.symbol] = day.name
                done.written.append(made)
                unwritten += 1
                if unwritten == MANIFEST_OUTPUTS:
                    manifest.write()
                    unwritten = 0
        finally:
            if unwritten:
                manifest.write()
        return done

    def _made(
        self, form: ExportFormat, directory: Path, wanted: Sequence[tuple[SymbolDay, str]], told: Progress
    ) -> "Iterator[Output | Refused]":
        """Yield what is made of each day, in their order."""
        here = (self.output(form, directory, day, source) for day, source in wanted)
        parts = [DayPart(form.name, directory, day.symbol, day.date, day.bounds, day.depth) for day, _ in wanted]
        made = here if self.by is None else self.by(parts)
        for place, (day, _) in enumerate(wanted):
            told.begun(day.symbol, day.date, place, len(wanted))
            yield next(made)

    def day(self, part: "DayPart", form: ExportFormat) -> "Output | Refused":
        """Return what is made of one symbol and day. Errors: as of `run`."""
        day = SymbolDay(self.engine, part.symbol, part.date, part.bounds, part.depth)
        source = _source(day)
        assert source is not None, "the tape is as it was listed by whoever asks"
        return self.output(form, part.directory, day, source)

    def output(self, form: ExportFormat, directory: Path, day: SymbolDay, source: str) -> "Output | Refused":
        """Write one symbol and day; return what was written, or why it cannot be."""
        try:
            return self._output(form, directory, day, source)
        except DoesNotFit as error:
            return Refused(str(error))

    def _output(self, form: ExportFormat, directory: Path, day: SymbolDay, source: str) -> Output:
        with Outputs(directory) as outputs:
            rows = form.write(day, outputs)
            holes = list(holes_of(day))
            parts = outputs.publish()
        return Output(
            format=form.name,
            depth=day.depth,
            symbol=day.symbol,
            date=day.date,
            from_time=iso(day.bounds.start_ns),
            to_time=iso(day.bounds.end_ns),
            lake={name: self.versions[name] for name in sorted(self.versions)},
            source=source,
            rows=rows,
            files=[Part(*part) for part in parts],
            notes=dict(sorted(day.notes.items())),
            holes=holes[:HOLES_LIMIT],
            holes_left_out=max(len(holes) - HOLES_LIMIT, 0),
        )


def days_of(engine: Engine, bounds: Window) -> Iterator[tuple[str, Window]]:
    """Yield the UTC days that a lake has rows of, within a window: the date, and the part that is in the window."""
    extent = engine.extent()
    if extent is None:
        return
    first_ns, end_ns = max(bounds.start_ns, extent[0]), min(bounds.end_ns, extent[1] + 1)
    day = datetime.fromtimestamp(first_ns // 10**9, UTC).date()
    while first_ns < end_ns and (day_ns := _midnight_ns(day)) < end_ns:
        yield day.isoformat(), Window(max(bounds.start_ns, day_ns), min(bounds.end_ns, day_ns + _DAY_NS))
        day += timedelta(days=1)


def _midnight_ns(day: date) -> int:
    return as_ns(f"{day.isoformat()}T00:00Z")


def holes_of(day: SymbolDay) -> Iterator[Hole]:
    """Yield of which stretches something may be missing, and the events that tell why, by kind and time."""
    runs = silence(day.engine, day.symbol, day.bounds).filter("state = 'unknown'")
    for session_id, from_ns, to_ns in runs.project("session_id, from_ns, to_ns").fetchall():
        yield Hole("unknown", iso(from_ns), iso(to_ns), session_id)
    for kind, from_ns, to_ns, at_ns, session_id, text in events(day, *day.bounds, _SYMBOL_HOLES):
        if kind in HOLE_KINDS:
            begin_ns, end_ns = (at_ns if ns is None else ns for ns in (from_ns, to_ns))
            yield Hole(kind, iso(begin_ns), iso(end_ns), session_id, text)


def _source(day: SymbolDay) -> str | None:
    """Return a digest of the lake files of a day that may hold its rows, or None where there are none."""
    files = {table: [file.name for file in day.files(table)] for table in SOURCES}
    return digest_of(files) if any(files.values()) else None


def _is_done(manifest: Manifest, form: ExportFormat, day: SymbolDay, source: str) -> bool:
    known = manifest.get((form.name, day.depth, day.symbol, day.date))
    if known is None or known.source != source:
        return False
    is_same = (known.from_time, known.to_time) == (iso(day.bounds.start_ns), iso(day.bounds.end_ns))
    return is_same and manifest.stands(known)


assert set(SOURCES) <= set(TABLES), "what is exported is stored"
