"""Rows as text: a table for people, CSV and JSON lines for programs.

Layer: queries, over nothing but Arrow, DuckDB relations and text. Knows no lake.
Source: style guide section 8; faults D10.
Left to others: which rows (`queries.tape`), which columns are worth a person's screen (`queries.cli`).

Numbers are exact: where a view gives a price as a DOUBLE and beside it the integer it comes from, the integer is what
is printed. Every time is UTC and ends in Z. Text of the venue is escaped in every format.
"""

import csv
import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, Literal, TextIO

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from queries.text import COLUMN_GAP, number_text, scaled_decimal, shown
from queries.times import iso

if TYPE_CHECKING:
    from rich.console import Console

Format = Literal["table", "csv", "json"]

TABLE_ROWS: Final = 50  # Rows of a table unless asked otherwise: what a person reads.
BATCH_ROWS: Final = 10_000
# Columns that stand beside `<name>_scaled`, and the column that has their scale.
_SCALES: Final[Mapping[str, str]] = {
    **dict.fromkeys(("price", "open", "high", "low", "close"), "price_scale"),
    **{
        f"{side}_{part}": "price_scale"
        for side in ("bid", "offer")
        for part in ("price", "open", "high", "low", "close")
    },
    **dict.fromkeys(("size", "remaining_size", "volume", "buy_volume", "sell_volume"), "size_scale"),
    **{f"{side}_{part}": "size_scale" for side in ("bid", "offer") for part in ("size", "total", "size_close")},
}


def emit(
    rows: duckdb.DuckDBPyRelation | pa.Table,
    form: Format,
    *,
    limit: int | None = None,
    columns: Sequence[str] | None = None,
    file: TextIO | None = None,
) -> None:
    """Print rows; a table to a terminal gets lines and colours, anywhere else it is plain aligned text.

    limit: rows at most, 0 for all; without one a table stops at TABLE_ROWS and the others do not stop.
    columns: what a table shows, all if None; CSV and JSON always have every column.
    Errors: duckdb.Error from a relation that fails as it runs.
    """
    out = sys.stdout if file is None else file
    most = (TABLE_ROWS if form == "table" else 0) if limit is None else limit
    reader = _reader(rows, most)
    if form == "csv":
        _emit_csv(reader, most, out)
    elif form == "json":
        _emit_json(reader, most, out)
    else:
        _emit_table(reader, most, columns, out)


def _reader(rows: duckdb.DuckDBPyRelation | pa.Table, most: int) -> pa.RecordBatchReader:
    """Return rows batch by batch, one more than wanted, so that it shows when there are more."""
    if isinstance(rows, duckdb.DuckDBPyRelation):
        return (rows.limit(most + 1) if most else rows).to_arrow_reader(BATCH_ROWS)
    return (rows.slice(0, most + 1) if most else rows).to_reader(BATCH_ROWS)


def _emit_table(reader: pa.RecordBatchReader, most: int, columns: Sequence[str] | None, out: TextIO) -> None:
    from rich.console import Console  # noqa: PLC0415 - a tenth of a second, and books and files need none of it

    names = reader.schema.names
    places = [place for place, name in enumerate(names) if columns is None or name in columns]
    numeric = [_is_number(reader.schema.field(place).type) for place in places]
    found = [[_text(row[place]) for place in places] for row in _rows(reader)]
    lines = found[:most] if most else found
    titles = [shown(names[place]) for place in places]
    console = Console(file=out, markup=False, highlight=False, emoji=False)
    if console.is_terminal:
        _emit_rich(console, titles, numeric, lines)
    else:
        out.writelines(_aligned(titles, numeric, lines))
    if most and len(found) > most:
        print(f"the first {most} rows; --limit 0 for all", file=sys.stderr)  # noqa: T201


def _emit_rich(console: "Console", titles: Sequence[str], numeric: Sequence[bool], lines: Sequence[list[str]]) -> None:
    from rich.table import Table  # noqa: PLC0415 - as above
    from rich.text import Text  # noqa: PLC0415 - as above

    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, len(COLUMN_GAP), 0, 0))
    for title, right in zip(titles, numeric, strict=True):
        table.add_column(Text(title), justify="right" if right else "left", no_wrap=True)
    for line in lines:
        table.add_row(*map(Text, line))
    needed = sum(width + len(COLUMN_GAP) for width in _widths(titles, lines))
    console.width = max(console.width, needed)  # A line too long for the window wraps whole; no cell is cut.
    console.print(table)


