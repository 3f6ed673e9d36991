"""Commits to the Delta log of one table: which files belong to it, exactly once, and durable.

Layer: storage. Knows the Delta log and files already written; nothing of rows.
Source: design section 5. deltalake writes the log and does not sync it; the order of the two is ours.
Left to others: several tables as one batch (`storage.lake`), a log entry torn by a power cut (`storage.recovery`).

A DeltaTable that is kept and updated grows with each commit, without end; so a table is opened for what is to be done
and let go after it: docs/decisions/0008-a-table-is-not-kept.md.

No time is read here: a file's modification time is the caller's. Only `timestamp` in commitInfo is deltalake's own.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, PostCommitHookProperties, Transaction
from deltalake import Schema as DeltaSchema
from deltalake.exceptions import DeltaError, TableNotFoundError
from deltalake.transaction import AddAction

from storage.errors import CannotCreate, LakeDamaged, LakeNewer
from storage.files import WrittenFile, ensure_directory, sync_directory, sync_file
from storage.schemas import PARTITION_COLUMN, SCHEMA_VERSION, delta_schema

VERSION_KEY: Final = "fixtape.schemaVersion"
CHECKPOINT_COMMITS: Final = 100  # Entries of the log that a reader parses one by one, at most.
LOG_DIRECTORY: Final = "_delta_log"

_MS_NS: Final = 1_000_000
_LAST_CHECKPOINT: Final = "_last_checkpoint"
# Checkpoints are ours to sync, so ours to make. Log entries stay: they tell what was known at any past moment.
_NO_HOOKS: Final = PostCommitHookProperties(create_checkpoint=False, cleanup_expired_logs=False)


class TableLog:
    """The Delta log of one table of the lake. Commit with `commit`; read with `adds`.

    One writer at a time holds it; readers may come and go. Its object is not to be shared between threads.
    """

    def __init__(self, path: Path, name: str, table: DeltaTable) -> None:
        self.path, self.name = path, name
        self._table: DeltaTable | None = table  # Until it is first asked for something.
        self._last: dict[str, int | None] = {}  # By writer, for `holds`; absent where the log must be asked.

    @classmethod
    def create(cls, path: Path, name: str) -> "TableLog":
        """Make the table, empty, and return its log once it is durable.

        Errors: CannotCreate where the file system refuses.
        """
        log_path = path / LOG_DIRECTORY
        try:
            ensure_directory(log_path)
            table = DeltaTable.create(
                path,
                DeltaSchema.from_arrow(delta_schema(name)),
                mode="error",
                partition_by=[PARTITION_COLUMN],
                name=name,
                configuration={VERSION_KEY: str(SCHEMA_VERSION)},
                raise_if_key_not_exists=False,  # deltalake takes a key of another's only so.
                post_commithook_properties=_NO_HOOKS,
            )
            sync_file(_entry(log_path, 0))
            sync_directory(log_path)
        except (OSError, DeltaError) as error:
            raise CannotCreate(path, _first_line(error)) from error
        return cls(path, name, table)

    @classmethod
    def open(cls, path: Path, name: str) -> "TableLog | None":
        """Return the log of the table at a path, or None where there is none.

        Errors: LakeNewer; LakeDamaged where the log cannot be read.
        """
        if not (path / LOG_DIRECTORY).is_dir():
            return None
        try:
            table = DeltaTable(path)
            version = int(table.metadata().configuration.get(VERSION_KEY, SCHEMA_VERSION))
        except TableNotFoundError:
            return None  # Killed between making the directory and the first entry.
        except (OSError, ValueError, DeltaError) as error:
            raise LakeDamaged(path, f"Delta log unreadable, {_first_line(error)}") from error
        if version > SCHEMA_VERSION:
            raise LakeNewer(path, expected=SCHEMA_VERSION, received=version)
        return cls(path, name, table)

    def last_version(self, app_id: str) -> int | None:
        """Return the version that a writer committed last, or None."""
        return self._opened().transaction_version(app_id)

    def holds(self, app_id: str, version: int) -> bool:
        """Return whether a writer's batch, or one after it, is committed already."""
        if app_id not in self._last:
            self._last[app_id] = self.last_version(app_id)
        last = self._last[app_id]
        return last is not None and version <= last

    def commit(
        self, files: Sequence[WrittenFile], *, app_id: str, version: int, at_ns: int, metadata: Mapping[str, str]
    ) -> bool:
        """Make files part of the table in one atomic step, or mark a batch that has none here.

        Shapes: files as `storage.files.write_file` returned them, under this table's path.
        Units: at_ns is what readers see as the files' modification time, in whole milliseconds.
        Returns: True once it is durable; False, and nothing done, where the table holds the batch already.
        Errors: OSError, DeltaError; the entry may then be there or not, so open the table anew and ask `holds`.
        """
        if self.holds(app_id, version):
            return False
        del self._last[app_id]
        table = self._opened()
        table.create_write_transaction(
            [_add_action(file, at_ns) for file in files],
            mode="append",
            schema=table.schema(),
            partition_by=[PARTITION_COLUMN],
            commit_properties=CommitProperties(
                custom_metadata=dict(metadata), app_transactions=[Transaction(app_id, version, at_ns // _MS_NS)]
            ),
            post_commithook_properties=_NO_HOOKS,
        )
        self._sync(table.version() + 1)
        self._last[app_id] = version
        return True

    def _sync(self, first: int) -> None:
        """Make the log durable from an entry on, and every so often a checkpoint of it."""
        log_path = self.path / LOG_DIRECTORY
        last = first - 1
        while (entry := _entry(log_path, last + 1)).exists():
            sync_file(entry)
            last += 1
        sync_directory(log_path)
        if (first - 1) // CHECKPOINT_COMMITS == last // CHECKPOINT_COMMITS:
            return
        self._opened().create_checkpoint()
        sync_file(log_path / f"{last:020}.checkpoint.parquet")
        sync_file(log_path / _LAST_CHECKPOINT)
        sync_directory(log_path)

    def adds(self) -> list[dict[str, Any]]:
        """Return the add actions of the table's present files, flat, as deltalake names them."""
        return pa.table(self._opened().get_add_actions(flatten=True)).to_pylist()  # type: ignore[no-any-return]

    def _opened(self) -> DeltaTable:
        """Return the table as it stands now; the caller lets go of it."""
        table, self._table = self._table, None
        if table is None:
            return DeltaTable(self.path)
        table.update_incremental()
        return table


def _entry(log_path: Path, version: int) -> Path:
    return log_path / f"{version:020}.json"


def _add_action(file: WrittenFile, at_ns: int) -> AddAction:
    """Return the action that adds a file, with the statistics by which readers skip it."""
    known = {column: extent for column, extent in file.ranges.items() if extent.lowest is not None}
    statistics = {
        "numRecords": file.rows,
        "minValues": {column: extent.lowest for column, extent in known.items()},
        "maxValues": {column: extent.highest for column, extent in known.items()},
        "nullCount": dict(file.null_counts),
    }
    return AddAction(
        path=file.path,
        size=file.size,
        partition_values={PARTITION_COLUMN: file.date},
        modification_time=at_ns // _MS_NS,
        data_change=True,
        stats=json.dumps(statistics, separators=(",", ":"), ensure_ascii=False),
    )


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
