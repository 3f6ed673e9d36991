"""Sealed days of a lake copied into another place, each file read again there, each day one commit a table.

Layer: storage, above lakes, logs and stores. The time of the commits is an argument.
Source: docs/decisions/0025-object-stores.md; design section 5, "a lake can be copied".
Left to others: which dates are sealed (`storage.sealed`), segments (`storage.push_journal`), printing (`push_cli`).

The files of a date are compared by name, and a name is content: what the target lacks is copied, what the source no
longer lists is taken out of the target's log in the same commit, so rows are never there twice. A file is listed only
once it was read back and hashes to its name. Stopped at any moment, a push goes on when it is called again: what is
listed is left alone, what was copied and not listed is read again. Nothing in the target is ever deleted.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Final

from storage.commits import TableLog
from storage.errors import CommitConflict, LakeMissing, PushRefused
from storage.files import HASH_DIGITS, STATISTICS_COLUMNS, Range, WrittenFile, digits_of_name
from storage.lake import Lake, file_info
from storage.log_entries import SOFTWARE_KEY, RemovedFile, date_of_path
from storage.log_story import read_story
from storage.schemas import SCHEMAS, SIGHTINGS, TABLES
from storage.stores import Store

COPY_BYTES: Final = 4 << 20
COPIES: Final = 4  # Files copied at a time.
PUSH_TRIES_LIMIT: Final = 5  # Of a day of a table that others change at the same time.
PUSH_KEY: Final = "fixtape.push"  # Of the metadata of a commit: which push made it.

Adds = Mapping[str, Mapping[str, Any]]  # Add actions by path.


@dataclass(frozen=True, slots=True)
class PushedDay:
    """What became of one date of one table.

    copied, bytes: files sent, and read again. found: files that an earlier push had sent, read again.
    listed: files that the target now has in its log for it, rows: of them. removed: files taken out of its log.
    faults: why nothing was committed; empty where all is well.
    """

    date: str
    table: str
    copied: int = 0
    bytes: int = 0
    found: int = 0
    listed: int = 0
    rows: int = 0
    removed: int = 0
    faults: tuple[str, ...] = ()


@dataclass(slots=True)
class _Side:
    """A table of one of both lakes: its log, the files it lists by date, and as of which version."""

    log: TableLog | None
    as_of: int = -1
    dates: dict[str, dict[str, Mapping[str, Any]]] = field(default_factory=dict)

    def load(self) -> None:
        """List the files anew."""
        self.dates = {}
        if self.log is None:
            return
        self.as_of, adds = self.log.listing()
        for add in adds:
            file_info(self.log.store, add)  # Refuses a path that leads out of the table.
            self.dates.setdefault(date_of_path(add["path"]), {})[add["path"]] = add

    def refresh(self) -> bool:
        """List the files anew if there is a later version; return whether there was."""
        if self.log is None or self.log.present_version() == self.as_of:
            return False
        self.load()
        return True

    def of(self, date: str) -> Adds:
        """Return the files of a date."""
        return self.dates.get(date, {})


@dataclass(frozen=True, slots=True)
class _Copied:
    """One file in the target. sha256: of its content; fault: what is wrong, empty where nothing is."""

    add: Mapping[str, Any]
    sha256: str = ""
    sent: bool = False
    fault: str = ""


class Push:
    """One push of a lake into a place. software, name: noted in each commit; a name is one push's alone.

    at_ns: taken for the time of the commits. again: what an earlier push listed is read again too, and sent anew where
    it is damaged. progress: told of bytes as they are sent.
    """

    def __init__(
        self,
        source: Lake,
        target: Store,
        *,
        software: str,
        name: str,
        at_ns: int,
        dry_run: bool = False,
        again: bool = False,
        copies: int = COPIES,
        progress: Callable[[int], None] = lambda _: None,
    ) -> None:
        """List both sides. Errors: LakeNewer, LakeDamaged, OSError of a store."""
        self._source, self._target, self._at_ns, self._dry_run = source, target, at_ns, dry_run
        self._metadata = {SOFTWARE_KEY: software, PUSH_KEY: name}
        self._again, self._copies, self._progress = again and not dry_run, copies, progress
        self._named: dict[str, set[str]] = {}  # By table, every file that the source ever had.
        try:
            there: Lake | None = Lake.open(target)
        except LakeMissing:
            there = None
        tables = TABLES if source.log(SIGHTINGS) is None else (SIGHTINGS, *TABLES)
        self._from = {table: _Side(source.log(table)) for table in tables}
        self._to = {table: _Side(None if there is None else there.log(table)) for table in tables}
        with ThreadPoolExecutor(len(TABLES)) as pool:
            list(pool.map(_Side.load, [*self._from.values(), *self._to.values()]))

    def dates(self) -> list[str]:
        """Return every date that the source has a file of, earliest first."""
        return sorted({date for side in self._from.values() for date in side.dates})

    def run(self, dates: Iterable[str]) -> Iterator[PushedDay]:
        """Push dates, table by table, and yield each that was not there as it is.

        Errors: PushRefused where the target has files of another tape; CommitConflict where others push the same date
        again and again; CannotCreate; OSError of a store.
        """
        for date in dates:
            self._make_tables()
            for table in self._from:
                found = self._push(date, table)
                if found is not None:
                    yield found

    def _make_tables(self) -> None:
        """Make the tables that the target lacks, all of them: it is a lake whatever day is pushed."""
        for table, side in self._to.items():
            if side.log is None and not self._dry_run:
                side.log = TableLog.create(self._target.below(table), table)
                side.load()

    def _push(self, date: str, table: str) -> PushedDay | None:
        for tries_left in reversed(range(PUSH_TRIES_LIMIT)):
            try:
                return self._push_once(date, table)
            except CommitConflict:
                if not tries_left:
                    raise
                self._from[table].refresh()
                self._to[table].load()
                self._named.pop(table, None)
        raise AssertionError("the last try returns or raises")

    def _push_once(self, date: str, table: str) -> PushedDay | None:
        side = self._to[table]
        wanted, held = self._from[table].of(date), side.of(date)
        if wanted and not held.keys() <= wanted.keys() and self._from[table].refresh():
            wanted = self._from[table].of(date)  # Nothing is taken out by a list that is out of date itself.
        lacking = [add for path, add in wanted.items() if path not in held]
        removed = [add for path, add in held.items() if path not in wanted] if wanted else []
        kept = [add for path, add in wanted.items() if path in held] if self._again else []
        if not lacking and not removed and not kept:
            return None
        self._refuse_strangers(table, removed)
        counts = {"listed": len(wanted), "rows": sum(add["num_records"] for add in wanted.values())}
        sizes = sum(add["size_bytes"] for add in lacking)
        if self._dry_run:
            return PushedDay(date, table, copied=len(lacking), bytes=sizes, removed=len(removed), **counts)
        copied = self._copy(date, table, [*lacking, *kept])
        sent = [it for it in copied if it.sent]
        done = {"copied": len(sent), "bytes": sum(it.add["size_bytes"] for it in sent)}
        faults = tuple(f"{table}/{it.add['path']}: {it.fault}" for it in copied if it.fault)
        if faults:
            return PushedDay(date, table, listed=len(held), faults=faults, **done)
        done["found"] = len(copied) - len(sent)
        if not lacking and not removed:
            return PushedDay(date, table, **done, **counts)
        assert side.log is not None, "its tables were made"
        side.log.commit(
            [_written(table, it) for it in copied if it.add["path"] not in held],
            removes=[RemovedFile(add["path"], date, add["size_bytes"]) for add in removed],
            as_of=side.as_of,
            alone_on=date,
            at_ns=self._at_ns,
            metadata=self._metadata,
        )
        if side.log.known_version == side.as_of + 1:
            side.as_of += 1  # Nobody came between, so the list of the other dates still holds.
            side.dates[date] = dict(wanted)
        else:
            side.load()
        return PushedDay(date, table, removed=len(removed), **done, **counts)

    def _refuse_strangers(self, table: str, removed: Sequence[Mapping[str, Any]]) -> None:
        """Raise if a file that is to give way was never one of the source. Errors: PushRefused."""
        if removed:
            if table not in self._named:
                self._named[table] = read_story(self._source.store.below(table)).named
            strange = sorted(add["path"] for add in removed if add["path"] not in self._named[table])
            if strange:
                raise PushRefused(self._target.below(table).location, files=len(strange), first=strange[0])

    def _copy(self, date: str, table: str, adds: Sequence[Mapping[str, Any]]) -> list[_Copied]:
        log = self._from[table].log
        assert log is not None, "a table that lists files has a log"
        source, target = log.store, self._target.below(table)
        present = {it.name: it.size for it in target.list(f"date={date}")}

        def one(add: Mapping[str, Any]) -> _Copied:
            return _copied(source, target, add, there=present.get(add["path"]), progress=self._progress)

        if self._copies == 1:
            return [one(add) for add in adds]
        with ThreadPoolExecutor(self._copies) as pool:
            return list(pool.map(one, adds))


def _copied(
    source: Store, target: Store, add: Mapping[str, Any], *, there: int | None, progress: Callable[[int], None]
) -> _Copied:
    """Bring one file into the target and read it again. there: its size where it stands there already."""
    path, size = add["path"], add["size_bytes"]
    expected = digits_of_name(path)
    if there == size:
        sha256 = target.sha256(path)
        if sha256[:HASH_DIGITS] == expected:
            return _Copied(add, sha256)
    directory, _, name = path.rpartition("/")
    hashed = hashlib.sha256()
    try:
        with source.open(path) as file, target.stage(directory, name) as staged:
            while data := file.read(COPY_BYTES):
                hashed.update(data)
                staged.write(data)
                progress(len(data))
            sha256 = hashed.hexdigest()
            if sha256[:HASH_DIGITS] != expected:
                return _Copied(add, fault=f"expected SHA-256 {expected}, received {sha256[:HASH_DIGITS]}; not sent")
            staged.publish(path)
    except FileNotFoundError:
        return _Copied(add, fault="the log names it, and it is not there")
    received = target.sha256(path)
    if received != sha256:
        return _Copied(add, sent=True, fault=f"sent with SHA-256 {sha256}, read again with {received}; push again")
    return _Copied(add, sha256, sent=True)


def _written(table: str, copied: _Copied) -> WrittenFile:
    """Return a file as its entry in the target states it: as the source's did."""
    add = copied.add
    ranges = {column: Range(add.get(f"min.{column}"), add.get(f"max.{column}")) for column in STATISTICS_COLUMNS}
    nulls = {name: add[f"null_count.{name}"] for name in SCHEMAS[table].names if f"null_count.{name}" in add}
    return WrittenFile(
        add["path"], date_of_path(add["path"]), add["size_bytes"], add["num_records"], copied.sha256, ranges, nulls
    )