def _aligned(titles: Sequence[str], numeric: Sequence[bool], lines: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = _widths(titles, lines)
    for line in (titles, *lines):
        cells = zip(line, widths, numeric, strict=True)
        padded = [f"{cell:>{width}}" if right else f"{cell:<{width}}" for cell, width, right in cells]
        yield COLUMN_GAP.join(padded).rstrip() + "\n"


def _widths(titles: Sequence[str], lines: Sequence[Sequence[str]]) -> list[int]:
    return [max(map(len, column)) for column in zip(titles, *lines, strict=True)]


def _emit_csv(reader: pa.RecordBatchReader, most: int, out: TextIO) -> None:
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([shown(name) for name in reader.schema.names])
    for row in _first(_rows(reader), most):
        writer.writerow([_text(value) for value in row])


def _emit_json(reader: pa.RecordBatchReader, most: int, out: TextIO) -> None:
    keys = [json.dumps(name) for name in reader.schema.names]
    for row in _first(_rows(reader), most):
        pairs = (f"{key}: {json_text(value)}" for key, value in zip(keys, row, strict=True))
        out.write(f"{{{', '.join(pairs)}}}\n")


def json_text(value: object) -> str:
    """Return a value as JSON on one line, a number in plain decimals; what JSON has no number for is a string."""
    if isinstance(value, float | Decimal):
        text = number_text(value)
        return text if text[-1].isdigit() else json.dumps(text)
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{json.dumps(str(key))}: {json_text(item)}' for key, item in value.items())}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(json_text, value))}]"
    if value is None or isinstance(value, bool | int):
        return json.dumps(value)
    return json.dumps(_text(value))


def _text(value: object) -> str:
    """Return a value as one line of plain text; null is empty."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float | Decimal):
        return number_text(value)
    if isinstance(value, bytes):
        return value.hex()
    return json_text(value) if isinstance(value, Mapping | list | tuple) else shown(str(value))


def _rows(reader: pa.RecordBatchReader) -> Iterator[tuple[Any, ...]]:
    """Yield rows of Python values, scaled numbers exact and times as text."""
    names = reader.schema.names
    for batch in reader:
        columns = [_values(column) for column in batch.columns]
        for name, scale in _SCALES.items():
            if all(names.count(needed) == 1 for needed in (name, f"{name}_scaled", scale)):
                digits, places = columns[names.index(f"{name}_scaled")], columns[names.index(scale)]
                columns[names.index(name)] = [_scaled(*pair) for pair in zip(digits, places, strict=True)]
        yield from zip(*columns, strict=True)


def _scaled(digits: int | None, scale: int | None) -> Decimal | None:
    return None if digits is None or scale is None else scaled_decimal(digits, scale)


def _values(column: pa.Array) -> list[Any]:
    """Return a column as Python values; times as text, also inside lists and structs, where Arrow would want pandas."""
    kind = column.type
    if pa.types.is_timestamp(kind):
        unit_ns = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}[kind.unit]
        return [None if it is None else iso(it * unit_ns) for it in column.cast(pa.int64()).to_pylist()]
    if pa.types.is_date(kind) or pa.types.is_time(kind):
        return list(pc.cast(column, pa.string()).to_pylist())
    if pa.types.is_struct(kind):
        names = [field.name for field in kind]
        rows = zip(*map(_values, column.flatten()), strict=True)
        valid = column.is_valid().to_pylist()
        return [dict(zip(names, row, strict=True)) if ok else None for row, ok in zip(rows, valid, strict=True)]
    if pa.types.is_nested(kind) and not pa.types.is_union(kind):
        return [_values(it.values) if it.is_valid else None for it in column]
    return list(column.to_pylist())


def _first(rows: Iterable[tuple[Any, ...]], most: int) -> Iterator[tuple[Any, ...]]:
    for index, row in enumerate(rows):
        if most and index == most:
            return
        yield row


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))
