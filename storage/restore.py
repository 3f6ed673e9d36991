"""Files that a lake's logs name and that are missing or not as they were written, made anew.

Layer: storage, above remaking, merging and logs. Puts files in place.
Source: design section 5, content in the name: a file made again by the same version has the same name.
Left to others: batches that no log names (`storage.rebuild`), files of batches (`storage.remake`).

A file is made in a scratch directory under the root and gets its place where its name, and so its bytes, are the ones
that the log names. Another version may make other bytes of the same rows: then it takes the place of the one that is
lost in one commit, as the same rows in another file. What is found damaged goes to quarantine first. Stopped at any
moment it goes on when called again: what is restored is found whole.

A compacted file is merged again of its inputs, which the entry that made it lists as removed: those that vacuum has not
taken yet as they are, the others made from the journal, or merged again in their turn.
"""

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from storage.batcher import Batch
from storage.commits import TableLog
from storage.compaction import level
from storage.errors import LakeDamaged
from storage.files import HASH_DIGITS, LEVEL_DENSE, WrittenFile, digits_of_name, label_of_name, write_file
from storage.log_entries import RemovedFile
from storage.log_story import Add, LogStory, read_story
from storage.merging import Merge
from storage.quarantine import Quarantine
from storage.remake import UNKNOWN, BatchFile, Reasons, batch_file, remake
from storage.schemas import TABLES
from storage.stores import LocalStore, Store
from storage.tape_layout import LAKE, SCRATCH

_MS_NS = 1_000_000


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
    """A file that is to be made again."""

    table: str
    add: Add

    @property
    def place(self) -> str:
        return f"{self.table}/{self.add.path}"


def restore(
    root: Path,
    quarantine: Quarantine,
    *,
    tables: frozenset[str] = frozenset(TABLES),
    date: str | None = None,
    progress: Callable[[int], None] | None = None,
    lake: Store | None = None,
) -> RestoreReport:
    """Restore the files of a tape's lake, of some tables and one date, or all. The caller holds the tape's lock.

    lake: where it stands; beside the journal if not given.
    Errors: OSError; StoreError; JournalDamaged, JournalTooNew, JournalUnreadable.
    """
    report = RestoreReport()
    scratch = root / SCRATCH / "restore"
    restoration = _Restoration(root, LocalStore(root / LAKE) if lake is None else lake, scratch, report)
    for table in TABLES:
        if table in tables:
            restoration.look(table, date, quarantine, progress)
    try:
        failed = remake(root, scratch, restoration.needed, restoration.take, progress)
        restoration.finish(failed)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return report


class _Lost(Exception):
    """Why a file cannot be had."""


