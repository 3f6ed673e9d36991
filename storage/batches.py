"""Columns of one batch as Arrow tables: one a lake table and UTC date, sorted, names as dictionaries.

Layer: storage. Knows columns and Arrow; no file and no clock.
Source: design sections 3 and 5: the same rows give the same files, so everything here is a function of the rows.
Left to others: order and dictionaries (`storage.row_order`), encodings (`storage.schemas`), bytes (`storage.files`),
the order of commits (`storage.lake`).
"""

from array import array
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from capture.columns import NAME_KINDS, NULL, Layout, Levels, Names, Table, Texts
from storage.row_order import only_used_values, sorted_rows
from storage.schemas import ENCODINGS, ENUM_NAMES, LEVELS, integer_type

DAY_NS: Final = 86_400_000_000_000
_EPOCH: Final = date(1970, 1, 1)


def dated_tables(table: Table, names: Mapping[str, Names]) -> Iterator[tuple[str, pa.Table]]:
    """Yield the rows of one table as (date, Arrow table), one for each UTC date of receive_ns, earliest first.

    Shapes: columns as in `storage.schemas.SCHEMAS`, save that names and enums are dictionary arrays holding just the
        values in use, in order; rows by symbol (null last), then receive_ns, then as they were appended.
    Errors: BufferError on a later append to `table` while an Arrow table of it is alive; it is handed on whole.
    """
    if not len(table):
        return
    columns = [_column(table, layout, names) for layout in table.layout]
    rows = sorted_rows(only_used_values(pa.table(columns, [layout.name for layout in table.layout])))
    days = pc.divide(rows["receive_ns"], DAY_NS)
    several = sorted(pc.unique(days).to_pylist())
    if len(several) == 1:  # As nearly every batch is.
        yield _date(several[0]), rows
        return
    for day in several:
        yield _date(day), only_used_values(rows.filter(pc.equal(days, day)))


def _date(day: int) -> str:
    """Return a count of days since the epoch as YYYY-MM-DD."""
    return (_EPOCH + timedelta(days=day)).isoformat()


def _column(table: Table, layout: Layout, names: Mapping[str, Names]) -> pa.Array:
    """Return one column as Arrow sees it, over the memory of the table."""
    stored, count = table.arrays[layout.name], len(table)
    match stored:
        case list():
            texts = pa.array(stored, pa.string())
            return texts if layout.name in ENCODINGS else texts.dictionary_encode()
        case Texts():
            return _ascii(stored, count)
        case Levels():
            values = _integers(stored.values, len(stored.values))
            return pa.ListArray.from_arrays(_integers(stored.offsets, count + 1), values, type=LEVELS)
    integers = _integers(stored, count)
    if layout.kind in NAME_KINDS:
        return _named(integers, names[layout.kind].values)
    if layout.name in ENUM_NAMES:
        return _named(integers, ENUM_NAMES[layout.name])
    return _nullable(integers) if layout.kind == "q" else integers


def _integers(values: "array[int]", count: int) -> pa.Array:
    """Return the first values of an `array` as an Arrow array over the same memory."""
    return pa.Array.from_buffers(integer_type(values.typecode), count, [None, pa.py_buffer(values)])


def _ascii(texts: Texts, count: int) -> pa.Array:
    """Return texts as Arrow strings, empty ones as null."""
    offsets = _integers(texts.offsets, count + 1)
    valid = pc.greater(offsets[1:], offsets[:-1])
    bitmap = valid.buffers()[1]  # The bits of a fresh boolean array are a validity bitmap.
    return pa.Array.from_buffers(pa.string(), count, [bitmap, offsets.buffers()[1], pa.py_buffer(texts.data)])


def _nullable(values: pa.Array) -> pa.Array:
    """Return int64 values with `NULL` as null; the memory stays shared."""
    valid = pc.not_equal(values, NULL)
    if pc.all(valid).as_py():
        return values
    bitmap = valid.buffers()[1]  # The bits of a fresh boolean array are a validity bitmap.
    return pa.Array.from_buffers(pa.int64(), len(values), [bitmap, values.buffers()[1]])


def _named(codes: pa.Array, values: Sequence[str]) -> pa.Array:
    """Return codes as a dictionary array, a code below zero as null."""
    indices = codes.cast(pa.int32())
    return pa.DictionaryArray.from_arrays(
        pc.if_else(pc.greater_equal(indices, 0), indices, pa.scalar(None, pa.int32())), pa.array(values, pa.string())
    )
