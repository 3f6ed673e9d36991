"""What a lake held before: the version of each table's log at a moment, or at a version of the whole.

Layer: storage, above the logs. Reads entries; knows no rows.
Source: design section 5, time travel ("what did we know then"); the Delta protocol: the order of entries is the truth.
Left to others: a past listing's files that have left the disk since (`storage.vacuum`), which the reader then misses.

An entry was known once every entry before it was. So at a moment a table ends before the first entry that was written
later, whatever the entries after that one say of their time: a batch that recovery made belatedly bears the time at
which it should have been there.
"""

from collections.abc import Callable, Iterator
from typing import Final

from storage.commits import LOG_DIRECTORY
from storage.errors import AsOfUnknown, LakeDamaged
from storage.lake import Lake
from storage.log_story import ENTRY_NAME, Entry, EntryDamaged, parse_entry
from storage.schemas import SIGHTINGS, TABLE_LAST, TABLES
from storage.stores import Store

Versions = dict[str, int]  # By table, of its log; -1 before its first entry.
_MS_NS: Final = 1_000_000


def versions_at_time(lake: Lake, at_ns: int) -> Versions:
    """Return the version of each table as of a moment. Errors: LakeDamaged."""
    at_ms = at_ns // _MS_NS
    return {
        table: _before(_entries(lake, table), lambda entry: _time_ms(entry) > at_ms) for table in (*TABLES, SIGHTINGS)
    }


def versions_at(lake: Lake, version: int) -> Versions:
    """Return the version of each table at one of the table that is committed last, which marks a batch as whole.

    Of the other tables these are the batches that it holds, and no later ones. Errors: AsOfUnknown; LakeDamaged.
    """
    marks = list(_entries(lake, TABLE_LAST))
    newest = marks[-1].version if marks else -1
    if not 0 <= version <= newest:
        raise AsOfUnknown(version=version, newest=newest)
    last: dict[str, int] = {}
    for entry in marks[: version + 1]:
        last.update((done.app_id, done.version) for done in entry.transactions)
    versions = {
        table: _before(
            _entries(lake, table),
            lambda entry: any(done.version > last.get(done.app_id, -1) for done in entry.transactions),
        )
        for table in (*TABLES, SIGHTINGS)
    }
    return {**versions, TABLE_LAST: version}


def _before(entries: Iterator[Entry], is_later: Callable[[Entry], bool]) -> int:
    """Return the version before the first entry that is later."""
    known = -1
    for entry in entries:
        if is_later(entry):
            break
        known = entry.version
    return known


def _entries(lake: Lake, table: str) -> Iterator[Entry]:
    """Yield the entries of a table in their order."""
    store = lake.store.below(table)
    for version, name in sorted(_names(store)):
        try:
            yield parse_entry(version, store.read(name))
        except EntryDamaged as damage:
            raise LakeDamaged(store.location, f"log entry {version}: {damage}") from damage


def _names(store: Store) -> Iterator[tuple[int, str]]:
    for stored in store.list(LOG_DIRECTORY):
        match = ENTRY_NAME.fullmatch(stored.name.rpartition("/")[2])
        if match is not None:
            yield int(match[1]), stored.name


def _time_ms(entry: Entry) -> int:
    return int(entry.info.get("timestamp") or 0)
