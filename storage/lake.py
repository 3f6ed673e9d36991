"""The lake: one Delta table a name, written batch by batch, read by the file list of its logs.

Layer: storage, above schemas, batches, files and commits, which it puts in order. No clock, no DuckDB.
Source: design sections 3 and 5.
Left to others: where a batch ends (`storage.recorder`), damage (`storage.recovery`), questions (`queries.tape`).

A batch is a commit a table, each atomic and each carrying the writer's transaction (app_id, version). A writer
killed between two of them writes the batch again: tables that hold it skip it, the others take it. `events` comes last
and always, rows or none, so what `last_version` tells is whole in every table.
"""

import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, NamedTuple

import pyarrow as pa

from capture.columns import Columns, Names, Table
from storage.access import refuse_unsafe
from storage.batches import dated_tables
from storage.commits import TableLog
from storage.errors import CannotCreate, LakeDamaged, LakeMissing
from storage.files import WrittenFile, write_file
from storage.present import Mark, later, mark_of
from storage.schemas import SIGHTINGS, TABLE_LAST, TABLES
from storage.stores import LocalStore, Store, parquet_at, store_at

Keep = Callable[[str, str, pa.Table], pa.Table]  # Of a table and date, the rows to be written.


@dataclass(frozen=True, slots=True)
class BatchReport:
    """What one batch came to.

    rows: by table, of what this call committed. files: by their names within the lake, bytes of them all.
    skipped: tables that held the batch already.
    """

    rows: Mapping[str, int]
    bytes: int
    files: tuple[str, ...]
    skipped: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FileInfo:
    """One file of a table as its log states it: enough to leave it unread.

    name: within the table's store. first_ns, last_ns: of receive_ns, inclusive. symbol_lowest, symbol_highest: None
    where no row has a symbol.
    """

    store: Store = field(compare=False, repr=False)
    name: str
    date: str
    rows: int
    size: int
    first_ns: int
    last_ns: int
    symbol_lowest: str | None
    symbol_highest: str | None

    @property
    def path(self) -> Path:
        """Where it stands, absolute; of a lake in a directory."""
        assert isinstance(self.store, LocalStore), "a file of an object store has no path"
        return self.store.path / self.name

    def parquet(self) -> Path | BinaryIO:
        """Return what a reader of Parquet opens: the path, or the file open at its store. Errors: StoreError."""
        return parquet_at(self.store, self.name)

    @property
    def place(self) -> str:
        """Where it stands, for people: a path or an address."""
        return f"{self.store.location}/{self.name}"


class Part(NamedTuple):
    """Rows of some tables that go into files together, and the names that they point into."""

    tables: Mapping[str, Table]
    names: Mapping[str, Names]


class _Present(NamedTuple):
    """The files of a table by name, as of an entry of its log."""

    mark: Mark
    files: dict[str, FileInfo]


