"""Present files of a table kept from one listing to the next: what was committed since is read, not the whole log.

Layer: storage, between the log and the lake. Reads entries; knows no rows and no deltalake.
Source: the Delta protocol: entries follow each other by number, and what is present is what they add and do not remove.
Left to others: the first listing, and each that cannot be told from our own entries alone (`storage.commits`).

An entry that was taken in last is looked at again before the one after it: where it is not what it was, the lake is
another one at the same place, or its log was cut short, and nothing that is known of it holds.
"""

import hashlib
from collections.abc import Mapping
from typing import Any, NamedTuple

from storage.commits import entry_name
from storage.log_entries import Seal, check_entry, read_entry
from storage.log_story import Add, EntryDamaged, parse_entry
from storage.stores import Store


class Mark(NamedTuple):
    """The entry that was taken in last: its number, and the SHA-256 of its bytes."""

    version: int
    digest: bytes


class Later(NamedTuple):
    """What entries after a mark come to: paths that are gone, and files that are there, in words of a listing."""

    mark: Mark
    removed: frozenset[str]
    added: list[Mapping[str, Any]]


def mark_of(store: Store, version: int) -> Mark | None:
    """Return the mark of an entry, or None where it cannot be read."""
    entry = _read(store, version)
    return None if entry is None else Mark(version, hashlib.sha256(entry).digest())


def later(store: Store, mark: Mark) -> Later | None:
    """Return what was committed since, or None where a listing has to tell. Errors: OSError."""
    if mark_of(store, mark.version) != mark:
        return None
    removed: set[str] = set()
    added: dict[str, Mapping[str, Any]] = {}
    while (data := _read(store, mark.version + 1)) is not None:
        if check_entry(data) is not Seal.INTACT or read_entry(data).describes:
            return None  # Damaged, deltalake's own, or of the table itself.
        try:
            entry = parse_entry(mark.version + 1, data)
        except EntryDamaged:
            return None
        for path in entry.removes:
            if added.pop(path, None) is None:
                removed.add(path)
        for add in entry.adds:
            added[add.path] = _as_listed(add)
        mark = Mark(entry.version, hashlib.sha256(data).digest())
    return Later(mark, frozenset(removed), list(added.values()))


def _read(store: Store, version: int) -> bytes | None:
    try:
        return store.read(entry_name(version))
    except FileNotFoundError:
        return None


def _as_listed(add: Add) -> dict[str, Any]:
    bounds = {f"min.{column}": value for column, value in add.lowest.items()}
    bounds |= {f"max.{column}": value for column, value in add.highest.items()}
    return {
        "path": add.path,
        "partition.date": add.date,
        "num_records": add.rows,
        "size_bytes": add.size,
        **bounds,
    }
