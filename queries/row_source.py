"""Rows of one symbol, or of all, out of the lake's files, row group by row group: read is what may hold some.

Layer: queries, beside the engine, for loops of our own; SQL is the engine's. Knows files and columns, no question.
Source: design section 5: rows stand by symbol in a file and by arrival within a symbol, and row groups say what they
hold. Statistics are believed no further than that: a row group they let pass is looked into.
Left to others: which files there are (`queries.engine`), what the rows mean.

At most one row group of each file that overlaps in time is held at once, and one more while it is looked whether it
goes on at the same nanosecond.
"""

from bisect import bisect_left, bisect_right
from collections import OrderedDict, deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, Final, NamedTuple, Self

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from queries.errors import FilesDamaged
from queries.times import Window
from storage.lake import FileInfo
from storage.schemas import SCHEMAS, dictionary_columns
from storage.stores import LocalStore

FOOTERS_LIMIT: Final = 4096  # Of files, kept; the one not used for longest goes first.
KEPT_ROWS_LIMIT: Final = 500_000  # Of all that is kept together; the rows not used for longest go first.
NAMES: Final = frozenset(
    {"session_id", "symbol", "side", "action", "kind"}
)  # Read as dictionaries, as they are written.
ARRIVAL: Final = (("receive_ns", "ascending"), ("session_id", "ascending"), ("msg_seq_num", "ascending"))


Runs = dict[str | None, list[tuple[int, int]]]  # By symbol: where its rows begin, and how many there are; mostly one.


class Group(NamedTuple):
    """One row group that may hold rows of a symbol and window.

    is_pure: it holds no other symbol. session_id: the only one in it, or None.
    """

    place: int
    rows: int
    is_pure: bool
    session_id: str | None


@dataclass(frozen=True, slots=True)
class Footer:
    """What a file says of itself at its end, and where symbols stand in its row groups."""

    metadata: pq.FileMetaData
    columns: dict[str, int]  # Where each stands.
    runs: dict[int, "Runs"] = field(default_factory=dict)  # By row group, of those that were looked into.

    def groups(self, symbol: str | None, bounds: Window, session_id: str | None = None) -> list[Group]:
        """Return the row groups that may hold rows of a symbol in a window, and of a session if one is given."""
        found = []
        for place in range(self.metadata.num_row_groups):
            group = self.metadata.row_group(place)
            symbols = self._range(group, "symbol")
            times = self._range(group, "receive_ns")
            sessions = self._range(group, "session_id")
            if symbol is not None and symbols is not None and not symbols[0] <= symbol <= symbols[1]:
                continue
            if times is not None and (times[1] < bounds.start_ns or times[0] >= bounds.end_ns):
                continue
            if session_id is not None and sessions is not None and not sessions[0] <= session_id <= sessions[1]:
                continue
            only = sessions[0] if sessions is not None and sessions[0] == sessions[1] else None
            is_pure = symbols == (symbol, symbol) and not self._has_nulls(group, "symbol")
            found.append(Group(place, group.num_rows, is_pure, only))
        return found

    def _has_nulls(self, group: pq.RowGroupMetaData, name: str) -> bool:
        """Return whether a column may hold nulls, of which its lowest and highest value say nothing."""
        statistics = group.column(self.columns[name]).statistics
        return statistics is None or not statistics.has_null_count or bool(statistics.null_count)

    def _range(self, group: pq.RowGroupMetaData, name: str) -> tuple[Any, Any] | None:
        statistics = group.column(self.columns[name]).statistics
        return (statistics.min, statistics.max) if statistics is not None and statistics.has_min_max else None


