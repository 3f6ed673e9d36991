"""Entries of a Delta log as bytes: the same actions give the same bytes, and every flipped bit of one is found.

Layer: storage, below commits. Pure: no file, no clock.
Source: the Delta transaction log protocol, "Actions"; an entry is one JSON action a line.
Left to others: where entries are put, and in which order (`storage.commits`).

The last line is commitInfo and ends in `fixtape.sha256`, the hash of every byte before that field. What comes after it
is constant, so an entry is whole if and only if its end is the one that its beginning calls for: no bit of it is
outside. Readers of Delta pass over a field of commitInfo that they do not know.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, NamedTuple
from urllib.parse import unquote
from uuid import UUID, uuid5

from deltalake import Schema as DeltaSchema

from storage.files import WrittenFile
from storage.schemas import PARTITION_COLUMN, SCHEMA_VERSION, delta_schema

VERSION_KEY: Final = "fixtape.schemaVersion"
SOFTWARE_KEY: Final = "fixtape.software"  # Of the metadata of a commit.
HASH_KEY: Final = "fixtape.sha256"

_MS_NS: Final = 1_000_000
_TABLES_NAMESPACE: Final = UUID("6f9e7a35-8c51-5c0e-9a52-3d2f4e1b7c80")  # Any fixed one: a table's id follows its name.
_READER_VERSION, _WRITER_VERSION = 1, 2  # The oldest that know all we use, so that every reader takes part.
_SEAL: Final = b',"%s":"%s"}}\n'
_SEAL_BYTES: Final = len(_SEAL % (HASH_KEY.encode(), b"0" * 64))
_FOREIGN: Final = b'"engineInfo":"delta-rs:'  # What deltalake says in entries of its own.
_OWN_FIELDS: Final = ("timestamp", "operation", "operationParameters", "engineInfo", HASH_KEY)


class RemovedFile(NamedTuple):
    """A file that is taken out of a table, as its log lists it."""

    path: str
    date: str
    size: int


class Seal(Enum):
    """What the bytes of an entry say about themselves."""

    INTACT = "as it was written"
    FOREIGN = "written by deltalake, without a hash"
    DAMAGED = "not as it was written"


@dataclass(frozen=True, slots=True)
class EntryFacts:
    """What another writer must know of an entry.

    transactions: the version that each writer reached with it. removed: paths. dates: of the files that it adds or
    removes. describes: whether it changes the table itself, its schema or its protocol.
    """

    transactions: Mapping[str, int]
    removed: frozenset[str]
    dates: frozenset[str]
    describes: bool


def creation(table: str) -> bytes:
    """Return the first entry of a table: what it is, its schema and whose version that is.

    No time is in it: a lake that is made again has the same log.
    """
    protocol = {"minReaderVersion": _READER_VERSION, "minWriterVersion": _WRITER_VERSION}
    description = {
        "id": str(uuid5(_TABLES_NAMESPACE, table)),
        "name": table,
        "format": {"provider": "parquet", "options": {}},
        "schemaString": DeltaSchema.from_arrow(delta_schema(table)).to_json(),
        "partitionColumns": [PARTITION_COLUMN],
        "configuration": {VERSION_KEY: str(SCHEMA_VERSION)},
    }
    return _sealed([{"protocol": protocol}, {"metaData": description}], "CREATE TABLE", at_ns=0, metadata={})


def change(
    added: Sequence[WrittenFile],
    removed: Sequence[RemovedFile],
    *,
    transaction: tuple[str, int] | None,
    at_ns: int,
    metadata: Mapping[str, str],
    data_change: bool,
) -> bytes:
    """Return an entry that adds and removes files in one step, and marks a writer's version as there.

    Units: at_ns, in whole milliseconds, is the time of the change, of the files and of their removal.
    data_change: False where the rows stay the same and just stand in other files.
    """
    actions: list[dict[str, Any]] = []
    if transaction is not None:
        app_id, version = transaction
        actions.append({"txn": {"appId": app_id, "version": version, "lastUpdated": at_ns // _MS_NS}})
    actions += [{"add": _add(file, at_ns, data_change=data_change)} for file in added]
    actions += [{"remove": _remove(file, at_ns, data_change=data_change)} for file in removed]
    operation = "WRITE" if not removed else "OPTIMIZE" if added else "DELETE"
    return _sealed(actions, operation, at_ns=at_ns, metadata=metadata)


def check_entry(entry: bytes) -> Seal:
    """Return whether an entry is as it was written; one of deltalake's cannot tell.

    Any flipped bit of an entry of ours, and any cut, gives DAMAGED.
    """
    body, end = entry[:-_SEAL_BYTES], entry[-_SEAL_BYTES:]
    if end == _seal(body):
        return Seal.INTACT
    return Seal.FOREIGN if _FOREIGN in entry and HASH_KEY.encode() not in entry else Seal.DAMAGED


def read_entry(entry: bytes) -> EntryFacts:
    """Return what an entry says, whoever wrote it. Errors: ValueError where it is damaged."""
    if check_entry(entry) is Seal.DAMAGED:
        raise ValueError("the entry is not as it was written")
    actions = [json.loads(line) for line in entry.splitlines()]
    removed = [remove["path"] for remove in _of_kind(actions, "remove")]
    added = [add["path"] for add in _of_kind(actions, "add")]
    return EntryFacts(
        transactions={txn["appId"]: txn["version"] for txn in _of_kind(actions, "txn")},
        removed=frozenset(removed),
        dates=frozenset(date_of_path(path) for path in (*added, *removed)),
        describes=any(action.keys() & {"metaData", "protocol"} for action in actions),
    )


def date_of_path(path: str) -> str:
    """Return the date that a file's path in its table begins with."""
    return unquote(path).partition("/")[0].removeprefix(f"{PARTITION_COLUMN}=")


