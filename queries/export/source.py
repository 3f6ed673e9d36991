"""The rows of one symbol in one UTC day or part of it, as every format reads them: in order, in bounded memory.

Layer: queries, export, over the row source. Knows tables and columns, no format.
Source: design section 5: rows by arrival, all that share a message together.
Left to others: books (`queries.export.book_messages`), bytes (the formats), files (`queries.export.runner`).
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import pyarrow as pa

from queries.engine import Engine
from queries.export.names import safe_name
from queries.times import Window
from storage.lake import FileInfo

EXCHANGE: Final = "kraken"
MILLISECOND_NS: Final = 10**6
TRADE_COLUMNS: Final = (
    "receive_ns", "sending_ms", "session_id", "msg_seq_num", "entry_ms", "price", "size",
    "price_scale", "size_scale", "aggressor_side", "entry_id",
)  # fmt: skip
QUOTE_COLUMNS: Final = (
    "receive_ns", "sending_ms", "session_id", "msg_seq_num", "bid_price", "bid_size", "offer_price", "offer_size",
    "price_scale", "size_scale",
)  # fmt: skip


class Trade(NamedTuple):
    """One trade. price, size: scaled integers. aggressor: 1 buy, 2 sell, 0 not given."""

    receive_ns: int
    exchange_ns: int
    session_id: str
    msg_seq_num: int
    price: int
    size: int
    price_scale: int
    size_scale: int
    aggressor: int
    entry_id: str | None


@dataclass(slots=True)
class SymbolDay:
    """What one output is made of.

    date: YYYY-MM-DD, which bounds lie in. depth: levels a side, of formats that have one. notes: what a format counted
    that whoever reads its output should know. progress: is told of rows as they are read.
    """

    engine: Engine
    symbol: str
    date: str
    bounds: Window
    depth: int
    progress: Callable[[int], None] = lambda _rows: None
    notes: "Counter[str]" = field(default_factory=Counter)

    @property
    def name(self) -> str:
        """The symbol in names of files."""
        return safe_name(self.symbol)

    def files(self, table: str) -> list[FileInfo]:
        """Return the files that may hold rows of it. Errors: FilesDamaged."""
        return self.engine.readable(table, self.bounds, self.symbol)

    def rows(self, table: str, columns: Sequence[str]) -> Iterator[pa.Table]:
        """Yield stretches of rows by arrival; columns hold receive_ns, session_id and msg_seq_num."""
        for part in self.engine.rows.arrivals(table, self.files(table), self.symbol, columns, self.bounds):
            self.progress(len(part))
            yield part

    def tuples(self, table: str, columns: Sequence[str]) -> Iterator[tuple[Any, ...]]:
        """Yield rows as Python values."""
        for part in self.rows(table, columns):
            yield from zip(*(values(part[name]) for name in columns), strict=True)

    def trades(self) -> Iterator[Trade]:
        """Yield the trades by arrival."""
        for at, sent, session, seq, entry, *rest in self.tuples("trades", TRADE_COLUMNS):
            yield Trade(at, exchange_ns(entry, sent, at), session, seq, *rest)


def exchange_ns(entry_ms: int | None, sending_ms: int | None, receive_ns: int) -> int:
    """Return when something happened by the venue's clock: MDEntryTime, else SendingTime, else when it came in."""
    if entry_ms is not None:
        return entry_ms * MILLISECOND_NS
    return sending_ms * MILLISECOND_NS if sending_ms is not None and sending_ms > 0 else receive_ns


def values(column: pa.ChunkedArray) -> list[Any]:
    """Return a column as Python values, names looked up once each."""
    if not pa.types.is_dictionary(column.type):
        return list(column.to_pylist())
    found: list[Any] = []
    for chunk in column.chunks:
        names = [*chunk.dictionary.to_pylist(), None]
        found += [names[-1 if code is None else code] for code in chunk.indices.to_pylist()]
    return found
