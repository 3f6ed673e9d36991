"""Bytes and CPU a row of `book_changes`: which encoding for which column, and what a whole file comes to.

Rows are of real recordings and of the synthetic market, made offline: batches of a minute, an hour and a day of them
merged to one file, as compaction does. A cell of several figures has one for each of these, in
the order of the heading. CPU is of this process, and of writing to memory: no disk, no hash.
"""

import io
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from offline import batches

from capture.venue.market import SyntheticMarket
from capture.venue.recording import SHIPPED, load
from storage.batches import dated_tables
from storage.files import LEVEL_DENSE, LEVEL_FAST, parquet_options, write_parquet
from storage.row_order import ROW_GROUP_ROWS, merged, row_groups
from storage.schemas import TABLES

TABLE: Final = "book_changes"
REAL: Final = {"btcusd-d10-resubscribe": 10, "ethusd-d25": 25, "spot10-d1000": 1000}
SYMBOLS: Final = 40
DEPTH: Final = 100
STRETCHES: Final = {"hour": (3600, 200.0), "day": (86_400, 8.0)}  # Seconds, and messages a second.
ENCODINGS: Final = {
    "plain": "PLAIN",
    "dictionary": None,
    "delta": "DELTA_BINARY_PACKED",
    "split": "BYTE_STREAM_SPLIT",
    "text delta": "DELTA_BYTE_ARRAY",
}
Files = Sequence[pa.Table]


@dataclass(frozen=True, slots=True)
class Cost:
    """Of some files: bytes, and ns of CPU, a row."""

    size: float
    write_ns: float
    read_ns: float


def measure(seconds: Mapping[str, tuple[int, float]] = STRETCHES) -> None:
    """Print all tables."""
    made = {name: list(_by_batch(load([SHIPPED / f"{name}.fix.gz"]), depth, 3600)) for name, depth in REAL.items()}
    for name, (length, rate) in seconds.items():
        made[f"{name}, by the minute"] = list(_by_batch(SyntheticMarket(SYMBOLS, rate=rate), DEPTH, length))
    files = {name: _of(TABLE, tables) for name, tables in made.items()}
    for name in seconds:
        files[name] = [merged(TABLE, files[f"{name}, by the minute"])]
    _print_columns({name: files[name] for name in ("ethusd-d25", "spot10-d1000", "hour, by the minute", "hour")})
    _print_variants({name: files[name] for name in ("ethusd-d25", "spot10-d1000", "hour, by the minute", "hour")})
    _print_totals(files)
    _print_tables({name: made[name] for name in ("ethusd-d25", "spot10-d1000", "hour, by the minute")})


def _by_batch(source: Any, depth: int, seconds: float) -> Any:
    """Yield the tables of each batch by name."""
    for batch in batches(source, depth, seconds):
        columns = batch.columns
        dated = {name: list(dated_tables(table, columns.names)) for name, table in columns.tables().items()}
        yield {name: rows for name, [(_, rows)] in ((name, found) for name, found in dated.items() if found)}


def _of(name: str, made: Sequence[Mapping[str, pa.Table]]) -> Files:
    return [tables[name] for tables in made if name in tables]


def _cost(files: Files, write: Callable[[io.BytesIO, pa.Table], None]) -> Cost:
    rows, written = sum(map(len, files)), [io.BytesIO() for _ in files]
    begin = time.process_time_ns()
    for file, table in zip(written, files, strict=True):
        write(file, table)
    middle = time.process_time_ns()
    for file in written:
        pq.read_table(file)
    end = time.process_time_ns()
    size = sum(len(file.getvalue()) for file in written)
    return Cost(size / rows, (middle - begin) / rows, (end - middle) / rows)


