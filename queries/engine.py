"""DuckDB in memory over one list of the lake's files, locked to them.

Layer: queries, below the tape. Knows the lake's file lists and SQL, no question in particular.
Source: design section 5, the Delta log is where readers take their files from; faults E2, E3, E8; libraries 1.1 and 5.
Left to others: which questions there are (`queries.tape`, `queries.books`).

Written in what DuckDB 1.5 and 2.0 both do. Three things are as measured on both: `hive_partitioning` is off, because a
directory above the lake called `symbol=x` would otherwise replace the column; files are allowed one by one, because an
allowed directory can be written into; a question gets the files that the log's statistics leave, because
`union_by_name` reads the footer of every file it is given, each time, unless footers are kept: a file's name is its
content's, so its footer stays true. Files of an object store are handed over as an Arrow dataset, which takes columns
and filters from DuckDB: what could fetch them itself is no part of its wheel.
"""

import re
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from threading import Lock
from typing import Any, Final, NamedTuple, TypeVar, cast

import duckdb
import pyarrow as pa

from queries.errors import Misused, StatementFailed
from queries.file_gate import FileGate
from queries.row_source import RowSource
from queries.statements import statement
from queries.times import Window
from storage.lake import FileInfo
from storage.schemas import LEVELS, SCHEMAS, SIGHTINGS, TABLE_LAST
from storage.stores import LocalStore

FIRST_FILES: Final = 8  # How many of the newest files a backward search reads first; each further step doubles it.
THREADS_LIMIT: Final = 1024
KEPT_FOOTERS_LIMIT: Final = 10_000  # Files of a lake whose footers are kept once read; of more they would be too much.
MADE_LIMIT: Final = 2  # What `once` keeps: the events of two windows.
_Made = TypeVar("_Made")
_MEMORY: Final = re.compile(r"\d{1,6}(\.\d{1,3})? ?[KMGT]i?B", re.ASCII)
_NO_PARTS: Final[Mapping[str, str]] = {}
_NO_TABLES: Final[Mapping[str, pa.Table]] = {}
MACROS: Final = (
    "macro_scaled",
    "macro_at_scale",
    "macro_time_of_ms",
    "macro_utc_text",
    "macro_mid",
    "macro_spread_bps",
    "macro_microprice",
    "macro_imbalance",
    "macro_imbalance_of_levels",
    "macro_order_flow",
    "macro_side_sign",
    "macro_effective_spread",
    "macro_depth_within",
    "macro_sweep_price",
    "macro_kyle_lambda",
)
_SETTINGS: Final[dict[str, str | bool | int | float | list[str]]] = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "allow_community_extensions": "false",
    "allow_persistent_secrets": "false",
    "python_enable_replacements": "false",  # A variable of the caller is no table.
    "temp_directory": "",  # Nothing is spilled beside the working directory.
}
# Only names of our own tables and columns are put into a statement, and paths into that of a view, quoted; values and
# all other paths are bound.
_FROM_RAW: Final = "SELECT * FROM raw.{}"
_FROM_FILES: Final = "SELECT * FROM read_parquet(${}_files, union_by_name = true, hive_partitioning = false)"
_DATASET: Final = "stored_{}"  # What a dataset over files of an object store is called on the cursor that asks.
_GIVEN: Final = "given_{}"  # And what rows of ours are called there: a view may have their name.
_FROM_GIVEN: Final = "SELECT * FROM given_{}"
_FROM_DATASET: Final = "SELECT * FROM stored_{}"
_FROM_LIST: Final = "SELECT * FROM read_parquet([{}], union_by_name = true, hive_partitioning = false)"
_SQL_TYPES: Final[Mapping[pa.DataType, str]] = {
    pa.int64(): "BIGINT",
    pa.int32(): "INTEGER",
    pa.int16(): "SMALLINT",
    pa.int8(): "TINYINT",
    pa.string(): "VARCHAR",
    LEVELS: "BIGINT[]",
}