class RowSource:
    """Reads rows, mostly of one symbol. Footers and some rows are kept: a file's name is its content's.

    Any number of threads may read.
    """

    def __init__(self) -> None:
        self._footers: OrderedDict[str, Footer] = OrderedDict()
        self._kept: OrderedDict[tuple[str, int, str, tuple[str, ...]], pa.Table] = OrderedDict()
        self._lock = Lock()

    def footer(self, file: FileInfo) -> Footer:
        """Return the footer of a file. Errors: FilesDamaged."""
        with self._lock:
            kept = self._footers.get(file.place)
            if kept is not None:
                self._footers.move_to_end(file.place)
                return kept
        try:
            metadata = pq.read_metadata(_opened(file))
        except (OSError, pa.ArrowException) as error:
            raise FilesDamaged({file.place: _first_line(error)}) from error
        names = [metadata.schema.column(place).path.partition(".")[0] for place in range(metadata.num_columns)]
        footer = Footer(metadata, {name: place for place, name in enumerate(names)})
        with self._lock:
            self._footers[file.place] = footer
            if len(self._footers) > FOOTERS_LIMIT:
                self._footers.popitem(last=False)
        return footer

    def parts(
        self,
        table: str,
        file: FileInfo,
        symbol: str | None,
        columns: Sequence[str],
        bounds: Window,
        *,
        session_id: str | None = None,
        newest_first: bool = False,
        keep: bool = False,
    ) -> Iterator[pa.Table]:
        """Yield the rows of a symbol in a window of one file, a row group at a time; a column the file lacks is null.

        symbol: None for all rows, which then stand by symbol. session_id: row groups without it are left out; rows of
        others in the same group are not. keep: for a single answer: read by several threads, and kept for a while.
        Errors: FilesDamaged.
        """
        footer = self.footer(file)
        groups = footer.groups(symbol, bounds, session_id)
        try:
            with _Reader(table, file, footer, threads=keep) as reader:
                for group in reversed(groups) if newest_first else groups:
                    if symbol is None:
                        rows = _filtered(reader.rows(group, columns), bounds)
                    elif keep:
                        rows = _within(self._kept_rows(reader, group, symbol, columns), bounds)
                    else:
                        rows = _within(reader.of_symbol(group, symbol, columns), bounds)
                    if rows.num_rows:
                        yield rows
        except (OSError, pa.ArrowException) as error:
            raise FilesDamaged({file.place: _first_line(error)}) from error

    def _kept_rows(self, reader: "_Reader", group: Group, symbol: str, columns: Sequence[str]) -> pa.Table:
        """Return the rows of a symbol in a row group, and keep them: one book asks for the same ones several times."""
        key = (reader.file.place, group.place, symbol, tuple(columns))
        with self._lock:
            kept = self._kept.get(key)
            if kept is not None:
                self._kept.move_to_end(key)
                return kept
        rows = reader.of_symbol(group, symbol, columns)
        if len(rows) < group.rows:  # A slice would keep the memory of the whole row group.
            rows = rows.take(pa.array(range(len(rows)), pa.int32()))
        with self._lock:
            self._kept[key] = rows
            while sum(map(len, self._kept.values())) > KEPT_ROWS_LIMIT and len(self._kept) > 1:
                self._kept.popitem(last=False)
        return rows

    def arrivals(
        self, table: str, files: Sequence[FileInfo], symbol: str, columns: Sequence[str], bounds: Window
    ) -> Iterator[pa.Table]:
        """Yield the rows of a symbol in a window, by arrival, however the files overlap in time.

        Shapes: columns hold those of ARRIVAL. Within one file rows of equal receive time stand as they came.
        """
        ordered = sorted(files, key=lambda file: (file.first_ns, file.name))
        sources = ((file.first_ns, self.parts(table, file, symbol, columns, bounds)) for file in ordered)
        return by_arrival(sources)

    def first_of_sessions(self, files: Sequence[FileInfo], symbol: str, bounds: Window) -> dict[str, int]:
        """Return the receive time of the first message about a symbol in a window, for each session that sent one.

        A row group of a single session that was met before is not read.
        """
        found: dict[str, int] = {}
        for file in sorted(files, key=lambda file: (file.first_ns, file.name)):
            footer = self.footer(file)
            if all(group.session_id in found for group in footer.groups(symbol, bounds)):
                continue
            for rows in self.parts("messages", file, symbol, ("receive_ns", "session_id"), bounds):
                for session_id, at_ns in first_by_session(rows):
                    found[session_id] = min(at_ns, found.get(session_id, at_ns))
        return found


