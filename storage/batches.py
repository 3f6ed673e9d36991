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
from storage.row_order import extremes, names_in_use, only_used_values, row_order
from storage.schemas import ENCODINGS, ENUM_NAMES, LEVELS, SORTED_BY, integer_type

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
    order = _order(table, names["symbol"].values)
    columns = [_column(table, layout, names, order) for layout in table.layout]
    rows = pa.table(columns, [layout.name for layout in table.layout])
    first_ns, last_ns = extremes(rows["receive_ns"])
    if first_ns // DAY_NS == last_ns // DAY_NS:  # As nearly every batch is.
        yield _date(first_ns // DAY_NS), rows
        return
    days = pc.divide(rows["receive_ns"], DAY_NS)
    for day in sorted(pc.unique(days).to_pylist()):
        yield _date(day), only_used_values(rows.filter(pc.equal(days, day)))


def _date(day: int) -> str:
    """Return a count of days since the epoch as YYYY-MM-DD."""
    return (_EPOCH + timedelta(days=day)).isoformat()


def _order(table: Table, symbols: Sequence[str]) -> pa.Array | None:
    """Return the places of a table's rows in the order of a file; None where they stand so already."""
    codes, receive_ns = (_integers(table.arrays[name], len(table)) for name in SORTED_BY)
    ranks = dict(zip(sorted(symbols), range(len(symbols)), strict=True))
    by_code = pa.array([None, *(ranks[symbol] for symbol in symbols)], pa.int32())
    return row_order(pc.take(by_code, pc.add(codes, pa.scalar(1, codes.type)), boundscheck=False), receive_ns)


def _column(table: Table, layout: Layout, names: Mapping[str, Names], order: pa.Array | None) -> pa.Array:
    """Return one column as Arrow sees it, in an order; where it stays as it is, over the memory of the table."""
    stored, count = table.arrays[layout.name], len(table)
    match stored:
        case list():
            texts = _ordered(pa.array(stored, pa.string()), order)
            if layout.name in ENCODINGS:
                return texts
            encoded = texts.dictionary_encode()
            return names_in_use(encoded.indices, encoded.dictionary.to_pylist())
        case Texts():
            return _ordered(_ascii(stored, count), order)
        case Levels():
            values = _integers(stored.values, len(stored.values))
            lists = pa.ListArray.from_arrays(_integers(stored.offsets, count + 1), values, type=LEVELS)
            return _ordered(lists, order)
    integers = _integers(stored, count)
    lowest, highest = extremes(integers)
    if lowest != highest:  # A column of one value is the same in any order.
        integers = _ordered(integers, order)
    if layout.kind in NAME_KINDS:
        return names_in_use(integers, names[layout.kind].values)
    if layout.name in ENUM_NAMES:
        return names_in_use(integers, ENUM_NAMES[layout.name])
    return _nullable(integers) if layout.kind == "q" and lowest == NULL else integers


def _ordered(values: pa.Array, order: pa.Array | None) -> pa.Array:
    return values if order is None else pc.take(values, order, boundscheck=False)


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
    bitmap = pc.not_equal(values, NULL).buffers()[1]  # The bits of a fresh boolean array are a validity bitmap.
    return pa.Array.from_buffers(pa.int64(), len(values), [bitmap, values.buffers()[1]])
