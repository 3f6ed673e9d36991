"""What two recorders saw in one window, as columns: messages put together from the rows of their lakes.

Layer: storage. Knows Arrow tables of a recorder's lake; no file. The loop itself is `storage.union.kernel`.
Source: `capture.rows`, whose rows are turned back into the entries that they were made of; `capture.market.kernel`,
    whose columns these are as far as `capture.book.kernel` reads them.
Left to others: which message of the other recorder is the same (`storage.union.aligner`).
"""

from array import array
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any, Final, Literal

import pyarrow as pa
import pyarrow.compute as pc

from capture.columns import NULL, Action, Verdict
from capture.market.decoder import UPDATE_CHANGE, UPDATE_DELETE, UPDATE_NEW, Entry
from capture.sinks import Position
from storage.schemas import ENUM_NAMES
from storage.union.kernel import ENTRY_BYTES, HEAD_BYTES, NO_BOOK, REFRESH, SNAPSHOT, LineReader, Runner
from storage.union.line import Breaks, Line, Ref, Seen

Read = Callable[[str, Sequence[str]], pa.Table]  # Of a table's name and columns, its rows.
RECORDERS: Final = ("a", "b")  # As columns and texts name them, in the order in which they were given.

MESSAGE_COLUMNS: Final = (
    "symbol",
    "session_id",
    "msg_seq_num",
    "receive_ns",
    "sending_ms",
    "proof",
    "flags",
    "msg_type",
    "bytes",
    "entries",
    "checksum_received",
    "verdict",
    "segment",
    "segment_offset",
)
_ENTRY_COLUMNS: Final = (
    "symbol",
    "session_id",
    "msg_seq_num",
    "entry_index",
    "price",
    "size",
    "price_scale",
    "size_scale",
    "entry_ms",
)
CHANGE_COLUMNS: Final = (*_ENTRY_COLUMNS, "side", "action", "remaining_size")
TRADE_COLUMNS: Final = (*_ENTRY_COLUMNS, "order_type", "aggressor_side", "entry_id")

_KINDS: Final = {"W": SNAPSHOT, "X": REFRESH}
_UPDATES: Final = {
    Action.SNAPSHOT: UPDATE_NEW,
    Action.NEW: UPDATE_NEW,
    Action.CHANGE: UPDATE_CHANGE,
    Action.DELETE: UPDATE_DELETE,
    Action.EVICT: UPDATE_DELETE,
}
_CODES: Final[Mapping[str, Mapping[str, int]]] = {
    "verdict": {name: int(code == Verdict.MALFORMED) for code, name in enumerate(ENUM_NAMES["verdict"])},
    "side": {name: code for code, name in enumerate(ENUM_NAMES["side"])},
    "action": {name: _UPDATES.get(Action(code), UPDATE_NEW) for code, name in enumerate(ENUM_NAMES["action"])},
}
_LETTERS: Final[Mapping[int, Literal["b", "h", "i", "q"]]] = {8: "b", 16: "h", 32: "i", 64: "q"}
_UNKNOWN: Final = -1  # Of a name, before every code.