class Limits(NamedTuple):
    """What a database may use: bytes of memory as DuckDB writes them, e.g. 2GiB, and threads; None as DuckDB has it."""

    memory: str | None = None
    threads: int | None = None

    def settings(self) -> dict[str, str | bool | int | float | list[str]]:
        """Return them as DuckDB's settings. Errors: Misused."""
        settings: dict[str, str | bool | int | float | list[str]] = {}
        if self.memory is not None:
            if not _MEMORY.fullmatch(self.memory):
                raise Misused(f"memory limit {self.memory!r}: write a number and one of MB, GB, MiB, GiB, e.g. 2GiB")
            settings["memory_limit"] = self.memory
        if self.threads is not None:
            if not 1 <= self.threads <= THREADS_LIMIT:
                raise Misused(f"threads are {self.threads}; use 1 to {THREADS_LIMIT}")
            settings["threads"] = self.threads
        return settings


NO_LIMITS: Final = Limits()


class _Database(NamedTuple):
    """A database; in_raw: a cursor that makes views in `raw`, once the settings are locked too."""

    whole: duckdb.DuckDBPyConnection
    in_raw: duckdb.DuckDBPyConnection


class Engine:
    """One database in memory over one list of files; a later list is another engine.

    Each call has a cursor of its own, so any number of threads may ask. A relation keeps alive what it needs when its
    engine is let go of, not when it is closed.
    """

    def __init__(
        self, files: Mapping[str, Sequence[FileInfo]], gate: FileGate, *, locked: bool, limits: Limits = NO_LIMITS
    ) -> None:
        self.listed, self._gate = files, gate
        self.rows = RowSource()
        self._lock = Lock()
        self._has_views = self._is_closed = False
        self._made: dict[Hashable, object] = {}
        self._settings, self._locked = {**_SETTINGS, **limits.settings()}, locked
        self._database: _Database | None = None

    def _opened(self) -> "_Database":
        """Return the database, made with the first statement: a book needs none. The caller holds the lock."""
        if self._is_closed:
            raise duckdb.ConnectionException("the tape is closed")
        if self._database is None:
            whole = duckdb.connect(":memory:", config=self._settings)
            whole.execute("SET GLOBAL TimeZone = 'UTC'")
            if sum(map(len, self.listed.values())) <= KEPT_FOOTERS_LIMIT:
                whole.execute("SET GLOBAL parquet_metadata_cache = true")
            whole.execute("CREATE SCHEMA raw")
            whole.execute(";".join(map(statement, MACROS)))
            in_raw = whole.cursor()
            in_raw.execute("SET schema = 'raw'")
            if self._locked:
                self._lock_down(whole)
            self._database = _Database(whole, in_raw)
        return self._database

    def _lock_down(self, database: duckdb.DuckDBPyConnection) -> None:
        """Leave the lake's files to read, and nothing else outside the database."""
        paths = [path for files in self.listed.values() if _in_directory(files) for path in _paths(files)]
        database.execute("SET allowed_paths = $paths", {"paths": paths})
        database.execute("SET enable_external_access = false")
        database.execute("SET lock_configuration = true")

    def close(self) -> None:
        """Close the database, and with it every relation not read yet."""
        with self._lock:
            self._is_closed = True
            if self._database is not None:
                self._database.in_raw.close()
                self._database.whole.close()

    @property
    def is_united(self) -> bool:
        """Whether the tape was merged of two recorders': its messages are of one session that nobody held."""
        return bool(self.listed.get(SIGHTINGS))

    def files(self, table: str, *, start_ns: int, end_ns: int, symbol: str | None = None) -> list[FileInfo]:
        """Return the files of a table that can hold a row of a window, and of a symbol if one is given."""
        return [
            file
            for file in self.listed[table]
            if file.last_ns >= start_ns and file.first_ns < end_ns and (symbol is None or _can_hold(file, symbol))
        ]

    def readable(self, table: str, bounds: Window, symbol: str | None) -> list[FileInfo]:
        """Return those of the files that can be read, for `rows`. Errors: FilesDamaged."""
        return self._gate.passed(self.files(table, start_ns=bounds.start_ns, end_ns=bounds.end_ns, symbol=symbol))

    def extent(self) -> tuple[int, int] | None:
        """Return the first and last receive_ns of all tables, or None for a lake without rows."""
        files = [file for of_table in self.listed.values() for file in of_table]
        return (min(file.first_ns for file in files), max(file.last_ns for file in files)) if files else None

    def ask(
        self,
        name: str,
        files: Mapping[str, Sequence[FileInfo]],
        parameters: Mapping[str, object],
        *,
        parts: Mapping[str, str] = _NO_PARTS,
        tables: Mapping[str, pa.Table] = _NO_TABLES,
    ) -> duckdb.DuckDBPyRelation:
        """Return the relation of one statement of `queries/sql`, its tables read from these files alone.

        parts: further statements that it reads from by a name, each of which may read from those before it. tables:
            rows of ours that it reads from by a name.
        Errors: FilesDamaged, StatementFailed.
        """
        files = {table: self._gate.passed(of_table) for table, of_table in files.items()}
        sources = [
            f"{table} AS {_kept(table)} ({_view(table, _source(table, of_table))})" for table, of_table in files.items()
        ]
        sources += [f"{table} AS ({_FROM_GIVEN.format(table)})" for table in tables]
        sources += [f"{part} AS ({statement(file)})" for part, file in parts.items()]
        lists = {f"{table}_files": _paths(of_table) for table, of_table in files.items() if _in_directory(of_table)}
        with self._lock:
            cursor = self._opened().whole.cursor()
        try:
            for table, of_table in files.items():
                if of_table and not _in_directory(of_table):
                    cursor.register(_DATASET.format(table), _dataset(table, of_table))
            for table, rows in tables.items():
                cursor.register(_GIVEN.format(table), rows)
            with_sources = f"WITH {', '.join(sources)}" if sources else ""
            return cursor.sql(f"{with_sources} {statement(name)}", params={**lists, **parameters})
        except duckdb.Error as error:
            raise StatementFailed(str(error)) from error

    def once(self, key: Hashable, make: Callable[[], _Made]) -> _Made:
        """Return what was made for a key, or make it; a few are kept, as whoever asks of a window often asks again."""
        with self._lock:
            if key in self._made:
                return cast("_Made", self._made[key])
        made = make()
        with self._lock:
            while len(self._made) >= MADE_LIMIT:
                self._made.pop(next(iter(self._made)))
            self._made[key] = made
        return made

    def newest(
        self, name: str, table: str, files: Sequence[FileInfo], parameters: Mapping[str, object]
    ) -> tuple[Any, ...] | None:
        """Return the one row of a statement that looks for the last of something, reading no older file than it must.

        Shapes: the row's last column is its receive_ns.
        """
        for some in _newest_first(files):
            rows = self.ask(name, {table: some}, parameters).fetchall()
            if not rows:
                continue
            later = [file for file in files if file.last_ns >= rows[0][-1]]
            if len(later) > len(some):  # Files overlap in time, so one not read yet may hold a later row.
                rows = self.ask(name, {table: later}, parameters).fetchall()
            return tuple(rows[0])
        return None

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """Return a connection of the caller's own on the views over all files."""
        with self._lock:
            cursor = self._opened().whole.cursor()
            if not self._has_views:
                self._make_views(cursor, self._opened().in_raw)
                self._has_views = True
            return cursor

    def script(self) -> str:
        """Return SQL that makes the same views and macros in any DuckDB, over the files as they are listed now.

        Errors: Misused where they are in an object store, which a DuckDB of one's own reads in its own way.
        """
        lines = ["CREATE SCHEMA IF NOT EXISTS raw"]
        lines += [statement(macro).replace("CREATE MACRO", "CREATE OR REPLACE MACRO") for macro in MACROS]
        for table in SCHEMAS:
            files = self._gate.passed(self.listed[table])
            if files and not _in_directory(files):
                raise Misused("a script needs a tape in a directory; copy it out of the object store")
            lines.append(f"CREATE OR REPLACE VIEW raw.{table} AS {_listed(table, files)}")
            lines.append(f"CREATE OR REPLACE VIEW main.{table} AS {_view(table, _FROM_RAW.format(table))}")
        return "".join(f"{line.strip().removesuffix(';')};\n" for line in lines)

    def _make_views(self, cursor: duckdb.DuckDBPyConnection, in_raw: duckdb.DuckDBPyConnection) -> None:
        """Make the views: in `raw` the tables as stored, in `main` as people read them."""
        for table in SCHEMAS:
            files = self._gate.passed(self.listed[table])
            if files and not _in_directory(files):
                in_raw.from_arrow(_dataset(table, files)).create_view(table)
            else:
                cursor.execute(f"CREATE VIEW raw.{table} AS {_listed(table, files)}")
            cursor.execute(f"CREATE VIEW main.{table} AS {_view(table, _FROM_RAW.format(table))}")


