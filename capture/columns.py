"""Columns that rows are decoded into: one typed array per column, handed on whole.

Layer: below everything in capture that makes rows. Knows no wire, no file and no Arrow.
Source: design section 5, the schemas of the lake.
Left to others: Arrow, sorting and encodings (`storage.batches`).

A nullable integer column marks null by `NULL`; a name column holds codes into one of the `Names` of its
`Columns`, `NO_NAME` for null. A text column is a list of `str | None`. Arrays have room to spare, so that the compiled
kernels write rows without an allocation, and are handed to Arrow as they are.
"""

from array import array
from collections import deque
from collections.abc import Iterable, Mapping
from contextlib import suppress
from enum import IntEnum, IntFlag
from typing import Any, Final, NamedTuple

NULL: Final = -(2**63)  # The one int64 that no price, size, time or count can take.
NO_NAME: Final = -1
ROWS_MIN: Final = 64  # That a table has room for at first.
ROWS_LIMIT: Final = 2**20  # That a batch holds, all tables together, before it is cut whatever the time.
_LONG_TABLES: Final = ("book_changes", "trades", "quotes", "messages")  # Whose memory is worth keeping.
_TEXT_BYTES: Final = 8  # Room for a text at first; more is made where it is needed.


class Side(IntEnum):
    """MDEntryType(269) of a book entry."""

    BID = 0
    OFFER = 1


class Action(IntEnum):
    """What a row did to its price level, or of Level 3 to its order."""

    SNAPSHOT = 0  # An entry of a snapshot (35=W).
    NEW = 1  # MDUpdateAction(279)=0
    CHANGE = 2  # 279=1
    DELETE = 3  # 279=2: the level is gone.
    # 279=2 with 271 above zero, or cut locally: the level left the subscribed depth but still exists. Of an order only
    # the latter: what 271 means in its delete is not known.
    EVICT = 4
    CLEAR = 5  # An empty snapshot: the whole book is gone; side, price and size are null.


class Verdict(IntEnum):
    """What the checksum of a message says."""

    NOT_DUE = 0  # No book entry in the message, or no book message at all.
    VERIFIED = 1
    MISMATCH = 2
    UNVERIFIED = 3  # 5041 absent, no book to compare with, or a depth that cannot be checked.
    MALFORMED = 4  # The message could not be decoded; its bytes are in the journal.


class Proof(IntFlag):
    """Witnesses that hold for a row; all three together are *proven*."""

    SEQUENCE = 1
    CHECKSUM = 2
    INVARIANTS = 4


class Flag(IntFlag):
    """What else is to be known of a row."""

    LAST_ENTRY = 1
    SNAPSHOT = 2
    SUSPECT_BOOK = 4
    BAD_TIME = 8
    POSSIBLE_DUPLICATE = 16
    RECOVERED = 32


NO_SIDE: Final = -1  # In the `side` column of a clear.


class Layout(NamedTuple):
    """One column: its name, and what it holds.

    kind: `q` int64, `i` int32, `h` int16, `b` int8 (as of the `array` module); `text`, `ascii` or `levels`; or a name
    column, `symbol`, `session`, `segment` or `msg_type`, after the `Names` that it points into.
    """

    name: str
    kind: str


NAME_KINDS: Final = ("symbol", "session", "segment", "msg_type")

_COMMON: Final = (
    Layout("receive_ns", "q"),
    Layout("sending_ms", "q"),
    Layout("session_id", "session"),
    Layout("msg_seq_num", "q"),
    Layout("symbol", "symbol"),
    Layout("proof", "b"),
    Layout("flags", "h"),
)

