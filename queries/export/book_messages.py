"""The book of a day message by message: what each format of depth data is written from.

Layer: queries, export, over the source.
Source: venue reference 4.8; design section 7: a book is that of its session, and begins with a snapshot.
Left to others: how a format says it.

A day begins with the book as it stood, so that each output can be read by itself. Where a book is begun anew, be it by
another snapshot or because its session is over, an `END` first takes away every level that was held: whoever follows
deletions alone arrives at the same book as whoever follows snapshots. Rows of a session without a snapshot yet are of
no book, and are counted and left out; so is the removal of a level that is not held.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from heapq import merge
from itertools import groupby
from operator import itemgetter
from typing import Any, Final, NamedTuple

from capture.book.levels import BookSide
from capture.columns import Flag
from queries.book_messages import last_message
from queries.book_rows import load_book
from queries.errors import BeyondInt64, DoesNotFit
from queries.export.source import MILLISECOND_NS, SymbolDay, Trade, exchange_ns

BID: Final = 0
OFFER: Final = 1
SIDES: Final = (BID, OFFER)
_COLUMNS: Final = (
    "session_id", "msg_seq_num", "receive_ns", "sending_ms", "flags", "price_scale", "size_scale", "action", "side",
    "price", "size", "entry_ms",
)  # fmt: skip
_SUSPECT: Final = int(Flag.SUSPECT_BOOK)
_BEGINS: Final = frozenset({"snapshot", "clear"})
_SETS: Final = frozenset({"snapshot", "new", "change"})
# After these a book that was not heard of again is not known to stand; after those it is.
_ENDS: Final = frozenset({"disconnect", "rollover", "sequence_reset", "suspect", "mismatch", "unsubscribe", "logout"})
_MENDS: Final = frozenset({"healed", "gap_closed"})


class Kind(Enum):
    """What a message does to the book."""

    OPENING = "opening"  # Not of the venue: the book as it stood when the day, or the window, began.
    SNAPSHOT = "snapshot"
    CHANGES = "changes"
    END = "end"  # Not of the venue: every level held is gone.


class Entry(NamedTuple):
    """A level and its size from now on, 0 for none. Units: integers at the scales of the message."""

    side: int
    price: int
    size: int
    exchange_ns: int


@dataclass(slots=True)
class BookMessage:
    """One message on the book. exchange_ns: SendingTime(52). is_suspect: it came while the book was suspect."""

    kind: Kind
    receive_ns: int
    exchange_ns: int
    session_id: str
    msg_seq_num: int
    is_suspect: bool
    price_scale: int
    size_scale: int
    entries: list[Entry]


class Book:
    """The levels as they stand, at the scales of the last message."""

    def __init__(self) -> None:
        self.sides = (BookSide(BID), BookSide(OFFER))
        self.price_scale = self.size_scale = 0

    def fit(self, price_scale: int, size_scale: int) -> None:
        """Hold the same levels at other scales. Errors: OverflowError beyond an int64; scales only become finer."""
        if (price_scale, size_scale) == (self.price_scale, self.size_scale):
            return
        price_step, size_step = 10 ** (price_scale - self.price_scale), 10 ** (size_scale - self.size_scale)
        for side in self.sides:
            levels = side.best(len(side))
            side.clear()
            for level in levels:
                side.set(level.price * price_step, level.size * size_step)
        self.price_scale, self.size_scale = price_scale, size_scale

    def begin(self, price_scale: int, size_scale: int) -> None:
        """Hold nothing, at these scales."""
        for side in self.sides:
            side.clear()
        self.price_scale, self.size_scale = price_scale, size_scale

    def set(self, entry: Entry) -> bool:
        """Take one entry in; return whether it changed anything but a size."""
        if entry.size:
            return not self.sides[entry.side].set(entry.price, entry.size)
        return self.sides[entry.side].remove(entry.price)

    def apply(self, message: BookMessage) -> None:
        """Take a message in."""
        if message.kind is Kind.OPENING or message.kind is Kind.SNAPSHOT:
            self.begin(message.price_scale, message.size_scale)
        else:
            self.fit(message.price_scale, message.size_scale)
        for entry in message.entries:
            self.set(entry)

    def entries(self, at_ns: int, *, gone: bool = False) -> list[Entry]:
        """Return every level, bids before offers, best first; if gone, with a size of 0, as it is taken away."""
        return [
            Entry(side, level.price, 0 if gone else level.size, at_ns)
            for side in SIDES
            for level in self.sides[side].levels()
        ]


def book_messages(day: SymbolDay) -> Iterator[BookMessage]:
    """Yield the messages on the book of a day, by arrival.

    Errors: FilesDamaged; BeyondInt64; DoesNotFit where only orders were recorded (Level 3).
    """
    if not day.files("book_changes") and day.files("order_changes"):
        raise DoesNotFit(f"a recording of Level 3 on {day.date}", limit="books are exported of Level 2 so far")
    try:
        yield from _Follower(day).messages()
    except OverflowError as error:
        raise BeyondInt64(day.symbol) from error


def with_trades(day: SymbolDay) -> Iterator[BookMessage | Trade]:
    """Yield messages on the book and trades by arrival; of one message the trades first, as they caused the rest."""
    return merge(book_messages(day), day.trades(), key=_arrival)


def _arrival(it: BookMessage | Trade) -> tuple[int, str, int, bool]:
    return it.receive_ns, it.session_id, it.msg_seq_num, isinstance(it, BookMessage)


class _Follower:
    """Follows the book of a day; session_id: whose book stands, or None."""

    def __init__(self, day: SymbolDay) -> None:
        self._day = day
        self._book = Book()
        self._session_id: str | None = None
        self._last_seq = -1

    def messages(self) -> Iterator[BookMessage]:
        opening = opening_book(self._day)
        if opening is not None:
            self._session_id, self._last_seq = opening.session_id, opening.msg_seq_num
            self._book.apply(opening)
            yield opening
        rows = self._day.tuples("book_changes", _COLUMNS)
        for (session_id, seq), of_message in groupby(rows, key=itemgetter(0, 1)):
            yield from self._message(session_id, seq, list(of_message))

    def _message(self, session_id: str, seq: int, rows: list[tuple[Any, ...]]) -> Iterator[BookMessage]:
        _, _, receive_ns, sending_ms, flags, _, _, action, *_ = rows[0]
        sent_ns = exchange_ns(None, sending_ms, receive_ns)
        begins = action in _BEGINS
        if not begins and self._session_id != session_id and self._session_id is None:
            self._day.notes["rows_without_a_book"] += len(rows)
            return
        if begins or self._session_id != session_id:
            gone = self._book.entries(sent_ns, gone=True)
            if self._session_id is not None:
                yield BookMessage(
                    kind=Kind.END,
                    receive_ns=receive_ns,
                    exchange_ns=sent_ns,
                    session_id=session_id,
                    msg_seq_num=seq,
                    is_suspect=False,
                    price_scale=self._book.price_scale,
                    size_scale=self._book.size_scale,
                    entries=gone,
                )
            self._session_id = None
            self._book.begin(0, 0)
            if not begins:
                self._day.notes["rows_without_a_book"] += len(rows)
                return
            self._session_id, self._last_seq = session_id, seq
        if seq < self._last_seq:
            self._day.notes["messages_before_their_predecessor"] += 1  # The recorder's clock stepped back.
        self._last_seq = max(seq, self._last_seq)
        finest = max(row[5] for row in rows), max(row[6] for row in rows)
        if begins:
            self._book.begin(*finest)
        else:
            finest = max(finest[0], self._book.price_scale), max(finest[1], self._book.size_scale)
            self._book.fit(*finest)
        entries = list(self._entries(rows, sent_ns, begins=begins))
        kind = Kind.SNAPSHOT if begins else Kind.CHANGES
        if entries or begins:
            is_suspect = bool(flags & _SUSPECT)
            yield BookMessage(kind, receive_ns, sent_ns, session_id, seq, is_suspect, *finest, entries)

    def _entries(self, rows: Iterable[tuple[Any, ...]], sent_ns: int, *, begins: bool) -> Iterator[Entry]:
        """Yield what the rows of a message do, at the scales of the book, and do it to the book."""
        for _, _, _, _, _, price_scale, size_scale, action, side, price, size, entry_ms in rows:
            if action == "clear":
                continue
            held = size if action in _SETS else 0
            at_ns = sent_ns if begins or entry_ms is None else entry_ms * MILLISECOND_NS
            entry = Entry(
                BID if side == "bid" else OFFER,
                price * 10 ** (self._book.price_scale - price_scale),
                held * 10 ** (self._book.size_scale - size_scale),
                at_ns,
            )
            if self._book.set(entry) or entry.size:
                yield entry
            else:
                self._day.notes["removals_of_nothing"] += 1


def opening_book(day: SymbolDay) -> BookMessage | None:
    """Return the book as it stood when a day began, if one did: its session went on, and nothing put it in doubt."""
    start_ns = day.bounds.start_ns
    last = last_message(day.engine, day.symbol, start_ns - 1)
    if last is None:
        return None
    book = load_book(day.engine, day.symbol, last.session_id, start_ns - 1)
    if not book.stands or book.last_flags & Flag.SUSPECT_BOOK or not _goes_on(day, last.session_id, book.last_ns):
        return None
    entries = [
        Entry(side, level.price, level.size, start_ns)
        for side, levels in zip(SIDES, (book.bids, book.offers), strict=True)
        for level in levels.levels()
    ]
    return BookMessage(
        kind=Kind.OPENING,
        receive_ns=start_ns,
        exchange_ns=start_ns,
        session_id=last.session_id,
        msg_seq_num=book.last_seq,
        is_suspect=False,
        price_scale=book.price_scale,
        size_scale=book.size_scale,
        entries=entries,
    )


def _goes_on(day: SymbolDay, session_id: str, last_ns: int) -> bool:
    """Return whether a book still stood when a day began, by the events since its last row, and was heard of later."""
    start_ns, end_ns = day.bounds
    stands = True
    for at_ns, session, kind in events(day, last_ns, end_ns, ("receive_ns", "session_id", "kind")):
        if at_ns >= start_ns:
            if session == session_id:
                return stands
        elif session == session_id and kind in _ENDS | _MENDS:
            stands = kind in _MENDS
        elif kind == "logon" and session != session_id:
            return False
    first = next(
        day.engine.rows.arrivals("book_changes", day.files("book_changes"), day.symbol, _KEYS, day.bounds), None
    )
    return stands and first is not None and first["session_id"][0].as_py() == session_id


_KEYS: Final = ("receive_ns", "session_id", "msg_seq_num")


def events(day: SymbolDay, start_ns: int, end_ns: int, columns: Iterable[str]) -> list[tuple[Any, ...]]:
    """Return events of the symbol, and of its sessions, in a window, by arrival."""
    files = day.engine.files("events", start_ns=start_ns, end_ns=end_ns)
    asked = {"symbol": day.symbol, "start_ns": start_ns, "end_ns": end_ns}
    return list(day.engine.ask("events", {"events": files}, asked).project(", ".join(columns)).fetchall())