def _print_columns(files: Mapping[str, Files]) -> None:
    """Print each column under each encoding, alone in a file without statistics."""
    chosen = parquet_options(TABLE, LEVEL_FAST)["column_encoding"]
    sizes, times = [], []
    for column in next(iter(files.values()))[0].column_names:
        costs = {label: _column_costs(files, column, encoding) for label, encoding in ENCODINGS.items()}
        label = next(it for it, encoding in ENCODINGS.items() if encoding == chosen.get(column))
        sizes.append([f"`{column}`", label, *(_joined([f"{it.size:.2f}" for it in found]) for found in costs.values())])
        of_hour = [found[-1:] for found in costs.values()]
        times.append(
            [
                f"`{column}`",
                label,
                *(_joined([f"{it.write_ns:.0f}, {it.read_ns:.0f}" for it in one]) for one in of_hour),
            ]
        )
    print(f"`{TABLE}`, bytes a row of each column, zstd {LEVEL_FAST}: {' / '.join(files)}.\n")
    _print(["column", "written as", *ENCODINGS], sizes)
    print(f"The same, CPU in ns a row to write and to read: {list(files)[-1]}.\n")
    _print(["column", "written as", *ENCODINGS], times)
    _print_readable()


def _column_costs(files: Mapping[str, Files], column: str, encoding: str | None) -> list[Cost]:
    """Return what a column costs, or nothing where its type has no such encoding."""
    try:
        return [
            _cost([rows.select([column]) for rows in them], partial(_write_column, encoding)) for them in files.values()
        ]
    except OSError:
        return []


def _write_column(encoding: str | None, file: io.BytesIO, rows: pa.Table) -> None:
    [name], [column] = rows.column_names, rows.columns
    if encoding is not None and pa.types.is_dictionary(column.type):
        rows = pa.table({name: column.cast(pa.string())})
    pq.write_table(
        rows,
        file,
        compression="zstd",
        compression_level=LEVEL_FAST,
        use_dictionary=encoding is None,
        column_encoding=None if encoding is None else {name: encoding},
        write_statistics=False,
        max_rows_per_page=ROW_GROUP_ROWS,
        row_group_size=ROW_GROUP_ROWS,
        store_schema=False,
    )


def _print_readable() -> None:
    """Print which encodings of integers the DuckDB of this environment reads."""
    found = {}
    for label in ("plain", "dictionary", "delta", "split"):
        file = io.BytesIO()
        _write_column(ENCODINGS[label], file, pa.table({"size": [1, 2, 3]}))
        with tempfile.NamedTemporaryFile(suffix=".parquet") as on_disk, duckdb.connect() as connection:
            on_disk.write(file.getvalue())
            on_disk.flush()
            try:
                answer = connection.execute("SELECT sum(size) FROM read_parquet(?)", [on_disk.name]).fetchall()
            except duckdb.Error as error:
                found[label] = str(error).splitlines()[0]
            else:
                found[label] = "yes" if answer == [(6,)] else f"wrongly, {answer}"
    print(f"DuckDB {duckdb.__version__} reads integers: {', '.join(f'{it}: {how}' for it, how in found.items())}.\n")