LAYOUTS: Final[Mapping[str, tuple[Layout, ...]]] = {
    "book_changes": (
        *_COMMON,
        Layout("entry_index", "i"),  # From zero within the message; -1 for a level cut locally.
        Layout("side", "b"),  # Side
        Layout("action", "b"),  # Action
        Layout("price", "q"),  # Integer scaled by price_scale; null for a clear.
        Layout("size", "q"),
        Layout("price_scale", "b"),
        Layout("size_scale", "b"),
        Layout("entry_ms", "q"),  # MDEntryTime(273), dated by rule; null where the entry bears none.
        Layout("remaining_size", "q"),  # What an evicted level still held; null elsewhere.
    ),
    "order_changes": (
        *_COMMON,
        Layout("entry_index", "i"),  # As in book_changes, and so are the others of the same names.
        Layout("side", "b"),
        Layout("action", "b"),
        Layout("order_id", "ascii"),  # MDEntryID(278); null for a clear.
        Layout("price", "q"),
        Layout("size", "q"),
        Layout("price_scale", "b"),
        Layout("size_scale", "b"),
        Layout("update_ns", "q"),  # MDEntryTimestamp(5060); null where the entry bears none.
        Layout("queue_ns", "q"),  # MDEntryTimeQueue(5273), by which orders at one price stand.
        Layout("entry_ms", "q"),
        Layout("remaining_size", "q"),  # What a deleted order was said to hold, an evicted one held; else null.
    ),
    "trades": (
        *_COMMON,
        Layout("entry_index", "i"),
        Layout("entry_id", "ascii"),  # MDEntryID(278)
        Layout("aggressor_side", "b"),  # AggressorSide(2446): 1 buy, 2 sell, 0 not given.
        Layout("order_type", "b"),  # OrdType(40): 1 market, 2 limit, 0 not given.
        Layout("price", "q"),
        Layout("size", "q"),
        Layout("price_scale", "b"),
        Layout("size_scale", "b"),
        Layout("entry_ms", "q"),
    ),
    "quotes": (
        *_COMMON,
        Layout("bid_price", "q"),  # Of the best bid, scaled by price_scale; null where there is none.
        Layout("bid_size", "q"),
        Layout("bid_total", "q"),  # Sizes of the ten best bids together.
        Layout("offer_price", "q"),
        Layout("offer_size", "q"),
        Layout("offer_total", "q"),
        Layout("price_scale", "b"),
        Layout("size_scale", "b"),
    ),
    "books": (
        *_COMMON,
        Layout("bid_prices", "levels"),  # Best first, scaled by price_scale.
        Layout("bid_sizes", "levels"),
        Layout("offer_prices", "levels"),
        Layout("offer_sizes", "levels"),
        Layout("price_scale", "b"),
        Layout("size_scale", "b"),
        Layout("depth", "i"),  # Levels a side that the subscription keeps.
        Layout("checksum", "q"),  # CRC32 of the ten best levels of each side.
    ),
    "messages": (
        *_COMMON,
        Layout("msg_type", "msg_type"),
        Layout("bytes", "i"),
        Layout("entries", "i"),
        Layout("checksum_received", "q"),  # ChecksumOrderBook(5041), null where absent.
        Layout("checksum_computed", "q"),  # null where none was due.
        Layout("verdict", "b"),  # Verdict
        Layout("segment", "segment"),
        Layout("segment_offset", "q"),  # Of the journal block that holds the first byte of the message.
    ),
    "instruments": (
        *_COMMON,
        Layout("valid_from_ns", "q"),
        Layout("price_precision", "b"),  # PricePrecision(2349)
        Layout("size_precision", "b"),  # QtyPrecision(5010)
        Layout("tick_size", "text"),  # Exact decimals as the venue writes them: they are no row's scale.
        Layout("lot_size", "text"),
        Layout("size_min", "text"),
        Layout("size_max", "text"),
        Layout("cost_min", "text"),
        Layout("status", "b"),  # AssetPairStatus(5032)
    ),
    "events": (
        Layout("receive_ns", "q"),
        Layout("session_id", "session"),
        Layout("msg_seq_num", "q"),
        Layout("symbol", "symbol"),
        Layout("kind", "text"),
        Layout("from_ns", "q"),
        Layout("to_ns", "q"),
        Layout("count", "q"),
        Layout("expected", "text"),
        Layout("received", "text"),
        Layout("text", "text"),
    ),
}


class Names:
    """Strings numbered in the order of their first appearance."""

    __slots__ = ("_codes", "values")

    def __init__(self) -> None:
        self._codes: dict[str, int] = {}
        self.values: list[str] = []

    def code(self, name: str) -> int:
        """Return the code of a name, giving it the next one if it is new."""
        code = self._codes.get(name)
        if code is None:
            code = self._codes[name] = len(self.values)
            self.values.append(name)
        return code


