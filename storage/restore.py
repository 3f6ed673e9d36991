"""Files that a lake's logs name and that are missing or not as they were written, made anew from the journal.

Layer: storage, above replay and logs. Reads a journal, puts files in place.
Source: design section 5, content in the name: a file made again by the same version has the same name.
Left to others: batches that no log names (`storage.rebuild`).

A file is made in a scratch directory under the root and gets its place where its name, and so its bytes, are the ones
that the log names. Another version may make other bytes of the same rows: then it takes the place of the one that is
lost in one commit, as the same rows in another file. What is found damaged goes to quarantine first. Stopped at any
moment it goes on when called again: what is restored is found whole.
"""

import hashlib
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from storage.batcher import Batch
from storage.batches import dated_tables
from storage.commits import TableLog
from storage.files import HASH_DIGITS, WrittenFile, write_file
from storage.journal.runs import beginning_fault, runs_of
from storage.journal.segments import segment_paths
from storage.log_entries import RemovedFile
from storage.log_story import Add, Entry, read_story
from storage.pipeline import app_id_of
from storage.quarantine import Quarantine
from storage.replay import Replay
from storage.schemas import TABLES
from storage.stores import ensure_directory, sync_directory
from storage.tape_layout import LAKE, SCRATCH

HASH_BYTES = 4 * 2**20


@dataclass(slots=True)
class RestoreReport:
    """What was looked at, restored, and could not be: each of these with the reason.

    replaced: of restored, those that are the same rows in other bytes, under another name.
    """

    files: int = 0
    restored: list[str] = field(default_factory=list)
    replaced: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A file that is to be made again, and the entry that added it first."""

    table: str
    add: Add
    made_by: Entry

    @property
    def place(self) -> str:
        return f"{self.table}/{self.add.path}"

    @property
    def label(self) -> str:
        """What its name begins with: its batch's label."""
        return Path(self.add.path).name.rpartition("-")[0]


def restore(
    root: Path,
    quarantine: Quarantine,
    *,
    tables: frozenset[str] = frozenset(TABLES),
    date: str | None = None,
    progress: Callable[[int], None] | None = None,
) -> RestoreReport:
    """Restore the files of a tape's lake, of some tables and one date, or all. The caller holds the tape's lock.

    Errors: OSError; JournalDamaged, JournalTooNew, JournalUnreadable.
    """
    report = RestoreReport()
    wanted: dict[str, dict[tuple[str, str, str], _Wanted]] = {}
    for item in _broken(root, tables, date, quarantine, report, progress):
        writer = item.made_by.transactions[0].app_id if item.made_by.transactions else ""
        wanted.setdefault(writer, {})[item.table, item.add.date, item.label] = item
        report.failed[item.place] = "no run in the journal made it"
    scratch = root / SCRATCH / "restore"
    try:
        for run in runs_of(segment_paths(root)) if wanted else ():
            of_run = wanted.get(app_id_of(run.name))
            fault = beginning_fault(run, root) if of_run else None
            if of_run and fault is not None:
                for item in of_run.values():
                    report.failed[item.place] = f"of run {run.name} {fault}"
            elif of_run:
                _make(Replay(run, _Maker(root, scratch, of_run, report), past_damage=True), progress)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return report


def file_digits(path: Path) -> str:
    """Return the digits of a file's content that its name should end in."""
    found = hashlib.sha256()
    with path.open("rb") as file:
        while data := file.read(HASH_BYTES):
            found.update(data)
    return found.hexdigest()[:HASH_DIGITS]


def digits_of_name(path: str) -> str:
    """Return the digits that a file's name ends in."""
    return path.removesuffix(".parquet").rpartition("-")[2]


def _broken(
    root: Path,
    tables: frozenset[str],
    date: str | None,
    quarantine: Quarantine,
    report: RestoreReport,
    progress: Callable[[int], None] | None,
) -> Iterator[_Wanted]:
    for table in TABLES:
        story = read_story(root / LAKE / table)
        for add in story.live.values() if table in tables else ():
            if date not in (None, add.date):
                continue
            report.files += 1
            path = root / LAKE / table / add.path
            if path.exists():
                if file_digits(path) == digits_of_name(add.path):
                    continue
                quarantine.move(path, "its bytes are not those that its name states")
            yield _Wanted(table, add, story.made_by[add.path])
            if progress is not None:
                progress(0)


class _Maker:
    """Takes the batches of a run and makes the files that are wanted of them."""

    def __init__(
        self, root: Path, scratch: Path, wanted: dict[tuple[str, str, str], _Wanted], report: RestoreReport
    ) -> None:
        self._lake, self._scratch, self._wanted, self._report = root / LAKE, scratch, wanted, report

    def __call__(self, batch: Batch) -> None:
        """Make what is wanted of a batch; a label may belong to several, where there were very many rows."""
        for name, table in batch.columns.tables().items():
            if not any(key[0] == name and key[2] == batch.label for key in self._wanted):
                continue
            for date, rows in dated_tables(table, batch.columns.names):
                item = self._wanted.get((name, date, batch.label))
                if item is None:
                    continue
                made = write_file(self._scratch / name, name, [rows], date=date, label=batch.label)
                if made.path != item.add.path and made.rows != item.add.rows:
                    self._report.failed[item.place] = f"made again it has {made.rows} rows, not {item.add.rows}"
                    continue
                final = self._lake / name / made.path
                ensure_directory(final.parent)
                (self._scratch / name / made.path).rename(final)
                sync_directory(final.parent)
                if made.path != item.add.path:
                    self._replace(item, made, batch.end_ns)
                self._report.restored.append(item.place)
                self._report.failed.pop(item.place, None)

    def _replace(self, item: _Wanted, made: WrittenFile, at_ns: int) -> None:
        """Have a table list a file instead of the one that is lost. Errors: OSError, CommitConflict."""
        log = TableLog.open(self._lake / item.table, item.table)
        assert log is not None, "a file is wanted because its log names it"
        lost = RemovedFile(item.add.path, item.add.date, item.add.size)
        as_of = log.listing().version
        log.commit([made], removes=[lost], as_of=as_of, at_ns=at_ns, metadata={}, data_change=False)
        self._report.replaced.append(item.place)


def _make(replay: Replay, progress: Callable[[int], None] | None) -> None:
    for record in replay.records():
        if progress is not None:
            progress(len(record.data))
