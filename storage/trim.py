"""Journal segments removed once the rows made from them are proven to be in the lake.

Layer: storage, above journal and lake. The time of removal is an argument.
Source: faults section 1, clauses 5 and 7: committed, re-read and counted.
Left to others: printing (`journal.trim_cli`), what a rebuild makes of a journal without its beginning.

A segment goes where all of this holds, and is kept, with the reason, where anything does not:

1. it was closed in order and is read whole, every sum of it holding;
2. every batch of its run that the lake shows rows of is whole, and one of them is of its last record or a later one;
3. every file of every table that may hold rows of its time is read again: as many bytes as the log says, the SHA-256
   in its name, the checksum of each page, the number of rows;
4. the application messages that begin in it, counted from the bytes, are the rows of `messages` that name it, block
   by block.
"""

import os
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from storage.errors import JournalUnwritable
from storage.files import digits_of_name
from storage.journal.blocks import Source
from storage.journal.census import Census, take_census
from storage.journal.parts import remove_parts
from storage.journal.segments import is_packed, other_form, segment_name
from storage.journal.times import name_of
from storage.journal.trimmed import Trimmed, note_trimmed, read_trimmed
from storage.lake import FileInfo, Lake
from storage.pipeline import RECORDER
from storage.schemas import TABLE_LAST, TABLES
from storage.stores import sync_directory

