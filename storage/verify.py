"""Everything that a tape states about itself, held against what stands on disk.

Layer: storage, above log, files, journal and replay. Reads only, save for a scratch directory of a rederivation.
Source: design sections 5 to 7; faults section 1, clause 5, and section 2, I1 to I8.
Left to others: rows against rows (`verify_rows`), the journal's blocks (`journal.verify`), putting right
    (`storage.recovery`, `storage.rebuild`).

Quick looks at names, sizes, footers, and every entry of the logs; that is seconds a day. Full reads every byte: each
file hashes to its name and is read with its page checksums, counts what the log says of it, and its rows stand in
order; the numbers of each session run on or a row tells the hole; each key frame is the book that the changes make.
"""

import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from storage.batches import DAY_NS
from storage.checkpoints import LAST_CHECKPOINT, checkpoint_fault, pointer_fault
from storage.commits import LOG_DIRECTORY, TableLog
from storage.errors import LakeDamaged, LakeMissing, StoreError
from storage.files import HASH_DIGITS, digits_of_name
from storage.log_story import (
    Add,
    EntryDamaged,
    LogStory,
    checkpoint_paths,
    read_entries,
    read_story,
)
from storage.row_order import in_order
from storage.schemas import ENUM_NAMES, SCHEMAS, SIGHTINGS, SORTED_BY, TABLES
from storage.stores import LocalStore, Store, store_at

REMEDY_FILE: Final = "make it again: fixtape rebuild ROOT"
REMEDY_COPY: Final = "send it again: fixtape push TAPE TARGET --again"
REMEDY_OBJECT: Final = f"if it was pushed, {REMEDY_COPY}; if it was recorded, {REMEDY_FILE}"
REMEDY_LOG: Final = "set it aside and make it again: fixtape recover ROOT, then fixtape rebuild ROOT"
REMEDY_ROWS: Final = "hold it against the journal: fixtape verify ROOT --rederive"

