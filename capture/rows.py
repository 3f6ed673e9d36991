"""Rows out of what a feed saw: the one place that knows the columns' order.

Layer: beside the feed. Knows columns and decoded values; decides nothing.
Source: design section 5; the layouts of `columns`.
"""

from typing import Protocol

from capture.book.book import Applied, Book, Change
from capture.book.levels import BookSide
from capture.columns import NO_NAME, NO_SIDE, NULL, Action, Columns, Flag, Proof, Verdict
from capture.findings import Kind
from capture.market.decoder import TRADE, Decoded
from capture.market.instruments import Instrument
from capture.market.requests import LEVEL_2
from capture.session.session import Delivery
from capture.sinks import Position
from capture.wire import tags, values
from capture.wire.message import Message


class Head(Protocol):
    """What the rows of one message begin with. Units: at_ns and sending_ms since the epoch."""

    at_ns: int
    sending_ms: int
    seq: int
    symbol: str | None


class Judged(Head, Protocol):
    """One message as it was judged."""

    proof: int
    flags: int
    entries: int
    received: int | None
    computed: int | None
    verdict: Verdict


class MessageRow:
    """What becomes the `messages` row of one delivery, filled in as the delivery is handled."""

    __slots__ = (
        "at_ns", "computed", "entries", "flags", "message", "position", "proof",
        "received", "sending_ms", "seq", "symbol", "verdict",
    )  # fmt: skip

    def __init__(self, at_ns: int, delivery: Delivery, position: Position) -> None:
        self.at_ns = at_ns
        self.message: Message = delivery.message
        self.seq = delivery.msg_seq_num
        self.sending_ms = delivery.sending_ns // values.MILLISECOND_NS
        self.position = position
        self.flags: int = 0
        if delivery.possible_duplicate:
            self.flags |= Flag.POSSIBLE_DUPLICATE
        if delivery.recovered:
            self.flags |= Flag.RECOVERED
        self.proof: int = Proof.SEQUENCE
        self.symbol: str | None = None
        self.entries = 0
        self.received: int | None = None
        self.computed: int | None = None
        self.verdict = Verdict.NOT_DUE


def _or_null(value: int | None) -> int:
    return NULL if value is None else value