class _Reader:
    """Reads row groups of one file, which is opened for the first of them. threads: whether by several."""

    def __init__(self, table: str, file: FileInfo, footer: Footer, *, threads: bool) -> None:
        self.file = file
        self._table, self._footer, self._threads = table, footer, threads
        self._opened: pq.ParquetFile | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._opened is not None:
            self._opened.close()

    def rows(self, group: Group, columns: Sequence[str]) -> pa.Table:
        """Return all rows of a row group; a column that the file lacks is null."""
        held = [name for name in columns if name in self._footer.columns]
        return _completed(self._read(group, held), self._table, columns)

    def of_symbol(self, group: Group, symbol: str, columns: Sequence[str]) -> pa.Table:
        """Return the rows of a symbol in a row group; they stand together. Without any, no other column is read."""
        if group.is_pure:
            return self.rows(group, columns)
        runs = self._footer.runs.get(group.place)
        if runs is None:
            runs = self._footer.runs[group.place] = _runs(self._read(group, ["symbol"])["symbol"].combine_chunks())
        found = runs.get(symbol, ())
        if not found:
            return SCHEMAS[self._table].empty_table().select(list(columns))
        rows = self.rows(group, columns)
        return pa.concat_tables([rows.slice(begin, count) for begin, count in found])

    def _read(self, group: Group, columns: list[str]) -> pa.Table:
        if self._opened is None:
            names = [name for name in dictionary_columns(self._table) if name in NAMES]
            self._opened = pq.ParquetFile(
                _opened(self.file),
                metadata=self._footer.metadata,
                read_dictionary=names,
                page_checksum_verification=True,
            )
        return self._opened.read_row_group(group.place, columns=columns, use_threads=self._threads)


@dataclass(slots=True)
class _Active:
    """A source under way: rows not handed on yet."""

    rest: Iterator[pa.Table]
    rows: pa.Table = field(init=False)

    def __post_init__(self) -> None:
        self.rows = next(self.rest, None)

    @property
    def last_ns(self) -> int:
        return int(self.rows["receive_ns"][-1].as_py())

    def more(self) -> bool:
        """Take the next rows in; return whether there were any."""
        following = next(self.rest, None)
        if following is None:
            return False
        self.rows = pa.concat_tables([self.rows, following]).unify_dictionaries()
        return True

    def take(self, until_ns: int) -> pa.Table:
        """Return the rows up to a moment, it included, and forget them."""
        count = bisect_right(views(self.rows, ("receive_ns",))[0], until_ns)
        taken, self.rows = self.rows.slice(0, count), self.rows.slice(count)
        return taken


def by_arrival(sources: Iterable[tuple[int, Iterator[pa.Table]]]) -> Iterator[pa.Table]:
    """Yield the rows of several sources by arrival.

    Shapes: each source by arrival itself, with its first moment; those that begin earliest come first.
    """
    waiting = deque(sources)
    active: list[_Active] = []
    while waiting or active:
        until_ns = min((source.last_ns for source in active), default=None)
        if waiting and (until_ns is None or waiting[0][0] <= until_ns):
            source = _Active(waiting.popleft()[1])
            if source.rows is not None:
                active.append(source)
            continue
        assert until_ns is not None, "something is waiting or active"
        for source in active:  # Whoever ends at that moment may go on at it in the next row group.
            while source.last_ns == until_ns and source.more():
                pass
        taken = [rows for source in active if (rows := source.take(until_ns)).num_rows]
        active = [source for source in active if source.rows.num_rows or source.more()]
        yield taken[0] if len(taken) == 1 else _sorted(taken)


