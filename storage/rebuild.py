"""A lake made anew from a journal, by the objects that made it live.

Layer: storage. Reads a journal, writes a lake, reads no clock.
Source: design section 3; a rebuild of the same journal by the same version gives the same bytes.
Left to others: single files of a lake that is there (`storage.restore`).

Runs are told one after the other, each from its first record; a batch is known by its run and its number in it, so
batches that the lake holds are left alone, and a rebuild that was stopped goes on when it is called again.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from storage.batcher import Batch
from storage.errors import JournalMissing, RunIncomplete
from storage.executors import Executor, ThisProcess
from storage.journal.reader import JournalDamage, RecordKind
from storage.journal.runs import Run, beginning_fault, runs_of
from storage.journal.segments import segment_paths
from storage.lake import Lake
from storage.log_story import read_story
from storage.pipeline import app_id_of, write_batch
from storage.places import store_of
from storage.recovery_lake import remove_leftovers
from storage.replay import Replay
from storage.row_order import only_used_values
from storage.schemas import TABLE_LAST
from storage.stores import LocalStore, Store

_MS_NS = 1_000_000
_COUNTS = ("records", "received_bytes", "runs", "batches", "batches_held", "rows", "verified", "mismatches")


@dataclass(frozen=True, slots=True)
class Selection:
    """What of a journal's rows is wanted; None is all. Events that are about no symbol belong to each of them."""

    table: str | None = None
    date: str | None = None
    symbol: str | None = None

    def keep(self, table: str, date: str, rows: pa.Table) -> pa.Table:
        """Return the rows of a table and date that are wanted."""
        if self.table not in (None, table) or self.date not in (None, date):
            return rows.slice(0, 0)
        if self.symbol is None:
            return rows
        wanted = pc.equal(rows["symbol"].combine_chunks().cast(pa.string()), self.symbol)
        if table == TABLE_LAST:
            wanted = pc.or_kleene(wanted, pc.is_null(rows["symbol"]))
        return only_used_values(rows.filter(wanted))


@dataclass(slots=True)
class RebuildReport:
    """What a rebuild came to.

    damages: of the journal, where they were read past. incomplete: runs of which nothing was written, because their
    first records are gone, and why.
    """

    records: int = 0
    received_bytes: int = 0
    runs: int = 0
    batches: int = 0
    batches_held: int = 0
    rows: int = 0
    verified: int = 0
    mismatches: int = 0
    damages: list[JournalDamage] = field(default_factory=list)
    incomplete: dict[str, str] = field(default_factory=dict)

    def add(self, other: "RebuildReport") -> None:
        """Take in what another part came to."""
        for count in _COUNTS:
            setattr(self, count, getattr(self, count) + getattr(other, count))
        self.damages += other.damages
        self.incomplete |= other.incomplete


@dataclass(frozen=True, slots=True)
class RunPart:
    """One run of a journal, to be rebuilt by whoever takes it.

    Arguments: as of `rebuild`; lake: a path or an address.
    """

    run: Run
    journal: Path
    lake: Path | str
    software: str
    selection: Selection | None
    past_damage: bool

    def __str__(self) -> str:
        return f"{self.journal}: run {self.run.name}"


def rebuild(
    journal: Path,
    lake_at: Path | Store,
    *,
    software: str,
    progress: Callable[[int], None] | None = None,
    selection: Selection | None = None,
    past_damage: bool = False,
    executor: Executor | None = None,
) -> RebuildReport:
    """Make or complete a lake from a journal; batches that the lake holds are left alone.

    Batches are cut as the run that was recorded cut them.
    progress: told how many bytes of segments are done, by the run.
    selection: for a lake of its own: a batch is marked as there whichever of its rows are.
    past_damage: read past damage in the journal, with the hole told as a gap.
    executor: who does the runs, one each; this process if not given.
    Errors: JournalMissing; JournalDamaged where a block is not as it was written, and what stood in whole batches
        before it is committed; RunIncomplete where a run's first batch is not the one that the lake has of it.
    """
    paths = segment_paths(journal)
    if not paths:
        raise JournalMissing(journal)
    store = Lake.create_or_open(lake_at).store
    if isinstance(store, LocalStore):
        remove_leftovers(store.path)  # Of a rebuild that was killed.
    place = store.path if isinstance(store, LocalStore) else store.location
    report = RebuildReport()
    parts = []
    for run in runs_of(paths):
        fault = beginning_fault(run, journal)
        if fault is None:
            parts.append(RunPart(run, journal, place, software, selection, past_damage))
        else:
            report.incomplete[run.name] = fault
    done = (executor or ThisProcess()).run(rebuild_run, parts)
    for part, one in zip(parts, done, strict=True):
        report.add(one)
        if progress is not None:
            progress(part.run.bytes)
    return report


def rebuild_run(part: RunPart) -> RebuildReport:
    """Make or complete what a lake has of one run. Errors: as of `rebuild`."""
    lake, run = Lake.open(store_of(part.lake)), part.run
    report = RebuildReport(runs=1)
    held = read_story(lake.store.below(TABLE_LAST))
    keep = None if part.selection is None else part.selection.keep

    def write(batch: Batch) -> None:
        app_id = app_id_of(batch.run)
        known_ms = held.batches.get((app_id, 1))
        if batch.number == 1 and known_ms is not None and known_ms != batch.end_ns // _MS_NS:
            raise RunIncomplete(part.journal, batch.run, "its first records are not there")
        written = write_batch(lake, batch, part.software, keep)
        report.batches += 1
        report.batches_held += bool(written.skipped)
        report.rows += sum(written.rows.values())

    replay = Replay(run, write, past_damage=part.past_damage, held=held.last.get(app_id_of(run.name)))
    for record in replay.records():
        report.records += 1
        if record.kind is RecordKind.RECEIVED:
            report.received_bytes += len(record.data)
    report.verified, report.mismatches, report.damages = replay.verified, replay.mismatches, replay.damages
    return report
