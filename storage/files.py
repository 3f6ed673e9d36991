"""Parquet files written so that a name that can be seen is a file that is whole.

Layer: storage. Knows one Arrow table and one store; nothing of batches or of the Delta log.
Source: faults section 1, clauses 3 and 5: page checksums; content in the name.
Left to others: what makes a file durable (`storage.stores`), and part of its table (`storage.commits`).
"""

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from storage.row_order import ROW_GROUP_ROWS, row_groups
from storage.schemas import (
    PARTITION_COLUMN,
    SCHEMAS,
    SORTED_BY,
    column_encodings,
    dictionary_columns,
    statistics_columns,
    written_schema,
)
from storage.stores import Staged, Store, store_at

LEVEL_FAST: Final = 2  # Of zstd, for a batch, which waits for nobody: as small as 3 in sum, a tenth cheaper to write.
LEVEL_DENSE: Final = 6  # For what is written once to stay, at twice the CPU; past it only CPU grows.
HASH_DIGITS: Final = 16
HASH_BYTES: Final = 4 * 2**20  # Read at once where a file is hashed.
STATISTICS_COLUMNS: Final = ("receive_ns", "msg_seq_num", "symbol")

_LABEL: Final = re.compile(r"[0-9A-Za-z][0-9A-Za-z_.-]{0,63}")


class Range(NamedTuple):
    """Lowest and highest value of a column; both null where it holds none."""

    lowest: int | str | None
    highest: int | str | None


class WrittenFile(NamedTuple):
    """A file under its final name, whole and synced.

    path: relative to the table, with forward slashes. ranges and null_counts: by column.
    """

    path: str
    date: str
    size: int
    rows: int
    sha256: str
    ranges: Mapping[str, Range]
    null_counts: Mapping[str, int]


class HashingFile:
    """What a library writes to: passes the bytes on and keeps their hash and count."""

    def __init__(self, file: Staged) -> None:
        self._file = file
        self.hash = hashlib.sha256()
        self.size = 0
        self.closed = False

    def write(self, data: bytes) -> int:
        """Pass bytes on."""
        self.hash.update(data)
        self.size += len(data)
        return self._file.write(data)

    def tell(self) -> int:
        """Return how many bytes were written."""
        return self.size

    def flush(self) -> None:
        """Leave it to the sync that follows."""

    def close(self) -> None:
        """Take no more; whoever staged the file closes it."""
        self.closed = True


def write_file(
    table: Path | Store, name: str, parts: Iterable[pa.Table], *, date: str, label: str, level: int = LEVEL_FAST
) -> WrittenFile:
    """Write the rows of one lake table and date; return the file once it will survive a power cut.

    Shapes: parts follow each other in the order of a file, none empty; more than one for what is too much for memory.
        The file is named `date=<date>/<label>-<sha16>.parquet` in the table's directory or store, so the same parts
        under the same label are the same file, and writing them again replaces it by itself.
    Errors: OSError from the file system; nothing is then left under a final name by this call. StoreError of an object
        store, after which the name may be taken, and no log names it.
    """
    assert _LABEL.fullmatch(label), f"label {label!r} does not name a file"
    directory = f"{PARTITION_COLUMN}={date}"
    summary = _Summary(SCHEMAS[name].names)
    store = store_at(table)
    with store.stage(directory, label) as staged:
        hashing = HashingFile(staged)
        write_parquet(hashing, name, summary.over(parts), level=level)
        sha256 = hashing.hash.hexdigest()
        path = f"{directory}/{label}-{sha256[:HASH_DIGITS]}.parquet"
        staged.publish(path)
    store.check(path, sha256)
    return WrittenFile(path, date, hashing.size, summary.rows, sha256, summary.ranges, summary.null_counts)


def file_digits(path: Path) -> str:
    """Return the digits of a file's content that its name should end in."""
    found = hashlib.sha256()
    with path.open("rb") as file:
        while data := file.read(HASH_BYTES):
            found.update(data)
    return found.hexdigest()[:HASH_DIGITS]


def digits_of_name(path: str) -> str:
    """Return the digits that a file's name ends in."""
    return path.removesuffix(".parquet").rpartition("-")[2]


def label_of_name(path: str) -> str:
    """Return what a file's name begins with: the label of its batch, or of what was compacted."""
    return path.rpartition("/")[2].rpartition("-")[0]


class _Summary:
    """What is to be told of the rows of a file, counted as they go by."""

    def __init__(self, columns: Sequence[str]) -> None:
        self.rows = 0
        self.ranges = dict.fromkeys(STATISTICS_COLUMNS, Range(None, None))
        self.null_counts = dict.fromkeys(columns, 0)

    def over(self, parts: Iterable[pa.Table]) -> Iterator[pa.Table]:
        for rows in parts:
            self.rows += rows.num_rows
            for column, before in self.ranges.items():
                self.ranges[column] = _joined(before, _range(rows[column]))
            for column in self.null_counts:
                self.null_counts[column] += rows[column].null_count
            yield rows


def write_parquet(file: object, name: str, parts: Iterable[pa.Table], *, level: int = LEVEL_FAST) -> None:
    """Write rows of a lake table as Parquet to a file object; its bytes follow from the parts and the level alone.

    The Arrow schema is not stored with it: a reader then sees plain strings where we hold dictionaries, and the
    footer's key-value metadata is empty. A column of a row group is one page, as none of our readers skips by pages.
    """
    with pq.ParquetWriter(file, written_schema(name), **parquet_options(name, level)) as writer:
        for rows in parts:
            for group in row_groups(name, rows):
                writer.write_table(group, row_group_size=len(group))


def parquet_options(name: str, level: int) -> dict[str, Any]:
    """Return how the files of a table are written, as pyarrow's writer takes it."""
    return {
        "compression": "zstd",
        "compression_level": level,
        "use_dictionary": dictionary_columns(name),
        "column_encoding": column_encodings(name),
        "write_statistics": statistics_columns(name),
        "max_rows_per_page": ROW_GROUP_ROWS,
        "write_page_checksum": True,
        "sorting_columns": [pq.SortingColumn(SCHEMAS[name].names.index(column)) for column in SORTED_BY],
        "store_schema": False,
    }


def _joined(one: Range, other: Range) -> Range:
    """Return the range of two columns together."""
    known: Any = [extent for extent in (one, other) if extent.lowest is not None]
    if not known:
        return one
    return Range(min(extent.lowest for extent in known), max(extent.highest for extent in known))


def _range(column: pa.ChunkedArray) -> Range:
    """Return the range of a column; a string's in the order of its UTF-8 bytes, as Delta compares."""
    if pa.types.is_dictionary(column.type):
        used = column.combine_chunks().dictionary.to_pylist()  # Just the values in use, sorted (`storage.batches`).
        return Range(used[0], used[-1]) if used else Range(None, None)
    extremes = pc.min_max(column)
    return Range(extremes["min"].as_py(), extremes["max"].as_py())
