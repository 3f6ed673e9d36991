"""Schemas of the lake: the Arrow type, the Parquet encoding and the names of every column of every table.

Layer: storage, below everything that writes or reads Parquet. Knows no file.
Source: design section 5; the columns themselves are `capture.columns.LAYOUTS`, written once, there.
Left to others: rows (`storage.batches`), bytes (`storage.files`), views for people (`queries.tape`).

Types are those on which engines agree: int64 for times and for scaled prices, plain strings for names. A dictionary is
how a name is encoded, never its type. The partition column `date` is in the path only.
"""

from collections.abc import Mapping
from enum import IntEnum
from types import MappingProxyType
from typing import Final

import pyarrow as pa

from capture.columns import LAYOUTS, NAME_KINDS, Action, Layout, Side, Verdict

SCHEMA_VERSION: Final = 1  # Rises with any change that an older reader would misread.
PARTITION_COLUMN: Final = "date"  # UTC date of receive_ns, YYYY-MM-DD.
SORTED_BY: Final = ("symbol", "receive_ns")  # Nulls last. Rows that agree in both keep the order they were made in.
SIGHTINGS: Final = "sightings"  # A table of a lake that a merge made, and of no other.
TABLE_LAST: Final = "events"  # Committed last, so that it marks a batch as whole.

LEVELS: Final = pa.list_(pa.field("element", pa.int64(), nullable=False))

# One row is one message of the venue, and which of two recorders saw it when.
SIGHTINGS_LAYOUT: Final = (
    Layout("receive_ns", "q"),
    Layout("session_id", "session"),
    Layout("msg_seq_num", "q"),  # Null where the message is in no other table.
    Layout("symbol", "symbol"),
    Layout("msg_type", "msg_type"),
    Layout("taken", "text"),  # The recorder whose receive time and place in a journal the message has: a or b.
    Layout("a_receive_ns", "q"),
    Layout("a_session_id", "session"),
    Layout("a_msg_seq_num", "q"),
    Layout("b_receive_ns", "q"),
    Layout("b_session_id", "session"),
    Layout("b_msg_seq_num", "q"),
)
_INTEGERS: Final[Mapping[str, pa.DataType]] = {"q": pa.int64(), "i": pa.int32(), "h": pa.int16(), "b": pa.int8()}


def _names(enum: type[IntEnum]) -> tuple[str, ...]:
    """Return what the members of an enum are called in the lake; a member's place is its number."""
    assert [member.value for member in enum] == list(range(len(enum))), "codes run on from zero"
    return tuple(member.name.lower() for member in enum)


ENUM_NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "side": _names(Side),
    "action": _names(Action),
    "verdict": _names(Verdict),
}

# As `make bench ONLY=encodings` measured them, see docs/decisions/0024. What repeats within a message, times first of
# all, and round numbers stand plain, where zstd finds them; what runs on is packed as deltas. Integers are never split
# by bytes: DuckDB 1.5 does not read that. Columns not named here are dictionary-encoded.
ENCODINGS: Final[Mapping[str, str]] = {
    **dict.fromkeys(
        (
            "sending_ms",
            "msg_seq_num",
            "entry_index",
            "price",
            "segment_offset",
            "valid_from_ns",
            "from_ns",
            "to_ns",
            "a_msg_seq_num",
            "b_msg_seq_num",
        ),
        "DELTA_BINARY_PACKED",
    ),
    **dict.fromkeys(
        (
            "receive_ns",
            "a_receive_ns",
            "b_receive_ns",
            "entry_ms",
            "update_ns",
            "queue_ns",
            "size",
            "remaining_size",
            "bid_price",
            "bid_size",
            "bid_total",
            "offer_price",
            "offer_size",
            "offer_total",
            "checksum_received",
            "checksum_computed",
            "checksum",
            "count",
        ),
        "PLAIN",
    ),
    **dict.fromkeys(("entry_id", "order_id"), "DELTA_BYTE_ARRAY"),
}
# By which readers skip row groups; of another column they would weigh down small files and skip nothing.
STATISTICS: Final = frozenset({"receive_ns", "msg_seq_num", "symbol", "session_id", "action", "verdict", "kind"})


def _arrow_type(layout: Layout) -> pa.DataType:
    """Return the type of a column as readers see it."""
    if layout.name in ENUM_NAMES or layout.kind in {"text", "ascii", *NAME_KINDS}:
        return pa.string()
    if layout.kind == "levels":
        return LEVELS
    return _INTEGERS[layout.kind]


def _schema(layouts: tuple[Layout, ...]) -> pa.Schema:
    return pa.schema([pa.field(layout.name, _arrow_type(layout)) for layout in layouts])


SCHEMAS: Final[Mapping[str, pa.Schema]] = MappingProxyType(
    {**{name: _schema(LAYOUTS[name]) for name in LAYOUTS}, SIGHTINGS: _schema(SIGHTINGS_LAYOUT)}
)
TABLES: Final = tuple(LAYOUTS)
assert TABLES[-1] == TABLE_LAST, "the layouts name the table committed last at their end"


def integer_type(kind: str) -> pa.DataType:
    """Return the Arrow type that has the memory layout of an `array` of this type code."""
    return _INTEGERS[kind]


def delta_schema(table: str) -> pa.Schema:
    """Return the schema of a table as its Delta log states it: the file's columns, then the partition column."""
    return SCHEMAS[table].append(pa.field(PARTITION_COLUMN, pa.string()))


def written_schema(table: str) -> pa.Schema:
    """Return the schema of rows on their way into a file: names that become dictionaries there are ones already."""
    names, encoded = pa.dictionary(pa.int32(), pa.string()), dictionary_columns(table)
    return pa.schema(
        [
            field.with_type(names) if field.name in encoded and pa.types.is_string(field.type) else field
            for field in SCHEMAS[table]
        ]
    )


def dictionary_columns(table: str) -> list[str]:
    """Return the columns of a table that are dictionary-encoded."""
    return [name for name in SCHEMAS[table].names if name not in ENCODINGS]


def column_encodings(table: str) -> dict[str, str]:
    """Return the encodings of a table's other columns."""
    return {name: ENCODINGS[name] for name in SCHEMAS[table].names if name in ENCODINGS}


def statistics_columns(table: str) -> list[str]:
    """Return the columns of a table whose lowest and highest values each row group states."""
    return [name for name in SCHEMAS[table].names if name in STATISTICS]
