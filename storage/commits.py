"""Commits to the Delta log of one table: which files belong to it, exactly once, and durable.

Layer: storage. Knows the Delta log and files already written; nothing of rows.
Source: design section 5; the Delta transaction log protocol: entry N+1 is whoever's puts it first, and whoever comes
    second reads it and looks whether its own change still holds.
Left to others: several tables as one batch (`storage.lake`), what an entry says (`storage.log_entries`), a log torn by
    a power cut (`storage.recovery`).

deltalake reads the log, and writes checkpoints of it. Entries are ours, which takes no table: see
docs/decisions/0018-log-entries-are-ours.md. No time is read here.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import pyarrow as pa
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError, TableNotFoundError

from storage.checkpoints import sums, sums_name
from storage.errors import CannotCreate, CommitConflict, CommitContended, LakeDamaged, LakeNewer, StoreError
from storage.files import WrittenFile
from storage.log_entries import VERSION_KEY, EntryFacts, RemovedFile, change, creation, read_entry
from storage.object_errors import as_ours
from storage.schemas import SCHEMA_VERSION
from storage.stores import LocalStore, Store, store_at

CHECKPOINT_COMMITS: Final = 100  # Entries of the log that a reader parses one by one, at most.
COMMIT_TRIES_LIMIT: Final = 1000  # Entries of others that one commit lets pass before it.
LOG_DIRECTORY: Final = "_delta_log"
_PANIC: Final = "PanicException"  # Of Rust, which derives from BaseException, and has no module to be imported from.
LAST_CHECKPOINT: Final = f"{LOG_DIRECTORY}/_last_checkpoint"


class Listing(NamedTuple):
    """The present files of a table, and the version of its log that lists them; add actions as deltalake names them."""

    version: int
    adds: list[dict[str, Any]]


class TableLog:
    """The Delta log of one table of the lake. Commit with `commit`; read with `listing`.

    Any number of processes may commit to it at a time, each through an object of its own; an object is not to be
    shared between threads. It keeps two numbers: the last entry that it knows of, and the last batch of its writer.
    """

    def __init__(self, store: Store, name: str, version: int, table: DeltaTable | None = None) -> None:
        self.store, self.name = store, name
        self.place = store.location
        self._version = version
        self._table = table  # Until it is first asked for something: a table that is kept grows with each commit.
        self._last: dict[str, int | None] = {}  # By writer, of those that were asked for.

    @classmethod
    def create(cls, where: Path | Store, name: str) -> "TableLog":
        """Make the table, empty, and return its log once it is durable; where another was quicker, that one's.

        Errors: CannotCreate where the file system refuses.
        """
        store = store_at(where)
        try:
            store.put_new(entry_name(0), creation(name))
        except StoreError:
            raise
        except OSError as error:
            raise CannotCreate(store.location, _first_line(error)) from error
        return cls(store, name, 0)

    @classmethod
    def open(cls, where: Path | Store, name: str) -> "TableLog | None":
        """Return the log of the table at a place, or None where there is none.

        Errors: LakeNewer; LakeDamaged where the log cannot be read; StoreError of an object store.
        """
        store = store_at(where)
        if next(store.list(LOG_DIRECTORY), None) is None:
            return None
        try:
            table = _loaded(store)
            version = int(table.metadata().configuration.get(VERSION_KEY, SCHEMA_VERSION))
        except TableNotFoundError:
            return None  # Killed between making the directory and the first entry.
        except (OSError, ValueError, DeltaError) as error:
            raise _unreadable(store, error) from error
        if version > SCHEMA_VERSION:
            raise LakeNewer(store.location, expected=SCHEMA_VERSION, received=version)
        return cls(store, name, table.version(), table)

    @property
    def known_version(self) -> int:
        """The last entry that it knows of."""
        return self._version

    def last_version(self, app_id: str) -> int | None:
        """Return the version that a writer committed last, or None."""
        return self._opened().transaction_version(app_id)

    def holds(self, app_id: str, version: int) -> bool:
        """Return whether a writer's batch, or one after it, is committed already."""
        if app_id not in self._last:
            self._last[app_id] = self.last_version(app_id)
        last = self._last[app_id]
        return last is not None and version <= last

    def present_version(self) -> int:
        """Return the number of the last entry, whoever's."""
        return self._opened().version()

    def listing(self, version: int | None = None) -> Listing:
        """Return the table's present files; what is removed of them is to be committed as of their version.

        version: of the log, to see the files that were present then. Errors: LakeDamaged where it cannot be read.
        """
        table = self._opened() if version is None else self._at(version)
        return Listing(table.version(), pa.table(table.get_add_actions(flatten=True)).to_pylist())

    def commit(
        self,
        files: Sequence[WrittenFile],
        *,
        removes: Sequence[RemovedFile] = (),
        as_of: int | None = None,
        alone_on: str | None = None,
        app_id: str | None = None,
        version: int | None = None,
        at_ns: int,
        metadata: Mapping[str, str],
        data_change: bool = True,
    ) -> bool:
        """Add files to the table and remove others in one atomic step, or mark a batch that has none here.

        Shapes: files as `storage.files.write_file` returned them, in this table's store; removes as listed, and then
            as_of is the version of that listing. alone_on: a date to which nobody may have added or removed a file
            since that listing. app_id and version: the writer and its batch; without them the change is nobody's batch.
        Units: at_ns is what readers see as the files' modification time, in whole milliseconds.
        data_change: False where the rows stay the same.
        Returns: True once it is durable; False, and nothing done, where the table holds the batch already.
        Errors: CommitConflict where a file to be removed is gone, the date or the table itself was changed;
            CommitContended; LakeDamaged; OSError, after which the entry may be there or not: commit the same again.
        """
        assert (bool(removes) or alone_on is not None) == (as_of is not None), "what is removed is so as of a listing"
        transaction = None
        if app_id is not None:
            assert version is not None, "a writer numbers its batches"
            if self.holds(app_id, version):
                return False
            transaction = (app_id, version)
        entry = change(files, removes, transaction=transaction, at_ns=at_ns, metadata=metadata, data_change=data_change)
        removed = {file.path for file in removes}
        number = (self._version if as_of is None else as_of) + 1
        for _ in range(COMMIT_TRIES_LIMIT):
            if number > self._version and self.store.put_new(entry_name(number), entry):
                self._took_in(number, {} if transaction is None else dict([transaction]))
                if number % CHECKPOINT_COMMITS == 0:
                    self.checkpoint(number)
                return True
            facts = self._entry_of_another(number)
            self._took_in(number, facts.transactions)
            if transaction is not None and facts.transactions.get(transaction[0], -1) >= transaction[1]:
                self.store.sync(entry_name(number))  # It may be our own, whose sync failed.
                return False
            if facts.describes:
                raise CommitConflict(self.place, entry=number, what="the table itself was changed")
            if alone_on in facts.dates:
                raise CommitConflict(self.place, entry=number, what=f"files of {alone_on} were changed")
            if not removed.isdisjoint(facts.removed):
                raise CommitConflict(self.place, entry=number, what="a file to be removed is gone already")
            number += 1
        raise CommitContended(self.place, tries=COMMIT_TRIES_LIMIT)

    def _entry_of_another(self, number: int) -> EntryFacts:
        try:
            return read_entry(self.store.read(entry_name(number)))
        except ValueError as error:
            raise LakeDamaged(self.place, f"log entry {number}: {_first_line(error)}") from error

    def _took_in(self, number: int, transactions: Mapping[str, int]) -> None:
        """Know of an entry, and of the writers in it that were asked for."""
        self._version = max(self._version, number)
        for app_id, version in transactions.items():
            if app_id in self._last:
                self._last[app_id] = max(self._last[app_id] or 0, version)

    def checkpoint(self, number: int) -> None:
        """Make a checkpoint of a version, durable; entries stay, they tell what was known at any moment."""
        try:
            _loaded(self.store, number).create_checkpoint()
        except (OSError, ValueError, DeltaError) as error:
            if self.store.options is None:
                raise
            raise _unreadable(self.store, error) from error
        made = f"{LOG_DIRECTORY}/{number:020}.checkpoint.parquet"
        self.store.sync(made, LAST_CHECKPOINT)
        self.store.put_new(
            f"{LOG_DIRECTORY}/{sums_name(number)}", sums(self.store.read(made), self.store.read(LAST_CHECKPOINT))
        )

    def _at(self, version: int) -> DeltaTable:
        try:
            return _loaded(self.store, version)
        except (OSError, ValueError, DeltaError) as error:
            raise LakeDamaged(self.store.location, f"version {version} unreadable, {_first_line(error)}") from error

    def _is_newest(self, version: int) -> bool:
        """Return whether no entry follows a version, where that is asked for less than deltalake asks for."""
        store = self.store
        return isinstance(store, LocalStore) and not (store.path / entry_name(version + 1)).exists()

    def _opened(self) -> DeltaTable:
        """Return the table as it stands now; the caller lets go of it."""
        table, self._table = self._table, None
        try:
            if table is None:
                return _loaded(self.store)
            if not self._is_newest(table.version()):
                table.update_incremental()
        except (OSError, DeltaError) as error:
            if self.store.options is None:
                raise
            raise _unreadable(self.store, error) from error
        return table


def _loaded(store: Store, version: int | None = None) -> DeltaTable:
    """Return a table as deltalake reads it. Errors: DeltaError, OSError, ValueError."""
    try:
        return DeltaTable(store.location, version=version, storage_options=store.options)
    except BaseException as error:
        if type(error).__name__ != _PANIC:
            raise
        # A checkpoint in which a bit was flipped may be more than its Parquet reader takes; it goes on afterwards.
        raise DeltaError(f"deltalake gave up reading the log: {_first_line(error)}") from error


def entry_name(version: int) -> str:
    """Return the name of an entry of the log."""
    return f"{LOG_DIRECTORY}/{version:020}.json"


def _unreadable(store: Store, error: Exception) -> Exception:
    """Return what it means that deltalake cannot read a log: the store is in the way, or the log is damaged."""
    if store.options is not None and "S3 error" in str(error):
        return as_ours(store.location, error)
    return LakeDamaged(store.location, f"Delta log unreadable, {_first_line(error)}")


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
