"""What a crash leaves in the lake, put in order: torn log entries, checkpoints half written, files that no log names.

Layer: storage, above log and files. Moves things into quarantine; makes no row.
Source: design section 5; faults section 1, clauses 3 and 6, and section 2, A15.
Left to others: making the batches of what was set aside (`storage.recovery`).

A log is cut at the first entry that is not as it was written, and that entry and all after it are set aside: what is
left is the log as it stood once, its transactions included, so every batch after that is known to be missing, and is
made from the journal, once. After a power cut that is the last entry alone, because each is synced before the next one.
At the start of a recorder entries up to a checkpoint that holds are not read: the checkpoint stands for them. By hand
all are; then the checkpoints after the first bad one are set aside with it.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from storage.checkpoints import LAST_CHECKPOINT, checkpoint_fault, pointer_fault, sums_name
from storage.commits import LOG_DIRECTORY
from storage.errors import LakeDamaged
from storage.lake import Lake
from storage.log_story import (
    Entry,
    EntryDamaged,
    checkpoint_paths,
    entry_paths,
    parse_entry,
    read_story,
)
from storage.quarantine import Quarantine
from storage.recovery_journal import Tell
from storage.schemas import PARTITION_COLUMN
from storage.stores import sync_directory, writer_is_gone

GRACE_NS: Final = 86_400 * 10**9  # What another process writes is named long before that.
_OF_A_BATCH: Final = re.compile(r"\.?\d{8}T\d{6}Z")


@dataclass(frozen=True, slots=True)
class CutLog:
    """A log that was cut. runs: whose batches stood in what was set aside, as far as it can be read."""

    table: Path
    version: int
    runs: frozenset[str]


class LogCut:
    """One table's log, looked at; `apply` cuts it where it is damaged.

    every_entry: also those that a checkpoint stands for.
    torn: nothing valid follows the first bad entry. version: of the first bad entry, None where there is none.
    """

    def __init__(self, table: Path, *, every_entry: bool = False) -> None:
        self.table = table
        self._directory = table / LOG_DIRECTORY
        self._bad_checkpoints, begin = _bad_checkpoints(table)
        self._stood_for = begin  # The first entry for which no checkpoint stands.
        if every_entry:
            begin = next(iter(entry_paths(table)), 0) if begin else 0
        self.version: int | None = None
        self.reason = ""
        self._after: list[Path] = []
        self._runs: set[str] = set()
        self.torn = True
        self._read(begin)

    def _read(self, begin: int) -> None:
        expected = begin
        for version, path in entry_paths(self.table).items():
            if version < begin:
                continue
            fault, entry = _checked(version, path)
            if self.version is None and version != expected:
                fault = f"entry {expected} is missing before it"
            expected = version + 1
            if fault is None and self.version is None:
                continue
            if self.version is None:
                self.version, self.reason = version, fault or ""
            elif fault is None:
                self.torn = False
            self._after.append(path)
            if entry is not None:
                self._runs.update(app.app_id for app in entry.transactions)

    @property
    def damaged(self) -> bool:
        """Whether anything is to be set aside that no crash leaves."""
        return self.version is not None and not self.torn

    @property
    def only_history(self) -> bool:
        """Whether a checkpoint stands for the first bad entry, so that nothing is lost while nothing is done."""
        return self.version is not None and self.version < self._stood_for

    def check(self, writers: frozenset[str]) -> None:
        """Make sure that what is set aside can be made again: every writer's whole run is in the journal.

        Errors: LakeDamaged.
        """
        lost = sorted(self._runs - writers)
        if lost:
            raise LakeDamaged(
                self.table,
                f"log entry {self.version} ({self.reason}), and the journal has not all of {', '.join(lost)} after it",
            )

    def apply(self, quarantine: Quarantine, tell: Tell) -> CutLog | None:
        """Set aside what does not hold; return what was cut. Errors: OSError."""
        for path, reason in self._bad_checkpoints:
            quarantine.move(path, reason)
            tell("set aside", f"{self.table.name}: {path.name}: {reason}; the entries before it are read instead")
        if self.version is None:
            return None
        self._set_later_checkpoints_aside(quarantine)
        for path in reversed(self._after):  # The last first: whatever is left is the beginning of the log.
            quarantine.move(path, f"log cut at entry {self.version}: {self.reason}")
        kind = "torn log entry" if self.torn else "damage"
        count = (
            f"entry {self.version}" if len(self._after) == 1 else f"{len(self._after)} entries from {self.version} on"
        )
        tell(kind, f"{self.table.name}: log {count} set aside ({self.reason}); their batches are made from the journal")
        return CutLog(self.table, self.version, frozenset(self._runs))

    def _set_later_checkpoints_aside(self, quarantine: Quarantine) -> None:
        assert self.version is not None, "there is a bad entry"
        reason = f"it stands for entry {self.version}: {self.reason}"
        for version, path in checkpoint_paths(self.table).items():
            if version >= self.version:
                for file in (self._directory / LAST_CHECKPOINT, path, path.with_name(sums_name(version))):
                    if file.exists():
                        quarantine.move(file, reason)


def _checked(version: int, path: Path) -> tuple[str | None, Entry | None]:
    try:
        return None, parse_entry(version, path.read_bytes())
    except EntryDamaged as damage:
        return str(damage), None


def _bad_checkpoints(table: Path) -> tuple[list[tuple[Path, str]], int]:
    """Return what does not hold of a table's checkpoints, and the first entry after the newest one that does."""
    bad: list[tuple[Path, str]] = []
    begin = 0
    for version, path in reversed(checkpoint_paths(table).items()):
        reason = checkpoint_fault(path)
        if reason is None:
            begin = version + 1
            break
        bad.append((path, reason))
        beside = path.with_name(sums_name(version))
        if beside.exists():
            bad.append((beside, f"of a checkpoint that does not hold: {reason}"))
    pointer = table / LOG_DIRECTORY / LAST_CHECKPOINT
    if pointer.exists():
        reason = pointer_fault(pointer, {path for path, _ in bad})
        if reason is not None:
            bad.append((pointer, reason))
    return bad, begin


