"""Columns that rows are decoded into: one typed array per column, handed on whole.

Layer: below everything in capture that makes rows. Knows no wire, no file and no Arrow.
Source: design section 5, the schemas of the lake.
Left to others: Arrow, sorting and encodings (`storage.batches`).

A nullable integer column marks null by `NULL`; a name column holds codes into one of the `Names` of its
`Columns`, `NO_NAME` for null. A text column is a list of `str | None`.
"""

from array import array
from collections.abc import Iterable, Mapping
from enum import IntEnum, IntFlag
from typing import Final, NamedTuple

NULL: Final = -(2**63)  # The one int64 that no price, size, time or count can take.
NO_NAME: Final = -1


class Side(IntEnum):
    """MDEntryType(269) of a book entry."""

    BID = 0
    OFFER = 1


class Action(IntEnum):
    """What a row did to its price level."""

    SNAPSHOT = 0  # An entry of a snapshot (35=W).
    NEW = 1  # MDUpdateAction(279)=0
    CHANGE = 2  # 279=1
    DELETE = 3  # 279=2: the level is gone.
    EVICT = 4  # 279=2 with 271 above zero, or cut locally: the level left the subscribed depth but still exists.
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

    kind: `q` int64, `i` int32, `h` int16, `b` int8 (as of the `array` module); `text`; or a name column, `symbol`,
    `session` or `segment`, after the `Names` that it points into.
    """

    name: str
    kind: str


NAME_KINDS: Final = ("symbol", "session", "segment")

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
    "trades": (
        *_COMMON,
        Layout("entry_index", "i"),
        Layout("entry_id", "text"),  # MDEntryID(278)
        Layout("aggressor_side", "b"),  # AggressorSide(2446): 1 buy, 2 sell, 0 not given.
        Layout("order_type", "b"),  # OrdType(40): 1 market, 2 limit, 0 not given.
        Layout("price", "q"),
        Layout("size", "q"),
        Layout("price_scale", "b"),
        Layout("size_scale", "b"),
        Layout("entry_ms", "q"),
    ),
    "messages": (
        *_COMMON,
        Layout("msg_type", "text"),
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


class Table:
    """The columns of one table, equally long."""

    __slots__ = ("_appends", "columns", "layout")

    def __init__(self, layout: tuple[Layout, ...]) -> None:
        self.layout = layout
        self.columns: dict[str, array[int] | list[str | None]] = {}
        for name, kind in layout:
            self.columns[name] = [] if kind == "text" else array("i" if kind in NAME_KINDS else kind)
        self._appends = tuple(column.append for column in self.columns.values())

    def __len__(self) -> int:
        return len(self.columns["receive_ns"])

    def append(self, row: Iterable[int | str | None]) -> None:
        """Append one row, its values in the order of the layout."""
        for append, value in zip(self._appends, row, strict=True):
            append(value)  # type: ignore[arg-type]


class Columns:
    """All the tables of one batch and the names that they point into."""

    __slots__ = ("book_changes", "events", "instruments", "messages", "names", "trades")

    def __init__(self) -> None:
        self.book_changes = Table(LAYOUTS["book_changes"])
        self.trades = Table(LAYOUTS["trades"])
        self.messages = Table(LAYOUTS["messages"])
        self.instruments = Table(LAYOUTS["instruments"])
        self.events = Table(LAYOUTS["events"])
        self.names: dict[str, Names] = {kind: Names() for kind in NAME_KINDS}

    def tables(self) -> dict[str, Table]:
        """Return the tables by name, in the order in which a batch is committed: events last."""
        return {name: getattr(self, name) for name in LAYOUTS}
