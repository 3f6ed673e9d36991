"""What the entries of a table's Delta log tell, by a reading of our own that believes none of them unread.

Layer: storage. Reads entries as they stand in a store; writes nothing and knows no deltalake.
Source: the Delta protocol, "Actions"; design section 5.
Left to others: committing (`storage.commits`), setting aside what is torn (`storage.recovery_lake`), findings
    (`storage.verify`).
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import unquote

from storage.commits import LOG_DIRECTORY
from storage.log_entries import Seal, check_entry
from storage.stores import LocalStore, Store, store_at

READERS: Final = 16  # Of the entries of an object store, each of which takes a round trip.
READ_AHEAD: Final = 256

ENTRY_NAME: Final = re.compile(r"(\d{20})\.json")
CHECKPOINT_NAME: Final = re.compile(r"(\d{20})\.checkpoint\.parquet")


class EntryDamaged(Exception):
    """An entry that is not as it was written; the text says how."""


class Add(NamedTuple):
    """A file as an entry adds it. lowest, highest, nulls: by column, as its statistics state them."""

    path: str
    date: str
    size: int
    rows: int
    lowest: Mapping[str, Any]
    highest: Mapping[str, Any]
    nulls: Mapping[str, int]
    at_ms: int


class Committed(NamedTuple):
    """A writer's transaction: its number, and the end of its batch in ms since the epoch."""

    app_id: str
    version: int
    at_ms: int


class Entry(NamedTuple):
    """One commit."""

    version: int
    adds: tuple[Add, ...]
    removes: tuple[str, ...]
    transactions: tuple[Committed, ...]
    info: Mapping[str, Any]


@dataclass(slots=True)
class LogStory:
    """What all entries together come to.

    live: the present files by path. named: every path that any entry ever named. last: by writer, its last transaction.
    batches: by writer and number, when the batch ended. made_by: the entry that added a file first. adds: every file
    that was ever added. removed_ms: by path, when it was removed last. dropped: dates of which rows were let go of.
    """

    live: dict[str, Add] = field(default_factory=dict)
    named: set[str] = field(default_factory=set)
    last: dict[str, Committed] = field(default_factory=dict)
    batches: dict[tuple[str, int], int] = field(default_factory=dict)
    made_by: dict[str, Entry] = field(default_factory=dict)
    adds: dict[str, Add] = field(default_factory=dict)
    removed_ms: dict[str, int] = field(default_factory=dict)
    dropped: set[str] = field(default_factory=set)

    def take(self, entry: Entry) -> None:
        """Add an entry, in the order of their numbers."""
        for path in entry.removes:
            self.live.pop(path, None)
            self.named.add(path)
            self.removed_ms[path] = max(self.removed_ms.get(path, 0), int(entry.info.get("timestamp") or 0))
        if entry.removes and not entry.adds:
            self.dropped.update(self.adds[path].date for path in entry.removes if path in self.adds)
        for add in entry.adds:
            self.live[add.path] = self.adds[add.path] = add
            self.named.add(add.path)
            self.made_by.setdefault(add.path, entry)
        for done in entry.transactions:
            self.last[done.app_id] = done
            self.batches[done.app_id, done.version] = done.at_ms


def entry_paths(table: Path) -> dict[int, Path]:
    """Return the entries of a table by number, lowest first."""
    return _numbered(table / LOG_DIRECTORY, ENTRY_NAME)


def checkpoint_paths(table: Path) -> dict[int, Path]:
    """Return the checkpoints of a table by number, lowest first."""
    return _numbered(table / LOG_DIRECTORY, CHECKPOINT_NAME)


def _numbered(directory: Path, name: re.Pattern[str]) -> dict[int, Path]:
    found = ((match, path) for path in directory.glob("*") if (match := name.fullmatch(path.name)))
    return dict(sorted((int(match[1]), path) for match, path in found))


def read_entries(table: Path | Store) -> Iterator[tuple[int, str, "Entry | EntryDamaged"]]:
    """Yield each entry of a table with its number and name, lowest first, or what is wrong with it."""
    store = store_at(table)
    found = (it.name.removeprefix(f"{LOG_DIRECTORY}/") for it in store.list(LOG_DIRECTORY))
    names = sorted(name for name in found if ENTRY_NAME.fullmatch(name))
    for name, data in zip(names, _contents(store, names), strict=True):
        version = int(name.partition(".")[0])
        try:
            yield version, name, parse_entry(version, data)
        except EntryDamaged as damage:
            yield version, name, damage


def _contents(store: Store, names: Sequence[str]) -> Iterator[bytes]:
    """Yield what entries of a log hold, each as it is asked for; of an object store some are read ahead together."""
    places = [f"{LOG_DIRECTORY}/{name}" for name in names]
    if isinstance(store, LocalStore):
        yield from map(store.read, places)
        return
    with ThreadPoolExecutor(READERS) as pool:
        for begin in range(0, len(places), READ_AHEAD):
            yield from pool.map(store.read, places[begin : begin + READ_AHEAD])


def read_story(table: Path | Store) -> LogStory:
    """Return what the whole entries of a table come to; damaged ones are passed over."""
    story = LogStory()
    for _, _, entry in read_entries(table):
        if isinstance(entry, Entry):
            story.take(entry)
    return story


def parse_entry(version: int, data: bytes) -> Entry:
    """Return an entry. Errors: EntryDamaged where any byte of it is not as it was written."""
    if not data.strip(b"\0"):
        raise EntryDamaged("no byte in it" if not data else f"{len(data)} bytes, all zero")
    if check_entry(data) is Seal.DAMAGED:
        raise EntryDamaged(f"{len(data)} bytes that do not have the hash that they end in")
    try:
        actions = [json.loads(line) for line in data.decode("utf-8").splitlines() if line]
        adds = tuple(_add(action["add"]) for action in actions if "add" in action)
        removes = tuple(unquote(action["remove"]["path"]) for action in actions if "remove" in action)
        done = tuple(
            Committed(action["txn"]["appId"], action["txn"]["version"], action["txn"].get("lastUpdated") or 0)
            for action in actions
            if "txn" in action
        )
        (info,) = [action["commitInfo"] for action in actions if "commitInfo" in action]
    except (UnicodeDecodeError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise EntryDamaged(f"{len(data)} bytes that are no entry: {error}") from None
    return Entry(version, adds, removes, done, info)


def _add(action: Mapping[str, Any]) -> Add:
    statistics = json.loads(action.get("stats") or "{}")
    return Add(
        unquote(action["path"]),
        action["partitionValues"]["date"],
        action["size"],
        statistics.get("numRecords", 0),
        statistics.get("minValues", {}),
        statistics.get("maxValues", {}),
        statistics.get("nullCount", {}),
        action["modificationTime"],
    )