def remove_leftovers(lake: Path, at_ns: int | None = None, tell: Tell | None = None) -> None:
    """Remove temporaries that were never renamed: nobody saw them, and their batch is made again from the journal.

    at_ns: remove those of batches and of long ago too, whoever wrote them; for who holds the tape's lock.
    """
    found = [
        path
        for path in _leftovers(lake)
        if writer_is_gone(path.name) or (at_ns is not None and _abandoned(path, at_ns))
    ]
    size = sum(path.stat().st_size for path in found)
    for path in found:
        path.unlink()
    for directory in {path.parent for path in found}:
        sync_directory(directory)
    if found and tell is not None:
        tell("removed", f"{len(found)} temporaries of the lake that were never files, {size} bytes")


def _leftovers(lake: Path) -> Iterator[Path]:
    yield from lake.glob("*/date=*/.*.tmp")
    for path in lake.glob(f"*/{LOG_DIRECTORY}/*"):
        if path.name.endswith(".tmp") or path.name.startswith("_commit_"):
            yield path


def _abandoned(path: Path, at_ns: int) -> bool:
    """Return whether nobody is about to name a file: a recorder's, of which none but us is alive; or an old one.

    Compaction may be at work beside us, and what it has written is in no log until it is done.
    """
    return _OF_A_BATCH.match(path.name) is not None or path.stat().st_mtime_ns < at_ns - GRACE_NS


def tell_orphans(lake: Lake, table: str, tell: Tell) -> None:
    """Name the objects of a table that no entry of its log ever named; they stay where they are. Errors: StoreError.

    A batch that is made again has the same name, so its file is no orphan any more: what is left was made otherwise.
    """
    store = lake.store.below(table)
    found = {it.name for it in store.list() if it.name.startswith(f"{PARTITION_COLUMN}=")}
    strangers = found and sorted(found - read_story(store).named)
    if strangers:
        tell("orphan", f"{table}: {len(strangers)} objects that no log entry names, {strangers[0]} the first; left")


def set_orphans_aside(lake: Lake, table: str, at_ns: int, quarantine: Quarantine, tell: Tell) -> None:
    """Set aside the files of a table that no entry of its log ever named. Call when no batch is under way.

    Errors: OSError, DeltaError.
    """
    path = lake.path / table
    listed = {file.path for file in lake.files(table)}
    strangers = [file for file in sorted(path.glob("date=*/*")) if file not in listed and file.is_file()]
    strangers = [file for file in strangers if not file.name.endswith(".tmp") and _abandoned(file, at_ns)]
    if not strangers:
        return
    named = read_story(path).named  # What compaction took out and vacuum has not removed yet is no orphan.
    for file in strangers:
        name = file.relative_to(path).as_posix()
        if name not in named:
            quarantine.move(file, "no entry of the table's log names it", bytes=file.stat().st_size)
            tell("orphan", f"{table}/{name}: no log entry names it; moved to quarantine")
