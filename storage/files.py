"""Parquet files written so that a name that can be seen is a file that is whole.

Layer: storage. Knows one Arrow table and one store; nothing of batches or of the Delta log.
Source: faults section 1, clauses 3 and 5: page checksums; content in the name.
Left to others: what makes a file durable (`storage.stores`), and part of its table (`storage.commits`).
"""

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from storage.schemas import PARTITION_COLUMN, SORTED_BY, column_encodings, dictionary_columns
from storage.stores import Staged, Store, store_at

ROW_GROUP_ROWS: Final = 122_880  # As DuckDB cuts its own: a multiple of its vectors, small enough to skip by.
HASH_DIGITS: Final = 16
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


class _HashingFile:
    """What pyarrow writes to: passes the bytes on and keeps their hash and count."""

    def __init__(self, file: Staged) -> None:
        self._file = file
        self.hash = hashlib.sha256()
        self.size = 0
        self.closed = False

    def write(self, data: bytes) -> int:
        self.hash.update(data)
        self.size += len(data)
        return self._file.write(data)

    def tell(self) -> int:
        return self.size

    def flush(self) -> None:
        """Leave it to the sync that follows."""

    def close(self) -> None:
        self.closed = True


def write_file(table: Path | Store, name: str, rows: pa.Table, *, date: str, label: str) -> WrittenFile:
    """Write the rows of one lake table and date; return the file once it will survive a power cut.

    Shapes: named `date=<date>/<label>-<sha16>.parquet` in the table's directory or store, so the same rows under the
        same label are the same file, and writing them again replaces it by itself.
    Errors: OSError from the file system; nothing is then left under a final name by this call.
    """
    assert _LABEL.fullmatch(label), f"label {label!r} does not name a file"
    directory = f"{PARTITION_COLUMN}={date}"
    with store_at(table).stage(directory, label) as staged:
        hashing = _HashingFile(staged)
        write_parquet(hashing, name, rows)
        sha256 = hashing.hash.hexdigest()
        path = f"{directory}/{label}-{sha256[:HASH_DIGITS]}.parquet"
        staged.publish(path)
    ranges = {column: _range(rows[column]) for column in STATISTICS_COLUMNS}
    null_counts = {column: rows[column].null_count for column in rows.column_names}
    return WrittenFile(path, date, hashing.size, rows.num_rows, sha256, ranges, null_counts)


def write_parquet(file: object, name: str, rows: pa.Table) -> None:
    """Write rows of a lake table as Parquet to a file object; its bytes follow from the rows alone.

    The Arrow schema is not stored with it: a reader then sees plain strings where we hold dictionaries, and the
    footer's key-value metadata is empty.
    """
    pq.write_table(
        rows,
        file,
        row_group_size=ROW_GROUP_ROWS,
        compression="zstd",
        compression_level=1,
        use_dictionary=dictionary_columns(name),
        column_encoding=column_encodings(name),
        write_page_checksum=True,
        sorting_columns=[pq.SortingColumn(rows.column_names.index(column)) for column in SORTED_BY],
        store_schema=False,
    )


def _range(column: pa.ChunkedArray) -> Range:
    """Return the range of a column; a string's in the order of its UTF-8 bytes, as Delta compares."""
    if pa.types.is_dictionary(column.type):
        used = column.combine_chunks().dictionary.to_pylist()  # Just the values in use, sorted (`storage.batches`).
        return Range(used[0], used[-1]) if used else Range(None, None)
    extremes = pc.min_max(column)
    return Range(extremes["min"].as_py(), extremes["max"].as_py())