MESSAGES: Final = "messages"
_PLACE: Final = ["segment", "segment_offset"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was decided about one segment. kept: why it stays; empty where it goes."""

    segment: str
    bytes: int
    messages: int
    files: int
    kept: str


class _Unproven(Exception):
    """A reason to keep a segment."""


class _LakeProof:
    """The lake, read again; each file once."""

    def __init__(self, lake: Lake) -> None:
        self._lake = lake
        self._files = {table: lake.files(table) for table in TABLES}
        self._proven: dict[str, str] = {}  # By its place, what is wrong with it; empty where nothing is.
        self._places: dict[str, pa.Table] = {}

    def files_within(self, table: str, begin_ns: int, end_ns: int) -> list[FileInfo]:
        """Return the files of a table that may hold rows of a time."""
        return [it for it in self._files[table] if it.first_ns <= end_ns and it.last_ns >= begin_ns]

    def prove_files(self, begin_ns: int, end_ns: int) -> int:
        """Read every file that may hold rows of a time; return how many. Errors: _Unproven."""
        count = 0
        for table in TABLES:
            for info in self.files_within(table, begin_ns, end_ns):
                self._prove_file(info, table)
                count += 1
        return count

    def _prove_file(self, info: FileInfo, table: str) -> None:
        if info.place not in self._proven:
            self._proven[info.place] = self._fault(info, table)
        if self._proven[info.place]:
            raise _Unproven(f"{table}/{info.name}: {self._proven[info.place]}")

    def rows_of(self, segment: str, begin_ns: int, end_ns: int) -> Counter[int]:
        """Return how many rows of messages name each block of a segment."""
        found: Counter[int] = Counter()
        for info in self.files_within(MESSAGES, begin_ns, end_ns):
            places = self._places[info.place]
            mine = places.filter(pc.equal(places["segment"], segment))
            found.update(mine["segment_offset"].to_pylist())
        return found

    def prove_batches(self, census: Census) -> None:
        """See that no batch of the run is half committed, and that one is there after the segment. Errors: _Unproven.

        `events` is committed last, with every batch, so where it has come as far as `messages` all tables have.
        """
        whole = self._lake.last_version(f"{RECORDER}/{census.run}", TABLE_LAST)
        begun = self._lake.last_version(f"{RECORDER}/{census.run}", MESSAGES)
        if whole is None:
            raise _Unproven(f"the lake has no batch of run {census.run}")
        if begun is not None and begun > whole:
            raise _Unproven(f"batch {begun} of run {census.run} is not whole yet")
        # The end of a connection, which ends a run, leaves an event. Batches are committed in order: what a later
        # segment begins with is there after all that is before it.
        ends = pa.array([census.last_ns, *census.following.values()], pa.int64())
        if self._holds(TABLE_LAST, "receive_ns", ends, pc.min(ends).as_py(), pc.max(ends).as_py()):
            return
        names = pa.array(census.following, pa.string())
        if len(names) == 0 or not self._holds(MESSAGES, "segment", names, census.last_ns, 2**63 - 1):
            raise _Unproven("the batch of its last record is not committed")

    def _holds(self, table: str, column: str, wanted: pa.Array, begin_ns: int, end_ns: int) -> bool:
        """Return whether a row of a table is one of those wanted.

        Errors: _Unproven where none is found, and a file that may hold one is damaged.
        """
        damaged = None
        for info in self.files_within(table, begin_ns, end_ns):
            try:
                self._prove_file(info, table)
            except _Unproven as fault:
                damaged = damaged or fault
                continue
            values = pq.read_table(info.parquet(), columns=[column], partitioning=None)[column]
            if pc.any(pc.is_in(values, wanted)).as_py():
                return True
        if damaged is not None:
            raise damaged
        return False

    def _fault(self, info: FileInfo, table: str) -> str:
        """Return what is wrong with a file; keep of messages where they say that they are from."""
        digest = digits_of_name(info.name)
        try:
            sha256 = info.store.sha256(info.name)
            with info.store.open(info.name) as file:
                size = file.seek(0, os.SEEK_END)
            if size != info.size:
                return f"expected {info.size} bytes, received {size}"
            if not digest or not sha256.startswith(digest):
                return f"expected SHA-256 {digest}, received {sha256}"
            rows, places = 0, []
            with pq.ParquetFile(info.parquet(), page_checksum_verification=True) as parquet:
                for group in range(parquet.num_row_groups):
                    read = parquet.read_row_group(group)
                    rows += read.num_rows
                    if table == MESSAGES:
                        places.append(read.select(_PLACE))
        except (OSError, pa.ArrowException) as error:
            return f"cannot be read again: {(str(error).splitlines() or [''])[0]}"
        if rows != info.rows:
            return f"expected {info.rows} rows, received {rows}"
        if places:
            self._places[info.place] = pa.concat_tables(places)
        return ""


def trim(root: Path, lake: Lake, *, before_ns: int, now_ns: int, dry_run: bool = False) -> Iterator[Outcome]:
    """Remove the segments whose last record is before a time, oldest first; yield what became of each.

    root: of the tape. A segment that was noted as removed by a run that was killed is proven again, and removed.
    Errors: JournalUnreadable, JournalDamaged where the journal cannot be read; JournalUnwritable.
    """
    noted = {it.segment for it in read_trimmed(root)}
    proof = _LakeProof(lake)
    for census in take_census(root, name_of(before_ns)):
        name = segment_name(census.path)
        if census.last_ns >= before_ns or (not census.records and census.sealed):
            continue
        try:
            files = _prove(census, name, proof)
        except (_Unproven, pa.ArrowException) as reason:
            yield Outcome(name, census.bytes, len(census.offsets), 0, str(reason))
            continue
        if not dry_run:
            if name not in noted:
                note_trimmed(root, _trimmed(census, name, files, now_ns))
            _remove(census.path)
        yield Outcome(name, census.bytes, len(census.offsets), files, "")


def _prove(census: Census, name: str, proof: _LakeProof) -> int:
    """Return how many files of the lake hold what was made of a segment. Errors: _Unproven."""
    if not census.sealed:
        raise _Unproven("it was not closed in order")
    files = proof.prove_files(census.begin_ns, census.end_ns)
    proof.prove_batches(census)
    counted, rows = Counter(census.offsets), proof.rows_of(name, census.begin_ns, census.end_ns)
    if counted != rows:
        missing, more = (counted - rows).total(), (rows - counted).total()
        raise _Unproven(
            f"expected {counted.total()} rows of messages, received {rows.total()}: {missing} missing, {more} more"
        )
    return files


def _trimmed(census: Census, name: str, files: int, now_ns: int) -> Trimmed:
    with Source(census.path) as source:
        sha256 = source.sha256
    return Trimmed(
        segment=name,
        run=census.run,
        first_ns=census.first_ns,
        last_ns=census.last_ns,
        records=census.records,
        bytes=census.bytes,
        messages=len(census.offsets),
        files=files,
        sha256=sha256,
        at_ns=now_ns,
    )


def _remove(path: Path) -> None:
    """Remove both forms of a segment, and its directory where nothing else is in it."""
    directory = path.parent
    try:
        for form in (path, other_form(path)):
            form.unlink(missing_ok=True)
        remove_parts(path if not is_packed(path) else other_form(path))
        sync_directory(directory)
        with suppress(OSError):  # It is not empty.
            directory.rmdir()
            sync_directory(directory.parent)
    except OSError as error:
        raise JournalUnwritable(path, doing="remove the segment", cause=error) from error