class Texts:
    """Short ASCII texts one after the other, as Arrow lays out strings; an empty one is null.

    Shapes: text n is `data[offsets[n]:offsets[n + 1]]`. Both arrays have room to spare; the owner keeps the count.
    """

    __slots__ = ("data", "offsets")

    def __init__(self, capacity: int) -> None:
        self.offsets = array("i", bytes(4 * (capacity + 1)))
        self.data = bytearray(capacity * _TEXT_BYTES)

    def put(self, index: int, text: str | None) -> None:
        """Write the text of a row; rows are written in their order. What is no ASCII is escaped."""
        encoded = (text or "").encode("ascii", "backslashreplace")
        begin = self.offsets[index]
        if begin + len(encoded) > len(self.data):
            self.data = _grown(self.data, begin + len(encoded))
        self.data[begin : begin + len(encoded)] = encoded
        self.offsets[index + 1] = begin + len(encoded)

    def grow(self, capacity: int, bytes_more: int) -> None:
        """Have room for so many rows, and for so many bytes beyond those written."""
        more = array("i", bytes(4 * (capacity + 1)))
        more[: len(self.offsets)] = self.offsets
        self.offsets = more
        self.data = _grown(self.data, len(self.data) + bytes_more)

    def listed(self, count: int) -> list[str | None]:
        """Return the first `count` texts."""
        ends = self.offsets
        return [self.data[ends[n] : ends[n + 1]].decode("ascii") or None for n in range(count)]


class Levels:
    """Lists of int64, one a row, as Arrow lays them out."""

    __slots__ = ("offsets", "values")

    def __init__(self) -> None:
        self.offsets = array("i", [0])
        self.values = array("q")

    def put(self, values: Iterable[int]) -> None:
        """Append the list of one row."""
        self.values.extend(values)
        self.offsets.append(len(self.values))

    def listed(self, count: int) -> list[list[int]]:
        """Return the first `count` lists."""
        ends = self.offsets
        return [self.values[ends[n] : ends[n + 1]].tolist() for n in range(count)]


class Table:
    """The columns of one table, equally long, with room for more rows.

    capacity: rows that fit; `grow` doubles it by making new arrays, so whoever writes by views of the old ones compares
    `arrays` first.
    """

    __slots__ = ("arrays", "capacity", "count", "layout")

    def __init__(self, layout: tuple[Layout, ...], capacity: int = ROWS_MIN) -> None:
        self.layout = layout
        self.capacity = max(capacity, ROWS_MIN)
        self.count = 0
        self.arrays: dict[str, Any] = {name: _stored(kind, self.capacity) for name, kind in layout}

    @classmethod
    def over(cls, spent: "Table") -> "Table":
        """Return an empty table over the memory of another, to whose rows nobody will come back.

        Errors: BufferError while anybody still looks at that memory.
        """
        table = cls(spent.layout)
        table.arrays = {name: _emptied(stored) for name, stored in spent.arrays.items()}
        table.capacity = spent.capacity - 1
        return table

    def __len__(self) -> int:
        return self.count

    @property
    def columns(self) -> dict[str, Any]:
        """The columns as long as there are rows: copies, to look at."""
        return {name: _listed(stored, self.count) for name, stored in self.arrays.items()}

    def append(self, row: Iterable[Any]) -> None:
        """Append one row, its values in the order of the layout."""
        count = self.count
        if count == self.capacity:
            self.grow()
        for stored, value in zip(self.arrays.values(), row, strict=True):
            if type(stored) is array:
                stored[count] = value
            elif type(stored) is list:
                stored.append(value)
            elif type(stored) is Texts:
                stored.put(count, value)
            else:
                stored.put(value)
        self.count = count + 1

    def make_room(self, rows: int) -> None:
        """Have room for so many more rows."""
        if self.count + rows > self.capacity:
            self.grow(rows)

    def make_text_room(self, name: str, size: int) -> None:
        """Have room for so many more bytes in a column of texts."""
        texts = self.arrays[name]
        if texts.offsets[self.count] + size > len(texts.data):
            texts.data = _grown(texts.data, texts.offsets[self.count] + size)

    def grow(self, rows: int = 0) -> None:
        """Have room for twice as many rows, or for so many more if that is more."""
        capacity = max(2 * self.capacity, self.count + rows)
        arrays: dict[str, Any] = {}
        for name, stored in self.arrays.items():
            if type(stored) is array:
                arrays[name] = array(stored.typecode, (0,)) * capacity
                arrays[name][: self.count] = stored[: self.count]
            else:
                if type(stored) is Texts:
                    stored.grow(capacity, (capacity - self.capacity) * _TEXT_BYTES)
                arrays[name] = stored
        self.arrays, self.capacity = arrays, capacity