class Lines:
    """Messages of both recorders, the first one's before the second's, each by symbol, session and number.

    spans: by recorder and symbol, the places of its messages. sessions, segments, types: the names of codes; segments
    with the recorder before them. Message n has the entries from `entry_end[n - 1]` to `entry_end[n]`, the text of a
    trade's id stands in `ids`. linked: whether the one before it, or the last one taken, is right before it. plain:
    whether it is a refresh of one scale. What `capture.book.kernel` reads beside is there too, of no meaning.
    """

    def __init__(self, messages: int, entries: int, id_bytes: int) -> None:
        def room(kind: str, count: int) -> "array[int]":
            return array(kind, (0,)) * max(count, 1)

        self.own_seq, self.receive_ns, self.sending_ms = (room("q", messages) for _ in range(3))
        self.key_ms, self.checksum, self.segment_offset = (room("q", messages) for _ in range(3))
        self.session, self.segment, self.msg_type, self.size = (room("i", messages) for _ in range(4))
        self.proof, self.linked, self.plain, self.kind = (room("b", messages) for _ in range(4))
        self.price_scale, self.size_scale = room("b", messages), room("b", messages)
        self.flags, self.entry_end = room("h", messages), room("i", messages)
        self.update, self.entry_type = room("b", entries), room("b", entries)
        self.price, self.entry_size, self.entry_ms = (room("q", entries) for _ in range(3))
        self.entry_price_scale, self.entry_size_scale = room("b", entries), room("b", entries)
        self.id_begin, self.id_size = room("i", entries), room("i", entries)
        self.order_type, self.aggressor_side = room("b", entries), room("b", entries)
        self.ids = bytearray(max(id_bytes, 1))
        self.content = bytearray(HEAD_BYTES * messages + ENTRY_BYTES * entries + id_bytes)
        self.content_end = room("q", messages)
        self.contents: list[bytes] = []

        self.begin, self.subscription, self.snapshot = room("i", messages), room("i", messages), room("b", messages)
        self.seq = room("q", messages)  # By whoever applies a message: the number that its rows get.
        self.place_begin, self.place_segment, self.place_offset = room("q", 1), room("i", 1), room("q", 1)

        self.spans: tuple[dict[str | None, range], ...] = ({}, {})
        self.sessions: list[str] = []
        self.segments: list[str] = []
        self.types: list[str] = []
        self.runner = Runner(self)

    def span(self, which: int, symbol: str | None) -> range:
        """Return the places of a recorder's messages of a symbol."""
        return self.spans[which].get(symbol, range(0))

    def line(self, which: int, symbol: str | None) -> Line:
        """Return a recorder's messages of a symbol as they are compared with the other's."""
        span = self.span(which, symbol)
        part = slice(span.start, span.stop)
        return Line(
            self.contents[part],
            self.sending_ms[part].tolist(),
            self.key_ms[part].tolist(),
            self.linked[part].tolist(),
            [kind == SNAPSHOT for kind in self.kind[part]],
        )

    def entries_of(self, place: int) -> range:
        """Return the places of a message's entries."""
        return range(self.entry_end[place - 1] if place else 0, self.entry_end[place])

    def ref(self, place: int) -> Ref:
        """Return which message stands at a place."""
        return Ref(self.sessions[self.session[place]], self.own_seq[place], self.receive_ns[place])

    def seen(self, place: int) -> Seen:
        """Return the message at a place."""
        checksum = self.checksum[place]
        return Seen(
            self.ref(place),
            self.sending_ms[place],
            self.types[self.msg_type[place]],
            None if checksum == NULL else checksum,
            tuple(map(self._entry, self.entries_of(place))),
            self.flags[place],
            self.size[place],
            Position(self.segments[self.segment[place]], self.segment_offset[place]),
            self.kind[place] == SNAPSHOT,
        )

    def _entry(self, place: int) -> Entry:
        begin, entry_ms = self.id_begin[place], self.entry_ms[place]
        return Entry(
            self.update[place],
            self.entry_type[place],
            self.price[place],
            self.entry_size[place],
            self.entry_price_scale[place],
            self.entry_size_scale[place],
            None if entry_ms == NULL else entry_ms,
            self.ids[begin : begin + self.id_size[place]].decode("ascii"),
            self.order_type[place],
            self.aggressor_side[place],
        )


def read_lines(reads: Sequence[Read], breaks: Sequence[Breaks], taken: Sequence[Mapping[str | None, Ref]]) -> Lines:
    """Return what each recorder saw of each symbol that was read, and what of it was not taken yet.

    taken: of each symbol the last message that was, whose place tells which others were too.
    """
    tables = [
        (read("messages", MESSAGE_COLUMNS), read("book_changes", CHANGE_COLUMNS), read("trades", TRADE_COLUMNS))
        for read in reads
    ]
    texts = [_texts(trades) for _, _, trades in tables]
    lines = Lines(
        sum(messages.num_rows for messages, _, _ in tables),
        sum(changes.num_rows + trades.num_rows for _, changes, trades in tables),
        sum(len(data) for _, data in texts),
    )
    reader = LineReader(lines)
    for which, (messages, changes, trades) in enumerate(tables):
        begin = reader.count
        if messages.num_rows:
            _take(reader, lines, which, (messages, changes, trades), texts[which], taken[which])
        _part(lines, range(begin, reader.count), breaks[which], taken[which])
    data = bytes(memoryview(lines.content)[: reader.content_bytes])
    lines.contents = [data[begin:end] for begin, end in pairwise([0, *lines.content_end[: reader.count]])]
    return lines


def _take(
    reader: LineReader,
    lines: Lines,
    which: int,
    tables: Sequence[pa.Table],
    texts: tuple[memoryview, memoryview],
    taken: Mapping[str | None, Ref],
) -> None:
    """Append the messages of one recorder."""
    messages, changes, trades = map(_encoded, tables)
    symbols: list[str | None] = [*sorted(_values(messages, "symbol")), None]
    sessions = sorted({*_values(messages, "session_id"), *(ref.session_id for ref in taken.values())})
    codes = {
        **_CODES,
        "symbol": {name: code for code, name in enumerate(symbols) if name is not None},
        "session_id": {name: code for code, name in enumerate(sessions)},
        "msg_type": _extended(lines.types, _values(messages, "msg_type")),
    }
    segments = _extended(lines.segments, [f"{RECORDERS[which]}/{name}" for name in _values(messages, "segment")])
    codes["segment"] = {name.partition("/")[2]: code for name, code in segments.items()}
    of_messages, of_changes, of_trades = (
        [_view(table[name], codes.get(name), null=len(symbols) - 1 if name == "symbol" else _UNKNOWN) for name in names]
        for table, names in ((messages, MESSAGE_COLUMNS), (changes, CHANGE_COLUMNS), (trades, TRADE_COLUMNS[:-1]))
    )
    reader.messages(of_messages)
    reader.changes(of_changes)
    reader.trades([*of_trades, *texts])
    by_change = array("q", bytes(8 * changes.num_rows)) or array("q", (0,))
    change_count = reader.order_changes(by_change, changes.num_rows)
    nothing = array("i", bytes(4 * messages.num_rows))
    orders = (
        _ordered(reader, array("q", range(messages.num_rows)), messages.num_rows, (*of_messages[:3], nothing)),
        _ordered(reader, by_change, change_count, of_changes[:4]),
        _ordered(reader, array("q", range(max(trades.num_rows, 1))), trades.num_rows, of_trades[:4]),
    )
    last = [taken.get(symbol) for symbol in symbols]
    taken_places = (
        array("i", [_UNKNOWN if ref is None else codes["session_id"][ref.session_id] for ref in last]),
        array("q", [0 if ref is None else ref.msg_seq_num for ref in last]),
    )
    kinds = array("i", [_KINDS.get(name, NO_BOOK) for name in lines.types])
    counts = (messages.num_rows, change_count, trades.num_rows)
    for symbol, begin, end in reader.read(orders, counts, taken_places, kinds, len(lines.sessions)):
        if begin < end:
            lines.spans[which][symbols[symbol]] = range(begin, end)
    lines.sessions += sessions


