"""The fast lane: a whole socket read of market data by two compiled calls.

Layer: above the kernels, below the feed, which goes by the slow lane wherever this one stops. No I/O, no clock.
Source: design section 3.

`market.kernel` reads frames until one is not its own; `book.kernel` applies what was read, until a message has
consequences or is for the slow lane; the feed does what is to be done about that message, and goes on here. Level 3 is
the slow lane's: the kernels know no orders.
"""

from array import array
from collections.abc import Sequence
from typing import Final

from capture.book import kernel as book_kernel
from capture.book.book import Book
from capture.book.invariants import Invariant, Violation
from capture.books import Outcome, Subscription
from capture.columns import NULL, Columns, Verdict
from capture.market import kernel as market_kernel
from capture.market.instruments import Instrument
from capture.market.requests import LEVEL_2
from capture.rows import Rows
from capture.sinks import Position
from capture.wire import values

_DAY_NS: Final = values.DAY_MS * values.MILLISECOND_NS


class Lane:
    """Reads and applies; `staged` holds what was read, `kernel` what was applied of it.

    Tell it each connection, and each subscription whenever something about it changed.
    """

    def __init__(self, rows: Rows, sending_time_limit_s: int) -> None:
        self.decoder = market_kernel.MarketDecoder()
        self.staged: market_kernel.Staged = self.decoder.staged
        self.kernel = book_kernel.BookKernel(self.staged)
        self.subscriptions: list[Subscription] = []  # By index, as are the kernel's books.
        self._books: list[Book | None] = []
        self._indices: dict[str, int] = {}  # By MDReqID(262).
        self._rows = rows
        self._limit_ms = sending_time_limit_s * 1000
        self._day: int | None = None
        self._place = (array("q", [0]), array("i", [0]), array("q", [0]))  # Of a read that stands in one block.
        self._columns: Columns | None = None

    def opened(self, sender: bytes, target: bytes) -> None:
        """Begin a connection: the CompIDs of what is to come, and no subscription."""
        self.decoder.expect(sender, target)
        self.subscriptions, self._books, self._indices = [], [], {}
        self.kernel.books(self._books)
        self._columns = None

    def watch(self, subscription: Subscription, instrument: Instrument | None) -> None:
        """Take a subscription on, or take note that it, its book or its instrument changed."""
        request, book = subscription.request, subscription.book
        index = self._indices.get(request.md_req_id)
        if index is None or self.subscriptions[index] is not subscription:
            if index is not None:
                self.decoder.enable(index, 0, 0, on=False)  # The same MDReqID(262) again: the earlier one is over.
            index = self.decoder.register(request.md_req_id.encode(), request.symbol.encode())
            if index < 0:
                return
            self._indices[request.md_req_id] = index
            self.subscriptions.append(subscription)
            self._books.append(book)
        self._books[index] = book
        own = (
            book is not None
            and subscription.current
            and request.level == LEVEL_2
            and instrument is not None
            and (instrument.price_precision, instrument.size_precision) == (book.price_scale, book.size_scale)
        )
        if book is not None and self._columns is not None:
            book.symbol_code = self._columns.names["symbol"].code(request.symbol)
        self.decoder.enable(index, book.price_scale if book else 0, book.size_scale if book else 0, on=own)

    def read(self, buffer: bytearray, at: int, expected: int, at_ns: int) -> int:
        """Decode frames from `at` on, beginning with a MsgSeqNum(34); return how many are in `staged`."""
        day, at_ms = at_ns // _DAY_NS, at_ns // values.MILLISECOND_NS
        if day != self._day:
            self._day = day
            self.decoder.today(values.timestamp_text(at_ns)[:9], day * values.DAY_MS)
        # A millisecond within the limit, so that no rounding can matter: the slow lane judges what is near it.
        limit_ms = self._limit_ms - 1
        self.decoder.earliest_ms, self.decoder.latest_ms = at_ms - limit_ms, at_ms + limit_ms
        self.decoder.next_seq = expected
        return int(self.decoder.decode(buffer, at, len(buffer)))

    def place(self, places: Sequence[tuple[int, Position]], base: int) -> None:
        """Say where the bytes stand in the journal: the stream offsets at which blocks begin, and the buffer's own."""
        code = self._rows.columns.names["segment"].code
        if len(places) == 1:
            ((offset, position),) = places
            begins, segments, offsets = self._place
            begins[0], segments[0], offsets[0] = offset - base, code(position.segment), position.offset
            self.kernel.place(*self._place)
            return
        self.kernel.place(
            array("q", [offset - base for offset, _ in places]),
            array("i", [code(position.segment) for _, position in places]),
            array("q", [position.offset for _, position in places]),
        )

    def apply(self, buffer: bytearray, first: int, count: int, at_ns: int) -> int:
        """Apply what was read from `first` to `count`; return where it stopped, `kernel.stopped` says why."""
        columns = self._rows.columns
        if columns is not self._columns:
            self._columns = columns
            code = columns.names["symbol"].code
            for subscription, book in zip(self.subscriptions, self._books, strict=True):
                if book is not None:
                    book.symbol_code = code(subscription.request.symbol)
            self.kernel.bind(columns)
        return int(self.kernel.apply(buffer, first, count, at_ns, self._rows.session_code()))

    def make_room(self, index: int) -> None:
        """Let the columns grow for the message that had no room."""
        columns, ends = self._rows.columns, self.staged.entry_end
        entries = ends[index] - (ends[index - 1] if index else 0)
        columns.book_changes.make_room(2 * entries + 1)
        columns.trades.make_room(entries)
        columns.trades.make_text_room("entry_id", sum(self.staged.id_size[ends[index] - entries : ends[index]]))
        columns.quotes.make_room(1)
        columns.messages.make_room(1)

    def end_of(self, index: int) -> int:
        """Return where the frame of a message ends in the buffer."""
        return self.staged.begin[index] + self.staged.size[index]

    def outcome(self, index: int, at_ns: int) -> Outcome:
        """Return what a notable message did to its book."""
        staged, kernel = self.staged, self.kernel
        received, computed = staged.checksum[index], kernel.computed
        messages, segments = self._rows.columns.messages, self._rows.columns.names["segment"].values
        row = messages.count - 1  # The message's own row is the last one.
        return Outcome(
            at_ns=at_ns,
            seq=staged.seq[index],
            position=Position(segments[messages.arrays["segment"][row]], messages.arrays["segment_offset"][row]),
            snapshot=bool(staged.snapshot[index]),
            entries=staged.entry_end[index] - (staged.entry_end[index - 1] if index else 0),
            verdict=Verdict(kernel.verdict),
            received=None if received == NULL else received,
            computed=None if computed == NULL else computed,
            violations=[Violation(Invariant(kind), first, second) for kind, first, second in kernel.violations()],
            violation_count=kernel.violation_count,
        )