class _Restoration:
    """What is broken of a lake, what is needed to make it again, and what of that there is.

    needed: files of batches that are to be made from the journal.
    """

    def __init__(self, root: Path, lake: Store, scratch: Path, report: RestoreReport) -> None:
        self.needed: list[BatchFile] = []
        self._root, self._lake, self._scratch, self._report = root, lake, scratch, report
        self._stories: dict[str, LogStory] = {}
        self._batches: dict[tuple[str, str], _Wanted] = {}
        self._compacted: list[_Wanted] = []
        self._had: dict[tuple[str, str], Path] = {}  # By table and path within it, a file of its rows.

    def look(
        self, table: str, date: str | None, quarantine: Quarantine, progress: Callable[[int], None] | None
    ) -> None:
        """Find what is broken of a table, set it aside, and see what it takes to make it again. Errors: OSError."""
        store = self._lake.below(table)
        story = self._stories[table] = read_story(store)
        for add in story.live.values():
            if date not in (None, add.date):
                continue
            self._report.files += 1
            digits = _digits(store, add.path)
            if digits == digits_of_name(add.path):
                continue
            if digits:
                damaged = store.copy_of(add.path, self._scratch / "damaged" / table)
                known_as = self._root / LAKE / table / add.path
                quarantine.move(known_as, "its bytes are not those that its name states", source=damaged)
            item = _Wanted(table, add)
            self._report.failed[item.place] = UNKNOWN
            if level(add.path):
                self._compacted.append(item)
            else:
                self._batches[table, add.path] = item
            self._need(table, add.path)
            if progress is not None:
                progress(0)

    def _need(self, table: str, path: str) -> None:
        """Take note of what is to be made so that a file can be had."""
        story = self._stories[table]
        if not level(path):
            file = batch_file(story, table, path)
            if file is not None:
                self.needed.append(file)
            return
        store = self._lake.below(table)
        for name in self._inputs(table, path):
            if _digits(store, name) == digits_of_name(name):
                self._had[table, name] = store.copy_of(name, self._scratch / "copies" / table)
            else:
                self._need(table, name)

    def _inputs(self, table: str, path: str) -> list[str]:
        """Return the files that a compacted one was made of, in the order in which they were merged."""
        story = self._stories[table]
        entry = story.made_by.get(path)
        known = [story.adds[name] for name in (entry.removes if entry is not None else ()) if name in story.adds]
        return [add.path for add in sorted(known, key=lambda add: (add.lowest.get("receive_ns", 0), add.path))]

    def take(self, file: BatchFile, made: WrittenFile, batch: Batch) -> None:
        """Take in a file of a batch: into its place, or as an input of a compacted one. Errors: OSError."""
        item = self._batches.get(file.key)
        if item is None:
            self._had[file.key] = self._scratch / file.table / made.path
        else:
            self._put(item, made, batch.end_ns)

    def finish(self, reasons: Reasons) -> None:
        """Make the compacted files, now that there is what can be had of batches. Errors: OSError."""
        for key, item in self._batches.items():
            if item.place in self._report.failed and key in reasons:
                self._report.failed[item.place] = reasons[key]
        for item in self._compacted:
            try:
                made = self._merged(item.table, item.add, reasons)
            except (_Lost, LakeDamaged) as reason:
                self._report.failed[item.place] = str(reason)
                continue
            entry = self._stories[item.table].made_by[item.add.path]
            self._put(item, made, int(entry.info.get("timestamp") or 0) * _MS_NS)

    def _merged(self, table: str, add: Add, reasons: Reasons) -> WrittenFile:
        """Make a compacted file of its inputs, in the scratch directory. Errors: _Lost, LakeDamaged, OSError."""
        inputs: list[Path] = []
        for name in self._inputs(table, add.path):
            if (table, name) not in self._had and level(name):
                made = self._merged(table, self._stories[table].adds[name], reasons)
                self._had[table, name] = self._scratch / table / made.path
            if (table, name) not in self._had:
                raise _Lost(f"its input {name}: {reasons.get((table, name), UNKNOWN)}")
            inputs.append(self._had[table, name])
        if not inputs:
            raise _Lost("no log entry tells what it was made of")
        merge = Merge(table, inputs, self._scratch / "merge")
        label = label_of_name(add.path)
        made = write_file(self._scratch / table, table, merge.groups(), date=add.date, label=label, level=LEVEL_DENSE)
        shutil.rmtree(self._scratch / "merge", ignore_errors=True)
        if made.rows != add.rows:
            raise _Lost(f"made again it has {made.rows} rows, not {add.rows}")
        return made

    def _put(self, item: _Wanted, made: WrittenFile, at_ns: int) -> None:
        """Give a file that was made again its place. Errors: OSError, CommitConflict."""
        self._lake.below(item.table).adopt(self._scratch / item.table / made.path, made.path)
        if made.path != item.add.path:
            self._replace(item, made, at_ns)
        self._report.restored.append(item.place)
        self._report.failed.pop(item.place, None)

    def _replace(self, item: _Wanted, made: WrittenFile, at_ns: int) -> None:
        """Have a table list a file instead of the one that is lost. Errors: OSError, CommitConflict."""
        log = TableLog.open(self._lake.below(item.table), item.table)
        assert log is not None, "a file is wanted because its log names it"
        lost = RemovedFile(item.add.path, item.add.date, item.add.size)
        as_of = log.listing().version
        log.commit([made], removes=[lost], as_of=as_of, at_ns=at_ns, metadata={}, data_change=False)
        self._report.replaced.append(item.place)


def _digits(store: Store, name: str) -> str:
    """Return the digits of a file's content; empty where it is not there. Errors: OSError."""
    try:
        return store.sha256(name)[:HASH_DIGITS]
    except FileNotFoundError:
        return ""
