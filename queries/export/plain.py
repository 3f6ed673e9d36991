"""Plain Parquet and CSV: the rows of a symbol and day as the lake has them, nothing derived.

Layer: queries, export.
Source: docs/tables.md. Parquet has the columns as they are stored, scaled integers with their scales; CSV has exact
    decimals and UTC times in their place. Actions are those of the lake: an eviction is `evict`, with a size of 0.
"""

from collections.abc import Iterator
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from capture.wire.values import unscaled
from queries.export.outputs import Outputs, csv_cell, headed, write_lines
from queries.export.source import MILLISECOND_NS, SymbolDay
from queries.text import shown
from queries.times import iso
from storage.schemas import SCHEMAS

TABLES: Final = ("book_changes", "order_changes", "trades", "quotes")
_SCALES: Final = ("price_scale", "size_scale")


class ParquetTables:
    """Parquet of each table that has rows."""

    name = "parquet"
    suffix = ".parquet"
    depth: int | None = None

    def write(self, day: SymbolDay, outputs: Outputs) -> int:
        """Write a day; return how many rows, all tables together."""
        count = 0
        for table in _held(day):
            schema = SCHEMAS[table]
            file = outputs.file(f"{table}_{day.date}_{day.name}{self.suffix}")
            with pq.ParquetWriter(file, schema, compression="zstd", write_page_checksum=True) as writer:
                for rows in day.rows(table, schema.names):
                    writer.write_table(rows.cast(schema))
                    count += len(rows)
        return count


class CsvTables:
    """CSV of each table that has rows."""

    name = "csv"
    suffix = ".csv"
    depth: int | None = None

    def write(self, day: SymbolDay, outputs: Outputs) -> int:
        """Write a day; return how many rows, all tables together."""
        return sum(self._table(day, outputs, table) for table in _held(day))

    def _table(self, day: SymbolDay, outputs: Outputs, table: str) -> int:
        names = SCHEMAS[table].names
        titles = (_title(name) for name in names if name not in _SCALES)
        file = outputs.file(f"{table}_{day.date}_{day.name}{self.suffix}")
        return write_lines(file, headed(",".join(titles), _lines(day, table, names))) - 1


def _held(day: SymbolDay) -> list[str]:
    """Return the tables that may have rows; of books, the one that the recording's level fills."""
    held = [table for table in TABLES if day.files(table)]
    return held or list(TABLES[:1])


def _title(name: str) -> str:
    """Return what a column is called once its times are text."""
    for suffix in ("_ns", "_ms"):
        if name.endswith(suffix):
            return f"{name.removesuffix(suffix)}_time"
    return name


def _lines(day: SymbolDay, table: str, names: list[str]) -> Iterator[str]:
    price_place, size_place = (names.index(name) for name in _SCALES)
    writers = [(place, *_writer(name)) for place, name in enumerate(names) if name not in _SCALES]
    for row in day.tuples(table, names):
        scales = {"price": row[price_place], "size": row[size_place], "": 0}
        yield ",".join(
            "" if row[place] is None else write(row[place], scales[scaled]) for place, write, scaled in writers
        )


def _writer(name: str) -> tuple[Any, str]:
    """Return how a column is written, and which scale it has."""
    if name.endswith("_ns"):
        return (lambda value, _: iso(value)), ""
    if name.endswith("_ms"):
        return (lambda value, _: iso(value * MILLISECOND_NS)), ""
    kind = name.rpartition("_")[2]
    if kind in {"price", "size"}:
        return unscaled, kind
    if kind == "total":
        return unscaled, "size"
    if pa.types.is_string(_TYPES[name]):
        return (lambda value, _: csv_cell(shown(value))), ""
    return (lambda value, _: str(value)), ""


_TYPES: Final = {field.name: field.type for table in TABLES for field in SCHEMAS[table]}