class Columns:
    """All the tables of one batch and the names that they point into.

    capacities: rows that each table is to have room for from the beginning.
    """

    __slots__ = (
        "_spent", "book_changes", "books", "events", "instruments", "messages", "names", "order_changes", "quotes",
        "trades",
    )  # fmt: skip

    def __init__(self, capacities: Mapping[str, int] | None = None) -> None:
        room = capacities or {}
        self.book_changes = Table(LAYOUTS["book_changes"], room.get("book_changes", 0))
        self.order_changes = Table(LAYOUTS["order_changes"], room.get("order_changes", 0))
        self.trades = Table(LAYOUTS["trades"], room.get("trades", 0))
        self.quotes = Table(LAYOUTS["quotes"], room.get("quotes", 0))
        self.books = Table(LAYOUTS["books"])
        self.messages = Table(LAYOUTS["messages"], room.get("messages", 0))
        self.instruments = Table(LAYOUTS["instruments"])
        self.events = Table(LAYOUTS["events"])
        self.names: dict[str, Names] = {kind: Names() for kind in NAME_KINDS}
        self._spent: deque[Columns] = deque(maxlen=1)  # Of those before these, and of these.

    def tables(self) -> dict[str, Table]:
        """Return the tables by name, in the order in which a batch is committed: events last."""
        return {name: getattr(self, name) for name in LAYOUTS}

    @property
    def rows(self) -> int:
        """How many rows all tables hold."""
        return (
            self.book_changes.count
            + self.order_changes.count
            + self.trades.count
            + self.quotes.count
            + self.books.count
            + self.messages.count
            + self.instruments.count
            + self.events.count
        )

    def successor(self) -> "Columns":
        """Return empty columns with room for as much again: what the last batch held, the next one is likely to.

        They take over the memory of columns before these that were let go of and were of about that size: fresh memory
        costs as much as writing rows into it.
        """
        wanted = {name: min(table.count + table.count // 8, ROWS_LIMIT) for name, table in self.tables().items()}
        before = self._spent.pop().tables() if self._spent else {}
        fits: dict[str, Table] = {}
        for name, table in before.items():
            if name in _LONG_TABLES and wanted[name] < table.capacity <= 2 * wanted[name] + ROWS_MIN:
                with suppress(BufferError):  # Somebody looks at it after all.
                    fits[name] = Table.over(table)
        columns = Columns({name: rows for name, rows in wanted.items() if name not in fits})
        columns._spent = self._spent
        for name, table in fits.items():
            setattr(columns, name, table)
        return columns

    def let_go(self) -> None:
        """Say that nobody will look at these rows again: others may come to stand in their memory."""
        self._spent.append(self)


def _stored(kind: str, capacity: int) -> Any:
    match kind:
        case "text":
            return []
        case "ascii":
            return Texts(capacity)
        case "levels":
            return Levels()
    integers = array("i" if kind in NAME_KINDS else kind)
    integers.append(0)
    return integers * capacity


def _emptied(stored: Any) -> Any:
    """Return the memory of a column for other rows: less one of each, which is refused while anybody looks at it."""
    match stored:
        case list():
            return []
        case Levels():
            return Levels()
        case Texts():
            stored.offsets.pop()
            stored.data.pop()
        case _:
            stored.pop()
    return stored


def _listed(stored: Any, count: int) -> Any:
    if isinstance(stored, array | list):
        return stored[:count]
    return stored.listed(count)


def _grown(data: bytearray, size: int) -> bytearray:
    """Return a copy with room for so many bytes, and for twice as many as before."""
    return data + bytes(max(size, 2 * len(data)) - len(data))