def _print_variants(files: Mapping[str, Files]) -> None:
    """Print what a whole file comes to when one thing is done otherwise."""
    encodings = parquet_options(TABLE, LEVEL_FAST)["column_encoding"]
    every = next(iter(files.values()))[0].column_names

    def encoded(name: str, **changes: str) -> dict[str, Any]:
        return {name: {"column_encoding": {**encodings, **changes}}}

    variants: dict[str, dict[str, Any]] = {
        "as written": {},
        **{f"zstd {level}": {"compression_level": level} for level in (1, 3, 6, 9, 12, 19)},
        **encoded("`receive_ns` as deltas", receive_ns="DELTA_BINARY_PACKED"),
        **encoded("`entry_ms` as deltas", entry_ms="DELTA_BINARY_PACKED"),
        **encoded("`price` plain", price="PLAIN"),
        **encoded("`price` split", price="BYTE_STREAM_SPLIT"),
        "all plain": {"column_encoding": dict.fromkeys(encodings, "PLAIN")},
        "all in dictionaries": {"use_dictionary": True, "column_encoding": None},
        "pages of 20,000 rows": {"max_rows_per_page": 20_000},
        "pages of 64 KiB": {"data_page_size": 1 << 16},
        "data pages of version 2": {"data_page_version": "2.0"},
        "page index": {"write_page_index": True, "write_statistics": every},
        "statistics of all columns": {"write_statistics": every},
        "no page checksums": {"write_page_checksum": False},
        "row groups of 122,880, none by symbol": {"row_group_rows": ROW_GROUP_ROWS},
        "row groups of 1,048,576, none by symbol": {
            "row_group_rows": 1 << 20,
            "max_rows_per_page": 1 << 20,
            "data_page_size": 1 << 23,
        },
        "no column nullable that holds no null": {"required": True},
    }
    for them in files.values():
        _cost(them, partial(_write_whole, {}))  # Memory is there, and code is warm, before anything is counted.
    lines = []
    for name, changes in variants.items():
        costs = [_cost(them, partial(_write_whole, changes)) for them in files.values()]
        last = costs[-1]
        lines.append([name, *(f"{it.size:.2f}" for it in costs), f"{last.write_ns:.0f}", f"{last.read_ns:.0f}"])
    print(f"`{TABLE}`, bytes a row of whole files, and CPU in ns a row of the last.\n")
    _print(["", *files, "write", "read"], lines)


def _write_whole(changes: Mapping[str, Any], file: io.BytesIO, rows: pa.Table) -> None:
    options = {**parquet_options(TABLE, LEVEL_FAST), **changes}
    group_rows, required = options.pop("row_group_rows", 0), options.pop("required", False)
    schema = rows.schema
    if required:
        schema = pa.schema([field.with_nullable(rows[field.name].null_count > 0) for field in schema])
    with pq.ParquetWriter(file, schema, **options) as writer:
        for group in [rows] if group_rows else row_groups(TABLE, rows):
            writer.write_table(group.cast(schema) if required else group, row_group_size=group_rows or len(group))


def _print_totals(files: Mapping[str, Files]) -> None:
    """Print what is on disk: files as batches leave them, and as compaction does."""
    lines = []
    for name, them in files.items():
        fast, dense = (_cost(them, partial(_write, TABLE, level)) for level in (LEVEL_FAST, LEVEL_DENSE))
        snapshots = sum(pc.sum(pc.equal(rows["action"].cast(pa.string()), "snapshot")).as_py() for rows in them)
        rows = sum(map(len, them))
        lines.append(
            [
                name,
                f"{len(them)}",
                f"{rows:,}",
                f"{100 * snapshots / rows:.0f} %",
                f"{fast.size:.2f}",
                f"{dense.size:.2f}",
            ]
        )
    print(f"`{TABLE}` as the lake's files have it.\n")
    _print(["", "files", "rows", "of snapshots", f"bytes a row, zstd {LEVEL_FAST}", f"zstd {LEVEL_DENSE}"], lines)


def _write(name: str, level: int, file: io.BytesIO, rows: pa.Table) -> None:
    write_parquet(file, name, [rows], level=level)


def _print_tables(made: Mapping[str, Sequence[Mapping[str, pa.Table]]]) -> None:
    """Print the other tables."""
    lines = []
    for name in TABLES:
        cells = []
        for tables in made.values():
            rows = sum(map(len, _of(name, tables)))
            size = _cost(_of(name, tables), partial(_write, name, LEVEL_FAST)).size if rows else 0
            cells.append(f"{size:.1f} ({rows:,})" if rows else "-")
        lines.append([f"`{name}`", *cells])
    print(f"Bytes a row, and rows, of each table in batches of a minute, zstd {LEVEL_FAST}.\n")
    _print(["table", *made], lines)


def _joined(figures: Sequence[str]) -> str:
    return " / ".join(figures) or "-"


def _print(heads: Sequence[str], lines: Sequence[Sequence[str]]) -> None:
    for line in (heads, ["---"] * len(heads), *lines):
        print("| " + " | ".join(line) + " |")
    print(flush=True)
