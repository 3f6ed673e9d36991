"""Files of one table and date as one: their rows merged in order, in memory that does not grow with them.

Layer: storage, above files and row order. Reads files and writes scratch; what becomes of the rows is the caller's.
Source: design section 5: rows clustered by symbol, in arrival order per symbol.
Left to others: which files (`storage.compaction`), their commit.

Each file stands by symbol, then receive_ns. Small ones that follow each other are joined in memory, as many as
`JOINED_BYTES` take, and, where these are not all, put into a sorted scratch file; scratch files and large files are
then read side by side, a row group of each at a time. Rows that agree in symbol and receive_ns keep the order of the
files. Row groups are cut by how many rows each symbol has in all: what comes out is a function of the rows, however
they lay in files, so the same rows give the same bytes.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from storage.digests import RowsDigest
from storage.errors import LakeDamaged
from storage.files import digits_of_name, file_digits, write_parquet
from storage.row_order import conformed, group_ends, group_rows, joined, sorted_rows
from storage.schemas import written_schema
from storage.stores import ensure_directory

JOINED_BYTES: Final = 32 * 2**20  # Of rows in memory that are sorted at once; about six times as much is used.
LARGE_BYTES: Final = 8 * 2**20  # A file from this size on is read a row group at a time.
SCRATCH_LEVEL: Final = 1
SCRATCH_PARTS: Final = 8  # Its row groups are as many times smaller than others.

_Key = tuple[bool, str, int]  # Symbol, null last; receive_ns.


class Merge:
    """The rows of files as one; ask for `groups` once, and then for the `digest` of what was read.

    table: its name. paths: in the order in which rows that agree in symbol and receive_ns are to stand.
    scratch: a directory for what does not fit into memory; the caller removes it.
    """

    def __init__(self, table: str, paths: Sequence[Path], scratch: Path, *, joined_bytes: int = JOINED_BYTES) -> None:
        self._table, self._paths, self._scratch = table, paths, scratch
        self._joined_bytes = joined_bytes
        self._counts: Counter[str | None] = Counter()
        self._digests: list[RowsDigest] = []
        self._spilled_count = 0

    @property
    def digest(self) -> RowsDigest:
        """The digest of all rows that were read so far."""
        whole = RowsDigest()
        for of_file in self._digests:
            whole.join(of_file)
        return whole

    def groups(self) -> Iterator[pa.Table]:
        """Yield row groups as `storage.files.write_file` takes them.

        Errors: LakeDamaged where a file is not as it was written; OSError.
        """
        runs = list(self._runs())
        counts = [self._counts[symbol] for symbol in sorted(self._counts, key=_symbol_key)]
        yield from _regrouped(_merged(runs), group_ends(counts, group_rows(self._table)))

    def _runs(self) -> Iterator["_Run"]:
        """Yield sorted stretches: small files joined, in memory where they are the last, and large ones as they are."""
        waiting: list[pa.Table] = []
        waiting_bytes = 0
        for path in self._paths:
            check_content(path)
            large = path.stat().st_size >= LARGE_BYTES
            if waiting and (large or waiting_bytes >= self._joined_bytes):
                yield self._spilled(_sorted(waiting))
                waiting_bytes = 0
            if large:
                self._count(rows["symbol"] for rows in read_groups(self._table, path, only=["symbol"]))
                yield _Run(self._digested(read_groups(self._table, path)))
                continue
            for rows in self._digested(read_groups(self._table, path)):
                self._count([rows["symbol"]])
                waiting.append(rows)
                waiting_bytes += rows.nbytes
        if waiting:
            yield _Run(iter([_sorted(waiting)]))

    def _digested(self, groups: Iterator[pa.Table]) -> Iterator[pa.Table]:
        digest = RowsDigest()
        self._digests.append(digest)
        for rows in groups:
            digest.add(rows)
            yield rows

    def _spilled(self, rows: pa.Table) -> "_Run":
        """Write sorted rows into a scratch file, with small row groups, as one of each file is read at a time."""
        ensure_directory(self._scratch)
        self._spilled_count += 1
        path = self._scratch / f"{self._spilled_count:06}.parquet"
        step = group_rows(self._table).limit // SCRATCH_PARTS
        with path.open("xb") as file:
            parts = (joined([rows.slice(begin, step)]) for begin in range(0, len(rows), step))
            write_parquet(file, self._table, parts, level=SCRATCH_LEVEL)
        return _Run(read_groups(self._table, path))

    def _count(self, symbols: Iterable[pa.ChunkedArray]) -> None:
        for column in symbols:
            for found in pc.value_counts(column.cast(pa.string())).to_pylist():
                self._counts[found["values"]] += found["counts"]


class _Run:
    """Sorted rows that are read a row group at a time. rows: read and not taken yet. ended: there are no others."""

    def __init__(self, groups: Iterator[pa.Table]) -> None:
        self._groups = groups
        self.rows: pa.Table | None = None
        self.ended = False

    def load(self) -> None:
        """Read another row group."""
        more = next(self._groups, None)
        if more is None:
            self.ended = True
        else:
            self.rows = more if self.rows is None else joined([self.rows, more])

    @property
    def last(self) -> _Key:
        """Where the last row that is read stands."""
        assert self.rows is not None, "a run that has not ended has rows"
        return _key(self.rows, len(self.rows) - 1)

    def take_below(self, bound: _Key | None) -> pa.Table | None:
        """Return the rows that stand before a place, or all; None where there are none."""
        rows = self.rows
        if rows is None:
            return None
        count = len(rows) if bound is None else bisect_left(range(len(rows)), bound, key=lambda at: _key(rows, at))
        self.rows = rows.slice(count) if count < len(rows) else None
        return rows.slice(0, count) if count else None


def read_groups(table: str, path: Path, *, only: Sequence[str] | None = None) -> Iterator[pa.Table]:
    """Yield the row groups of a file, page checksums verified, in the columns that the table has today, or some of it.

    Errors: LakeDamaged; OSError.
    """
    names = [field.name for field in written_schema(table) if pa.types.is_dictionary(field.type)]
    try:
        with pq.ParquetFile(path, page_checksum_verification=True, read_dictionary=names) as file:
            for place in range(file.num_row_groups):
                rows = file.read_row_group(place, columns=only)
                yield conformed(table, rows) if only is None else rows
    except (OSError, ValueError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise LakeDamaged(path, (str(error).splitlines() or ["unreadable"])[0]) from error


def check_content(path: Path) -> None:
    """Raise where a file does not have the bytes that its name states. Errors: LakeDamaged; OSError."""
    digits, stated = file_digits(path), digits_of_name(path.name)
    if digits != stated:
        raise LakeDamaged(path, f"SHA-256: expected {stated}, received {digits}")


def _sorted(waiting: list[pa.Table]) -> pa.Table:
    """Return rows in order; the list is emptied, so that they are not held twice while they are sorted."""
    rows = joined(waiting)
    waiting.clear()
    return sorted_rows(rows)


def _merged(runs: Sequence[_Run]) -> Iterator[pa.Table]:
    """Yield the rows of sorted runs in order, some at a time; where they agree, those of an earlier run come first."""
    while True:
        for run in runs:
            if run.rows is None and not run.ended:
                run.load()
        unread = [run for run in runs if not run.ended]
        # What an unread row group may hold comes at or after the last row of the one before it.
        bound = min((run.last for run in unread), default=None)
        parts = [part for run in runs if (part := run.take_below(bound)) is not None]
        if parts:
            yield sorted_rows(joined(parts)) if len(parts) > 1 else parts[0]
        elif bound is None:
            return
        for run in unread:
            if not parts and run.last == bound:  # All that it has read is at the bound.
                run.load()


def _regrouped(stream: Iterator[pa.Table], ends: Iterable[int]) -> Iterator[pa.Table]:
    """Yield the rows of a stream in groups that end where they should."""
    held: list[pa.Table] = []
    held_rows = begin = 0
    for end in ends:
        while held_rows < end - begin:
            rows = next(stream, None)
            assert rows is not None, "there are as many rows as were counted"
            held.append(rows)
            held_rows += len(rows)
        whole = pa.concat_tables(held).unify_dictionaries()
        yield joined([whole.slice(0, end - begin)])
        held = [whole.slice(end - begin)]
        held_rows = len(held[0])
        begin = end
    assert not held_rows, "all rows were counted"
    assert next(stream, None) is None, "all rows were counted"


def _symbol_key(symbol: str | None) -> tuple[bool, str]:
    return symbol is None, symbol or ""


def _key(rows: pa.Table, at: int) -> _Key:
    return (*_symbol_key(rows["symbol"][at].as_py()), rows["receive_ns"][at].as_py())
