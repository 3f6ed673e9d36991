"""What a tape holds, by its logs and footers alone: tables with their sizes, and what a question would read.

Layer: queries, over the engine. Reads no rows.
Source: design section 7: symbols, tables, coverage and sizes can be listed; `explain`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from queries.engine import Engine
from queries.times import NS_MAX, Window, iso
from storage.lake import FileInfo
from storage.schemas import TABLES

_TABLES: pa.Schema = pa.schema(
    [
        ("table", pa.string()),
        ("rows", pa.int64()),
        ("bytes", pa.int64()),
        ("bytes_a_row", pa.float64()),
        ("files", pa.int64()),
        ("dates", pa.int64()),
        ("first_time", pa.string()),
        ("last_time", pa.string()),
    ]
)


@dataclass(frozen=True, slots=True)
class Explained:
    """What of a table a question about a symbol and a window leaves out unread, by statistics.

    Of files by the log, of row groups by the footers of the files that are left. rows_read are those of the row groups
    that are left; the rows asked for are among them.
    """

    table: str
    files: int
    files_read: int
    row_groups: int
    row_groups_read: int
    rows: int
    rows_read: int

    def __str__(self) -> str:
        return "\n".join(
            f"{self.table}: {read:,} of {held:,} {what}, {1 - read / held if held else 0:.1%} left out"
            for what, held, read in (
                ("files", self.files, self.files_read),
                ("row groups of these", self.row_groups, self.row_groups_read),
                ("rows", self.rows, self.rows_read),
            )
        )


def tables(engine: Engine) -> pa.Table:
    """Return one row a table: rows, bytes, files, dates, and from when to when."""
    return pa.Table.from_pylist(
        [_row(table, engine.files(table, start_ns=0, end_ns=NS_MAX)) for table in TABLES], schema=_TABLES
    )


def explained(engine: Engine, table: str, symbol: str, bounds: Window) -> Explained:
    """Return what a question would read of a table. Errors: FilesDamaged."""
    held = engine.files(table, start_ns=0, end_ns=NS_MAX)
    left = engine.readable(table, bounds, symbol)
    footers = [engine.rows.footer(file) for file in left]
    groups = [group for footer in footers for group in footer.groups(symbol, bounds)]
    return Explained(
        table=table,
        files=len(held),
        files_read=len(left),
        row_groups=sum(footer.metadata.num_row_groups for footer in footers),
        row_groups_read=len(groups),
        rows=sum(file.rows for file in held),
        rows_read=sum(group.rows for group in groups),
    )


def _row(table: str, files: Sequence[FileInfo]) -> dict[str, object]:
    rows, size = sum(file.rows for file in files), sum(file.size for file in files)
    return {
        "table": table,
        "rows": rows,
        "bytes": size,
        "bytes_a_row": round(size / rows, 2) if rows else None,
        "files": len(files),
        "dates": len({file.date for file in files}),
        "first_time": iso(min(file.first_ns for file in files)) if files else None,
        "last_time": iso(max(file.last_ns for file in files)) if files else None,
    }