def _view(table: str, source: str) -> str:
    """Return a table as people read it, over a source of stored rows."""
    return f"WITH stored AS ({source}) {statement(f'view_{table}')}"


def _source(table: str, files: Sequence[FileInfo]) -> str:
    """Return the statement that reads the stored rows of files; no files, no rows.

    Files of a directory are bound to `$<table>_files`, those of an object store registered as a dataset.
    """
    if files:
        return _FROM_FILES.format(table) if _in_directory(files) else _FROM_DATASET.format(table)
    columns = ", ".join(f'CAST(NULL AS {_SQL_TYPES[field.type]}) AS "{field.name}"' for field in SCHEMAS[table])
    return f"SELECT {columns} WHERE false"


def _listed(table: str, files: Sequence[FileInfo]) -> str:
    """Return the statement that reads the stored rows of files of a directory, and binds nothing."""
    return _FROM_LIST.format(", ".join(map(_quoted, _paths(files)))) if files else _source(table, ())


def _kept(table: str) -> str:
    """Return whether a statement that names a table more than once reads it once and keeps it, as DuckDB is told.

    Events are few. Of another table each place reads what it needs alone, and skips the rest by statistics.
    """
    return "MATERIALIZED" if table == TABLE_LAST else "NOT MATERIALIZED"


def _dataset(table: str, files: Sequence[FileInfo]) -> Any:
    from storage.ranged import dataset  # noqa: PLC0415 - pyarrow's datasets, of an object store alone

    return dataset(table, files)


def _paths(files: Sequence[FileInfo]) -> list[str]:
    return [file.place for file in files]


def _in_directory(files: Sequence[FileInfo]) -> bool:
    """Return whether there are files, and DuckDB opens them itself; all files of a lake are in one kind of store."""
    return bool(files) and isinstance(files[0].store, LocalStore)


def _quoted(text: str) -> str:
    """Return text as a literal of SQL."""
    return "'" + text.replace("'", "''") + "'"


def _can_hold(file: FileInfo, symbol: str) -> bool:
    lowest, highest = file.symbol_lowest, file.symbol_highest
    return lowest is not None and highest is not None and lowest <= symbol <= highest


def _newest_first(files: Sequence[FileInfo]) -> Iterator[list[FileInfo]]:
    """Yield files in growing lots, those first that reach furthest."""
    ordered = sorted(files, key=lambda file: file.last_ns, reverse=True)
    begin, count = 0, FIRST_FILES
    while begin < len(ordered):
        yield ordered[begin : begin + count]
        begin, count = begin + count, count * 2