_EPOCH: Final = date(1970, 1, 1)
_READ_TRIES: Final = 3  # Of a log to which a recorder may commit meanwhile.


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it is stated to be."""

    where: str
    what: str
    expected: str
    received: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}: expected {self.expected}, received {self.received}; {self.remedy}"

    def as_dict(self) -> dict[str, str]:
        """Return its fields."""
        return asdict(self)


@dataclass(slots=True)
class Checked:
    """How much was looked at."""

    files: int = 0
    bytes: int = 0
    rows: int = 0
    entries: int = 0
    segments: int = 0
    sessions: int = 0
    key_frames: int = 0


@dataclass(frozen=True, slots=True)
class Scope:
    """What is verified. date: a prefix of YYYY-MM-DD, so a month or a day; full: every byte, else names and footers."""

    date: str = ""
    full: bool = True


def verify_lake(
    lake: Path | Store,
    scope: Scope,
    checked: Checked,
    progress: Callable[[int], None],
    tables: Iterable[str] = (*TABLES, SIGHTINGS),
) -> Iterator[Finding]:
    """Yield what is wrong with the logs and the files of a lake, or of some of its tables.

    Errors: LakeMissing; StoreError of an object store.
    """
    store = store_at(lake)
    if all(next(store.list(f"{name}/{LOG_DIRECTORY}"), None) is None for name in TABLES):
        raise LakeMissing(store.location)
    for name in tables:
        story, table = LogStory(), store.below(name)
        if name == SIGHTINGS and next(table.list(LOG_DIRECTORY), None) is None:
            continue  # No merge made this lake.
        yield from _verify_log(table, name, story, checked)
        for add in story.live.values():
            if add.date.startswith(scope.date):
                yield from _verify_file(table, name, add, scope, checked)
                progress(add.size)


def _verify_log(store: Store, table: str, story: LogStory, checked: Checked) -> Iterator[Finding]:
    """Yield what is wrong with a log: its entries, their numbers, its checkpoints; fill the story by what is whole.

    Of an object store, checkpoints are held against the entries by what deltalake lists with them.
    """
    expected = 0
    at_checkpoint: dict[int, frozenset[str]] = {}
    checkpoints = checkpoint_paths(store.path) if isinstance(store, LocalStore) else {}
    for version, name, entry in read_entries(store):
        checked.entries += 1
        where = f"{table}/{LOG_DIRECTORY}/{name}"
        if version != expected and not (expected == 0 and version - 1 in checkpoints):
            yield Finding(where, "entries run on by one", f"entry {expected}", f"entry {version}", REMEDY_LOG)
        expected = version + 1
        if isinstance(entry, EntryDamaged):
            yield Finding(where, "log entry", "as it was written", str(entry), REMEDY_LOG)
            continue
        story.take(entry)
        if version in checkpoints:
            at_checkpoint[version] = frozenset(story.live)
    if expected == 0:
        yield Finding(f"{table}/{LOG_DIRECTORY}", "log", "at least one entry", "none", REMEDY_LOG)
        return
    if isinstance(store, LocalStore):
        yield from _verify_checkpoints(store.path, table, checkpoints, at_checkpoint)
    yield from _verify_as_read(store, table, story)


def _verify_checkpoints(
    path: Path, table: str, checkpoints: Mapping[int, Path], at_checkpoint: Mapping[int, frozenset[str]]
) -> Iterator[Finding]:
    bad: set[Path] = set()
    for version, checkpoint in checkpoints.items():
        where = f"{table}/{LOG_DIRECTORY}/{checkpoint.name}"
        fault = checkpoint_fault(checkpoint)
        if fault is not None:
            bad.add(checkpoint)
            yield Finding(where, "checkpoint", "as it was written", fault, REMEDY_LOG)
            continue
        listed = frozenset(
            add["path"] for add in pq.read_table(checkpoint, columns=["add"])["add"].to_pylist() if add is not None
        )
        told = at_checkpoint.get(version)
        if told is not None and listed != told:
            received = f"{len(listed)} files, {len(listed ^ told)} of them others"
            yield Finding(where, "files of a checkpoint", f"the {len(told)} of its entries", received, REMEDY_LOG)
    pointer = path / LOG_DIRECTORY / LAST_CHECKPOINT
    fault = pointer_fault(pointer, bad) if pointer.exists() else None
    if fault is not None:
        where = f"{table}/{LOG_DIRECTORY}/{LAST_CHECKPOINT}"
        yield Finding(where, "pointer to a checkpoint", "one that holds", fault, REMEDY_LOG)


def _verify_as_read(store: Store, table: str, story: LogStory) -> Iterator[Finding]:
    """Yield where the library that others read by lists other files than the entries do."""
    try:
        log = TableLog.open(store, table)
    except LakeDamaged as damage:
        yield Finding(f"{table}/{LOG_DIRECTORY}", "log as deltalake reads it", "readable", damage.reason, REMEDY_LOG)
        return
    told: Mapping[str, Add] = story.live
    for _ in range(_READ_TRIES):
        listed = set() if log is None else {add["path"] for add in log.listing().adds}
        if listed == told.keys():
            break
        told = read_story(store).live  # Something was committed in between.
    else:
        received = f"{len(listed)}, {len(listed ^ told.keys())} of them others"
        expected = f"the {len(told)} of its entries"
        yield Finding(f"{table}/{LOG_DIRECTORY}", "files as deltalake lists them", expected, received, REMEDY_LOG)


def _verify_file(store: Store, table: str, add: Add, scope: Scope, checked: Checked) -> Iterator[Finding]:
    where, remedy = f"{table}/{add.path}", REMEDY_FILE if isinstance(store, LocalStore) else REMEDY_OBJECT
    try:
        with store.open(add.path) as opened:
            size = opened.seek(0, os.SEEK_END)
    except FileNotFoundError:
        yield Finding(where, "file that the log names", f"{add.size} bytes", "no file", remedy)
        return
    checked.files += 1
    checked.bytes += size
    if size != add.size:
        yield Finding(where, "size", str(add.size), str(size), remedy)
        return
    if scope.full and (digits := store.sha256(add.path)[:HASH_DIGITS]) != digits_of_name(add.path):
        yield Finding(where, "SHA-256", digits_of_name(add.path), digits, remedy)
        return
    try:
        with store.open(add.path) as opened, pq.ParquetFile(opened, page_checksum_verification=True) as file:
            yield from _verify_footer(where, table, add, file)
            if scope.full:
                yield from _verify_rows(where, add, file, checked)
    except StoreError:
        raise
    except (OSError, pa.ArrowException) as error:
        reason = (str(error).splitlines() or ["?"])[0]
        yield Finding(where, "Parquet", "readable with page checksums", reason, remedy)


def _verify_footer(where: str, table: str, add: Add, file: pq.ParquetFile) -> Iterator[Finding]:
    metadata = file.metadata
    if metadata.num_rows != add.rows:
        yield Finding(where, "rows", str(add.rows), str(metadata.num_rows), REMEDY_ROWS)
    known = {field.name: field.type for field in SCHEMAS[table]}
    found = {field.name: field.type for field in file.schema_arrow}
    strange = sorted(name for name, type_ in found.items() if known.get(name) != type_)
    if strange:
        received = ", ".join(f"{name} {found[name]}" for name in strange)
        expected = ", ".join(f"{name} {known.get(name, 'no such column')}" for name in strange)
        yield Finding(where, "schema", expected, received, REMEDY_ROWS)


def _verify_rows(where: str, add: Add, file: pq.ParquetFile, checked: Checked) -> Iterator[Finding]:
    """Yield where the rows of a file are not what its log entry, its place and its schema say of them."""
    facts = _RowFacts(add)
    for place in range(file.num_row_groups):
        facts.take(file.read_row_group(place))
    checked.rows += facts.rows
    for column, nulls in add.nulls.items():
        if column in facts.nulls and facts.nulls[column] != nulls:
            yield Finding(where, f"nulls in {column}", str(nulls), str(facts.nulls[column]), REMEDY_ROWS)
    for stated, which, found in ((add.lowest, "min", facts.lowest), (add.highest, "max", facts.highest)):
        for column, value in stated.items():
            if found.get(column) != value:
                yield Finding(where, f"{which} of {column}", str(value), str(found.get(column)), REMEDY_ROWS)
    dates = sorted(_date(day) for day in facts.days)
    if dates != [add.date]:
        yield Finding(where, "UTC dates of receive_ns", add.date, ", ".join(dates), REMEDY_ROWS)
    if not facts.in_order:
        yield Finding(where, "order of rows", "by " + ", ".join(SORTED_BY), "another", REMEDY_ROWS)
    for column, values in facts.values.items():
        strange = values - {None, *ENUM_NAMES[column]}
        if strange:
            allowed = ", ".join(ENUM_NAMES[column])
            yield Finding(where, f"values of {column}", allowed, json.dumps(sorted(strange)), REMEDY_ROWS)


class _RowFacts:
    """What the rows of a file come to, row group by row group: a file of a day may be too much for memory."""

    def __init__(self, add: Add) -> None:
        self.rows = 0
        self.nulls: Counter[str] = Counter()
        self.lowest: dict[str, Any] = {}
        self.highest: dict[str, Any] = {}
        self.days: set[int] = set()
        self.values: dict[str, set[str | None]] = {}
        self.in_order = True
        self._extremes = add.lowest.keys() | add.highest.keys()
        self._end: pa.Table | None = None

    def take(self, rows: pa.Table) -> None:
        """Take in the rows that follow."""
        self.rows += rows.num_rows
        for column in rows.column_names:
            self.nulls[column] += rows[column].null_count
        for column in self._extremes & set(rows.column_names):
            found = pc.min_max(rows[column]).as_py()
            for kept, which, of_both in ((self.lowest, "min", min), (self.highest, "max", max)):
                if found[which] is not None:
                    kept[column] = of_both(kept.get(column, found[which]), found[which])
        self.days.update(pc.unique(pc.divide(rows["receive_ns"], DAY_NS)).to_pylist())
        self.in_order = self.in_order and in_order(rows if self._end is None else pa.concat_tables([self._end, rows]))
        self._end = rows.take([rows.num_rows - 1])
        for column in ENUM_NAMES.keys() & set(rows.column_names):
            self.values.setdefault(column, set()).update(pc.unique(rows[column]).to_pylist())


def _date(day: int) -> str:
    return (_EPOCH + timedelta(days=day)).isoformat()