def _texts(trades: pa.Table) -> tuple[memoryview, memoryview]:
    """Return where the text of each trade's id begins and ends, and the texts."""
    if not trades.num_rows:
        return memoryview(array("i", (0, 0))), memoryview(b"\0")
    chunk = pc.fill_null(trades["entry_id"].combine_chunks(), "")
    if not pc.all(pc.string_is_ascii(chunk)).as_py():
        chunk = pa.array([text.encode("ascii", "backslashreplace").decode() for text in chunk.to_pylist()], pa.string())
    _, ends, data = chunk.buffers()
    view = memoryview(ends).cast("i")[chunk.offset : chunk.offset + len(chunk) + 1]
    return view, memoryview(data or b"\0").cast("B")


def _ordered(reader: LineReader, order: "array[int]", count: int, columns: Sequence[Any]) -> "array[int]":
    """Return rows in the order of four columns; rows that agree in all stay as they were."""
    if reader.are_ordered(order, count, columns):
        return order
    rows = pa.Array.from_buffers(pa.int64(), count, [None, pa.py_buffer(order)])
    types = (pa.int32(), pa.int32(), pa.int64(), pa.int32())
    keys = pa.table(
        {
            str(place): pc.take(pa.Array.from_buffers(of, len(column), [None, pa.py_buffer(column)]), rows)
            for place, (of, column) in enumerate(zip(types, columns, strict=True))
        }
    )
    found = pc.take(rows, pc.sort_indices(keys, sort_keys=[(name, "ascending") for name in keys.column_names]))
    made = array("q")
    made.frombytes(memoryview(found.buffers()[1])[: 8 * count])
    return made


def _part(lines: Lines, span: range, breaks: Breaks, taken: Mapping[str | None, Ref]) -> None:
    """Take back that messages follow each other where something can be missing between them."""
    sessions = {code for code in set(lines.session[span.start : span.stop]) if breaks.of(lines.sessions[code])}
    if not sessions:
        return
    first = {part.start: symbol for of_one in lines.spans for symbol, part in of_one.items()}
    for place in span:
        if lines.linked[place] and lines.session[place] in sessions:
            before = taken[first[place]] if place in first else lines.ref(place - 1)
            lines.linked[place] = not breaks.between(before, lines.ref(place))


def _extended(names: list[str], more: Sequence[str]) -> dict[str, int]:
    """Add names that are new; return the codes of those asked for."""
    names += [name for name in dict.fromkeys(more) if name not in names]
    return {name: names.index(name) for name in more}


def _encoded(table: pa.Table) -> pa.Table:
    """Return a table in one piece, names as dictionaries."""
    columns = {}
    for name in table.column_names:
        column = table[name]
        if pa.types.is_string(column.type) and name != "entry_id":
            column = column.dictionary_encode()
        columns[name] = column
    return pa.table(columns).unify_dictionaries().combine_chunks()


def _values(table: pa.Table, name: str) -> list[str]:
    return [value for chunk in table[name].chunks for value in chunk.dictionary.to_pylist()]


def _view(column: pa.ChunkedArray, codes: Mapping[str, int] | None, *, null: int) -> Any:
    """Return integers or the codes of names as they lie in memory; nulls as NULL, of names as a code given."""
    (chunk,) = column.chunks or (pa.array([], column.type),)
    if codes is not None:
        by_place = pa.array([codes.get(value, _UNKNOWN) for value in chunk.dictionary.to_pylist()], pa.int32())
        chunk = pc.take(by_place, chunk.indices)
    if chunk.null_count:
        chunk = pc.fill_null(chunk, null if codes is not None else NULL)
    kind = _LETTERS[chunk.type.bit_width]
    data = chunk.buffers()[1]
    if data is None or not len(chunk):
        return memoryview(array(kind, (0,)))
    return memoryview(data).cast(kind)[chunk.offset : chunk.offset + len(chunk)]