def of_sessions(rows: pa.Table) -> Iterator[tuple[str, pa.Table]]:
    """Yield rows as stretches of one session each."""
    names = rows["session_id"].combine_chunks()
    if not pa.types.is_dictionary(names.type):
        names = names.dictionary_encode()
    begin = 0
    runs = pc.run_end_encode(names.indices)
    for end, code in zip(runs.run_ends.to_pylist(), runs.values.to_pylist(), strict=True):
        yield names.dictionary[code].as_py(), rows.slice(begin, end - begin)
        begin = end


def first_by_session(rows: pa.Table) -> Iterator[tuple[str, int]]:
    """Yield each stretch of a session with its first moment."""
    return ((session_id, part["receive_ns"][0].as_py()) for session_id, part in of_sessions(rows))


def views(rows: pa.Table, names: Sequence[str]) -> "list[memoryview[int]]":
    """Return columns as views of the memory that they stand in: integers without a null, or codes of a dictionary."""
    return [_view(rows[name].combine_chunks()) for name in names]


def _view(column: pa.Array) -> "memoryview[int]":
    if pa.types.is_dictionary(column.type):
        column = column.indices
    width = column.type.bit_width // 8
    held = memoryview(column.buffers()[1])[column.offset * width : (column.offset + len(column)) * width]
    match width:
        case 8:
            return held.cast("q")
        case 4:
            return held.cast("i")
        case 2:
            return held.cast("h")
    assert width == 1, "integers of a lake have 8, 16, 32 or 64 bits"
    return held.cast("b")


def _runs(symbols: pa.DictionaryArray) -> Runs:
    """Return where each symbol stands in a row group; in files of ours each stands in one run."""
    found: Runs = {}
    names, begin = symbols.dictionary.to_pylist(), 0
    runs = pc.run_end_encode(symbols.indices)
    for end, code in zip(runs.run_ends.to_pylist(), runs.values.to_pylist(), strict=True):
        found.setdefault(None if code is None else names[code], []).append((begin, end - begin))
        begin = end
    return found


def _within(rows: pa.Table, bounds: Window) -> pa.Table:
    """Return the rows of a window; they are in the order of their receive time."""
    if not rows.num_rows:
        return rows
    times = views(rows, ("receive_ns",))[0]
    if times[0] >= bounds.start_ns and times[-1] < bounds.end_ns:
        return rows
    begin = bisect_left(times, bounds.start_ns)
    return rows.slice(begin, bisect_left(times, bounds.end_ns) - begin)


def _filtered(rows: pa.Table, bounds: Window) -> pa.Table:
    """Return the rows of a window; they are in any order."""
    times = rows["receive_ns"]
    return rows.filter(pc.and_(pc.greater_equal(times, bounds.start_ns), pc.less(times, bounds.end_ns)))


def _completed(rows: pa.Table, table: str, columns: Sequence[str]) -> pa.Table:
    """Return rows with all the columns asked for, in their order."""
    if rows.column_names == list(columns):
        return rows
    schema = SCHEMAS[table]
    held = set(rows.column_names)
    made = [rows[name] if name in held else pa.nulls(len(rows), schema.field(name).type) for name in columns]
    return pa.table(made, names=list(columns))


def _sorted(parts: Sequence[pa.Table]) -> pa.Table:
    """Return rows of several files as they arrived; those of one message stay as they stand, all from one file."""
    rows = pa.concat_tables([_plain(part) for part in parts])
    return rows.take(pc.sort_indices(rows, sort_keys=list(ARRIVAL)))


def _plain(rows: pa.Table) -> pa.Table:
    """Return rows with sessions as strings, which sort by name and not by code."""
    place = rows.column_names.index("session_id")
    return rows.set_column(place, "session_id", rows["session_id"].cast(pa.string()))


def _opened(file: FileInfo) -> Any:
    """Return what pyarrow reads a file from."""
    return file.path if isinstance(file.store, LocalStore) else pa.PythonFile(file.store.open(file.name), mode="r")


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
