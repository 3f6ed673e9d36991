"""Whether a Parquet file can be one of ours, seen from its ends: nothing of its rows is read.

Layer: storage, for whoever is about to open a file of the lake. Knows the file and what the log says of it.
Source: faults E4, a file that is partial, empty, zero-filled or without a footer; E5, a file that becomes thousands of
    times as large when it is read. Limits are far above anything that `storage.files` writes.
Left to others: what to do without the file (`queries.engine`), damage inside it (page checksums, `verify`).
"""

import os
from typing import BinaryIO, Final

import pyarrow as pa
import pyarrow.parquet as pq

from storage.errors import StoreError
from storage.stores import Store

MAGIC: Final = b"PAR1"
FOOTER_BYTES_LIMIT: Final = 64 << 20
COLUMNS_LIMIT: Final = 64
ROW_GROUP_ROWS_LIMIT: Final = 1 << 20
ROW_GROUP_BYTES_LIMIT: Final = 1 << 30  # Uncompressed.
RATIO_BYTES: Final = (
    64 << 20
)  # Below it a row group may be as compressible as it likes: rows that are all the same are.
RATIO_LIMIT: Final = 200  # Of uncompressed to compressed bytes.
_TAIL_BYTES: Final = len(MAGIC) + 4  # Length of the footer, then the magic.


def trouble(store: Store, name: str, *, size: int, rows: int) -> str | None:
    """Return what is wrong with a file of which the log says this size and count of rows, or None.

    Errors: StoreError, where it is the store and not the file.
    """
    try:
        with store.open(name) as file:
            return _wrong_ends(file, size) or _wrong_footer(file, size, rows)
    except StoreError:
        raise
    except OSError as error:
        return f"cannot be opened: {error.strerror}"


def _wrong_ends(file: BinaryIO, size: int) -> str | None:
    found = file.seek(0, os.SEEK_END)
    if found != size:
        return f"is {found} bytes long, and the log says {size}"
    file.seek(0)
    if file.read(len(MAGIC)) != MAGIC:
        return "does not begin as Parquet"
    file.seek(max(size - _TAIL_BYTES, 0))
    tail = file.read(_TAIL_BYTES)
    if not tail.endswith(MAGIC):
        return "does not end as Parquet: its footer is missing"
    length = int.from_bytes(tail[:4], "little")
    if not 0 < length <= min(FOOTER_BYTES_LIMIT, size - len(MAGIC) - _TAIL_BYTES):
        return f"has a footer of {length} bytes, which cannot be"
    return None


def _wrong_footer(file: BinaryIO, size: int, rows: int) -> str | None:
    try:
        metadata = pq.read_metadata(file)
    except (OSError, pa.ArrowException) as error:
        return f"has a footer that cannot be read: {(str(error).splitlines() or ['no reason given'])[0]}"
    if metadata.num_rows != rows:
        return f"says that it holds {metadata.num_rows} rows, and the log says {rows}"
    if metadata.num_columns > COLUMNS_LIMIT:
        return f"has {metadata.num_columns} columns, more than {COLUMNS_LIMIT}"
    held = 0
    for place in range(metadata.num_row_groups):
        group = metadata.row_group(place)
        held += group.num_rows
        if not 0 <= group.num_rows <= ROW_GROUP_ROWS_LIMIT:
            return f"has a row group of {group.num_rows} rows, more than {ROW_GROUP_ROWS_LIMIT}"
        if not 0 <= group.total_byte_size <= ROW_GROUP_BYTES_LIMIT:
            return f"has a row group that becomes {group.total_byte_size} bytes, more than {ROW_GROUP_BYTES_LIMIT}"
        if group.total_byte_size > max(RATIO_BYTES, RATIO_LIMIT * size):
            return (
                f"has {size} bytes and a row group that becomes {group.total_byte_size}, over {RATIO_LIMIT} times them"
            )
    return None if held == rows else f"has row groups of {held} rows together, and the log says {rows}"