class Rows:
    """Appends rows to columns that are taken batch by batch."""

    __slots__ = ("columns", "session_id")

    def __init__(self) -> None:
        self.columns = Columns()
        self.session_id = ""

    def take(self) -> Columns:
        """Return all rows so far and begin new columns."""
        taken, self.columns = self.columns, self.columns.successor()
        return taken

    def event(
        self,
        at_ns: int,
        kind: Kind,
        *,
        symbol: str | None = None,
        seq: int | None = None,
        span: tuple[int, int] | None = None,
        count: int | None = None,
        expected: str | None = None,
        received: str | None = None,
        text: str | None = None,
    ) -> None:
        """Append one event; it lasts from and to the same instant unless a span is given."""
        from_ns, to_ns = span or (at_ns, at_ns)
        head = (at_ns, self.session_code(), _or_null(seq), self._symbol_code(symbol))
        texts = (expected or None, received or None, text or None)
        self.columns.events.append((*head, kind.value, from_ns, to_ns, _or_null(count), *texts))

    def message(self, row: MessageRow) -> None:
        """Append one application message."""
        self.judged(row, row.message.text(tags.MSG_TYPE), len(row.message.frame), row.position)

    def judged(self, row: Judged, msg_type: str, size: int, position: Position) -> None:
        """Append one application message, of which no more is known than its row says."""
        self.columns.messages.append(
            (
                *self._head(row, row.symbol, row.proof, row.flags),
                self.columns.names["msg_type"].code(msg_type),
                size,
                row.entries,
                _or_null(row.received),
                _or_null(row.computed),
                row.verdict,
                self.columns.names["segment"].code(position.segment),
                position.offset,
            )
        )

    def instrument(self, row: MessageRow, instrument: Instrument) -> None:
        """Append one version of one instrument."""
        self.columns.instruments.append(
            (
                *self._head(row, instrument.symbol, Proof.SEQUENCE, row.flags),
                row.at_ns,
                instrument.price_precision,
                instrument.size_precision,
                instrument.tick_size or None,
                instrument.lot_size or None,
                instrument.size_min or None,
                instrument.size_max or None,
                instrument.cost_min or None,
                instrument.status,
            )
        )

    def changes(self, row: Head, applied: Applied, proof: int, flags: int, *, level: int) -> None:
        """Append what one message did to its book, a row for each entry and each level or order cut."""
        if not applied.changes:
            return
        head = self._head(row, row.symbol, proof, flags)
        last_head = self._head(row, row.symbol, proof, flags | Flag.LAST_ENTRY)
        table = self.columns.book_changes if level == LEVEL_2 else self.columns.order_changes
        cells = _level_cells if level == LEVEL_2 else _order_cells
        last = len(applied.changes) - 1
        for place, change in enumerate(applied.changes):
            table.append((*(last_head if place == last else head), *cells(change)))

    def trades(self, row: Head, decoded: Decoded, proof: int, flags: int) -> int:
        """Append the trades of one message; return how many there are."""
        trades = [(index, entry) for index, entry in enumerate(decoded.entries) if entry.entry_type == TRADE]
        for index, entry in trades:
            last = Flag.LAST_ENTRY if index == trades[-1][0] else 0
            self.columns.trades.append(
                (
                    *self._head(row, row.symbol, proof, flags | last),
                    index,
                    entry.entry_id or None,
                    entry.aggressor_side,
                    entry.order_type,
                    entry.price,
                    entry.size,
                    entry.price_scale,
                    entry.size_scale,
                    _or_null(entry.entry_ms),
                )
            )
        return len(trades)

    def quote(self, row: Head, book: Book, proof: int, flags: int) -> None:
        """Append the top of a book after one message."""
        scales = (book.price_scale, book.size_scale)
        tops = (*_top(book.bids), *_top(book.offers))
        self.columns.quotes.append((*self._head(row, row.symbol, proof, flags), *tops, *scales))

    def key_frame(self, symbol: str, book: Book) -> None:
        """Append a whole book as the last message that changed it left it."""
        self.columns.books.append(
            (
                book.last_ns,
                book.last_ms,
                self.session_code(),
                book.last_seq,
                self._symbol_code(symbol),
                book.proof,
                0,
                *book.bids.columns(),
                *book.offers.columns(),
                book.price_scale,
                book.size_scale,
                book.depth,
                book.crc32(),
            )
        )

    def _head(self, row: Head, symbol: str | None, proof: int, flags: int) -> tuple[int, ...]:
        return (row.at_ns, row.sending_ms, self.session_code(), row.seq, self._symbol_code(symbol), proof, flags)

    def session_code(self) -> int:
        """Return the session's code in the present columns."""
        return self.columns.names["session"].code(self.session_id) if self.session_id else NO_NAME

    def _symbol_code(self, symbol: str | None) -> int:
        return NO_NAME if symbol is None else self.columns.names["symbol"].code(symbol)


def _level_cells(change: Change) -> tuple[int, ...]:
    clear = change.action is Action.CLEAR
    return (
        change.entry_index,
        NO_SIDE if change.side is None else change.side,
        change.action,
        NULL if clear else change.price,
        NULL if clear else change.size,
        change.price_scale,
        change.size_scale,
        _or_null(change.entry_ms),
        _or_null(change.remaining_size),
    )


def _order_cells(change: Change) -> tuple[int | str | None, ...]:
    entry_index, side, action, *priced, entry_ms, remaining_size = _level_cells(change)
    times = (_or_null(change.update_ns), _or_null(change.queue_ns), entry_ms)
    return (entry_index, side, action, change.order_id or None, *priced, *times, remaining_size)


def _top(side: BookSide) -> tuple[int, int, int]:
    """Return price and size of the best level, null where there is none, and what the ten best hold together."""
    best = side.best(1)
    return (*best[0], side.total()) if best else (NULL, NULL, 0)