class Lake:
    """A lake at a place. One writer at a time calls `write_batch`; any number read `files`."""

    def __init__(self, store: Store, logs: Mapping[str, TableLog | None]) -> None:
        self.store = store
        self._logs = logs
        self._listed: dict[str, int] = {}
        self._present: dict[str, _Present] = {}

    @property
    def path(self) -> Path:
        """Its directory; an object store has none, and nothing that asks for it works on one."""
        assert isinstance(self.store, LocalStore), "a lake in an object store has no path"
        return self.store.path

    @classmethod
    def create_or_open(cls, where: Path | Store, *, united: bool = False) -> "Lake":
        """Return the lake at a place for writing, with every table made that is missing.

        united: with the table that a merge adds.
        Errors: CannotCreate where the directory cannot be made or written; RootUnsafe; LakeNewer; LakeDamaged;
            StoreError of an object store.
        """
        tables = (SIGHTINGS, *TABLES) if united else TABLES
        store = _absolute(where)
        if not isinstance(store, LocalStore):
            with ThreadPoolExecutor(len(tables)) as pool:
                return cls(store, dict(zip(tables, pool.map(lambda name: _made(store, name), tables), strict=True)))
        path = store.path
        if path.exists():
            refuse_unsafe(path)
        if "%" in str(path):  # Measured with 1.6.6, as a path and as a URI: %2e is taken for a dot.
            raise CannotCreate(path, "deltalake misreads a path with % in it", remedy="use a name without one")
        logs = {name: _made(store, name) for name in tables}
        for name in tables:
            if not os.access(path / name, os.W_OK | os.X_OK):
                raise CannotCreate(path / name, "no permission to write")
        return cls(store, logs)

    @classmethod
    def open(cls, where: Path | Store) -> "Lake":
        """Return the lake at a place for reading; a table not made yet counts as empty.

        Errors: LakeMissing where no table is there; LakeNewer; LakeDamaged; OSError of a store.
        """
        store = _absolute(where)
        tables = (SIGHTINGS, *TABLES)
        with ThreadPoolExecutor(len(tables)) as pool:  # An object store is waited for once, not once a table.
            found = pool.map(lambda name: TableLog.open(store.below(name), name), tables)
            logs = dict(zip(tables, found, strict=True))
        if not any(logs.values()):
            raise LakeMissing(store.location)
        return cls(store, logs)

    def last_version(self, app_id: str, table: str = TABLE_LAST) -> int | None:
        """Return the version of the last batch of a writer in a table, by default one that is whole in all; or None."""
        log = self._logs[table]
        return None if log is None else log.last_version(app_id)

    def last_versions(self, app_id: str) -> dict[str, int]:
        """Return the version of the last batch of a writer in each table that has one."""
        asked = {name: log.last_version(app_id) for name, log in self._logs.items() if log is not None}
        return {name: version for name, version in asked.items() if version is not None}

    def write_batch(
        self,
        columns: Columns,
        *,
        label: str,
        version: int,
        app_id: str,
        at_ns: int,
        metadata: Mapping[str, str],
        keep: Keep | None = None,
    ) -> BatchReport:
        """Write one batch and commit it table by table; return once all of it is durable.

        Shapes: label begins the files' names, letters, digits and `-_.`; metadata is kept in each commit of the log.
        keep: which of the rows are written, for a lake of a selection; all of them without it.
        Units: at_ns is taken for the files' modification time.
        Errors: OSError, CommitConflict, CommitContended: write the same batch again; nothing is then there twice.
        """
        rows: dict[str, int] = {}
        files: list[str] = []
        skipped: list[str] = []
        size = 0
        for name, table in columns.tables().items():
            log = self._logs[name]
            assert log is not None, "a lake open for writing has every table"
            if log.holds(app_id, version):
                skipped.append(name)
                continue
            written = [
                write_file(log.store, name, [kept], date=date, label=label)
                for date, of_date in dated_tables(table, columns.names)
                if (kept := of_date if keep is None else keep(name, date, of_date)).num_rows
            ]
            if (written or name == TABLE_LAST) and not log.commit(
                written, app_id=app_id, version=version, at_ns=at_ns, metadata=metadata
            ):
                skipped.append(name)  # Another process was quicker with the same batch.
                continue
            rows[name] = sum(file.rows for file in written)
            size += sum(file.size for file in written)
            files.extend(f"{name}/{file.path}" for file in written)
        return BatchReport(rows, size, tuple(files), tuple(skipped))

    def versions(self) -> dict[str, int]:
        """Return the version of each table's log that `files` listed last."""
        return dict(self._listed)

    def log(self, table: str) -> TableLog | None:
        """Return the log of a table, or None where it is not made yet."""
        return self._logs.get(table)

    def write_parts(
        self, parts: Iterable[Part], *, label: str, version: int, app_id: str, at_ns: int, metadata: Mapping[str, str]
    ) -> BatchReport:
        """Write a batch that is too much for memory, part by part, and commit it table by table as `write_batch` does.

        Nothing of it is to be seen before the last part is written.
        Shapes, units, errors: as of `write_batch`; each part has rows of any table.
        """
        written: dict[str, list[WrittenFile]] = defaultdict(list)
        logs = {name: log for name, log in self._logs.items() if log is not None}
        skipped = [name for name, log in logs.items() if log.holds(app_id, version)]
        for part in parts:
            for name, table in part.tables.items():
                if name not in skipped:
                    written[name] += [
                        write_file(logs[name].store, name, [rows], date=date, label=label)
                        for date, rows in dated_tables(table, part.names)
                    ]
        for name, log in logs.items():
            if name in skipped or not (written[name] or name == TABLE_LAST):
                continue
            if not log.commit(written[name], app_id=app_id, version=version, at_ns=at_ns, metadata=metadata):
                skipped.append(name)
        rows = {name: sum(file.rows for file in written[name]) for name in logs if name not in skipped}
        size = sum(file.size for name in rows for file in written[name])
        names = tuple(f"{name}/{file.path}" for name in rows for file in written[name])
        return BatchReport(rows, size, names, tuple(skipped))

    @property
    def is_united(self) -> bool:
        """Whether a merge made it."""
        return self._logs.get(SIGHTINGS) is not None

    def files(self, table: str, version: int | None = None) -> list[FileInfo]:
        """Return the present files of a table, earliest first, as its log lists them now, or did at a version.

        version: below zero, before the first. Errors: LakeDamaged.
        """
        log = self._logs.get(table)
        if log is None or (version is not None and version < 0):
            return []
        if version is None:
            found = self._kept_up(table, log)
        else:
            listing = log.listing(version)
            self._listed[table] = listing.version
            found = _by_name(log.store, listing.adds)
        return sorted(found.values(), key=lambda file: (file.first_ns, file.name))

    def _kept_up(self, table: str, log: TableLog) -> dict[str, FileInfo]:
        """Return the present files by name, by what was committed since they were listed last where that tells.

        Whoever lists a table once is not made to read its last entry, by which it would be kept up.
        """
        known = self._present.get(table)
        news = None if known is None else later(log.store, known.mark)
        if known is not None and news is not None and news.removed <= known.files.keys():
            files = {name: file for name, file in known.files.items() if name not in news.removed}
            files |= _by_name(log.store, news.added)
            mark: Mark | None = news.mark
        else:
            listing = log.listing()
            files = _by_name(log.store, listing.adds)
            mark = mark_of(log.store, listing.version) if table in self._listed else None
            self._listed[table] = listing.version
        self._present.pop(table, None)
        if mark is not None:
            self._listed[table] = mark.version
            self._present[table] = _Present(mark, files)
        return files


def _by_name(store: Store, adds: Iterable[Mapping[str, Any]]) -> dict[str, FileInfo]:
    found = [file_info(store, add) for add in adds]
    return {file.name: file for file in found}


def _absolute(where: Path | Store) -> Store:
    store = store_at(where)
    return LocalStore(store.path.resolve()) if isinstance(store, LocalStore) else store


def _made(store: Store, name: str) -> TableLog:
    """Return the log of a table of a lake, made where it is missing."""
    table = store.below(name)
    return TableLog.open(table, name) or TableLog.create(table, name)


def file_info(store: Store, add: Mapping[str, Any]) -> FileInfo:
    """Return one add action as a file; a path that leads out of the table is refused."""
    relative = PurePosixPath(add["path"])
    if relative.is_absolute() or ".." in relative.parts:
        raise LakeDamaged(store.location, f"it lists {add['path']!r}, outside the table")
    return FileInfo(
        store=store,
        name=relative.as_posix(),
        date=add["partition.date"],
        rows=add["num_records"],
        size=add["size_bytes"],
        first_ns=add["min.receive_ns"],
        last_ns=add["max.receive_ns"],
        symbol_lowest=add.get("min.symbol"),
        symbol_highest=add.get("max.symbol"),
    )