def _of_kind(actions: Iterable[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [action[kind] for action in actions if kind in action]


def _sealed(actions: Sequence[dict[str, Any]], operation: str, *, at_ns: int, metadata: Mapping[str, str]) -> bytes:
    """Return actions and commitInfo as an entry that ends in its hash."""
    assert not metadata.keys() & set(_OWN_FIELDS), "metadata does not replace what commitInfo is for"
    info = {
        "timestamp": at_ns // _MS_NS,
        "operation": operation,
        "operationParameters": {"mode": "Append"} if operation == "WRITE" else {},
        "engineInfo": metadata.get(SOFTWARE_KEY, "fixtape"),
        **metadata,
    }
    lines = [*actions, {"commitInfo": info}]
    body = b"\n".join(_json(line) for line in lines).removesuffix(b"}}")
    return body + _seal(body)


def _seal(body: bytes) -> bytes:
    return _SEAL % (HASH_KEY.encode(), hashlib.sha256(body).hexdigest().encode())


def _add(file: WrittenFile, at_ns: int, *, data_change: bool) -> dict[str, Any]:
    """Return the action that adds a file, with the statistics by which readers skip it."""
    known = {column: extent for column, extent in file.ranges.items() if extent.lowest is not None}
    statistics = {
        "numRecords": file.rows,
        "minValues": {column: extent.lowest for column, extent in known.items()},
        "maxValues": {column: extent.highest for column, extent in known.items()},
        "nullCount": dict(file.null_counts),
    }
    return {
        "path": file.path,
        "partitionValues": {PARTITION_COLUMN: file.date},
        "size": file.size,
        "modificationTime": at_ns // _MS_NS,
        "dataChange": data_change,
        "stats": _json(statistics).decode(),
    }


def _remove(file: RemovedFile, at_ns: int, *, data_change: bool) -> dict[str, Any]:
    """Return the action that removes a file from the table, not from the disk."""
    return {
        "path": file.path,
        "deletionTimestamp": at_ns // _MS_NS,
        "dataChange": data_change,
        "extendedFileMetadata": True,
        "partitionValues": {PARTITION_COLUMN: file.date},
        "size": file.size,
    }


def _json(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
