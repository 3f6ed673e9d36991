"""The subscriptions of one session, their books, and what a message means for its book.

Layer: above market and book, below the feed. No I/O, no clock.
Source: design sections 3 and 6; venue reference 4.8.
Left to others: reading messages (`feed`, by one of two lanes), rows of what was applied (`rows`, `book.kernel`), what
to ask of the venue (`subscriber`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from capture.book.book import Book, BookState
from capture.book.invariants import VIOLATIONS_LIMIT, Violation
from capture.book.orders import OrderBook
from capture.columns import NULL, Verdict
from capture.counters import Counters
from capture.findings import BookBroken, BookHealed, BookSuspect, Finding, Kind, Place, SnapshotArrived
from capture.market.instruments import Instrument
from capture.market.requests import LEVEL_2, MarketDataRequest
from capture.rows import Rows
from capture.sinks import Position

BY_RESEND: Final = "by resend"  # Of a healed book: nothing was lost, what was missing came again.


@dataclass(slots=True)
class Subscription:
    """One MDReqID(262) and the book that it feeds.

    sequenced: no gap lies between the book's snapshot and now. snapshot: the last one that came.
    """

    request: MarketDataRequest
    book: Book | None = None
    current: bool = True
    sequenced: bool = True
    snapshot: Place | None = None
    depth: int = field(init=False)

    def __post_init__(self) -> None:
        self.depth = self.request.depth_kept

    def empty_book(self, instrument: Instrument) -> Book:
        """Return a book of its level and depth that waits for its snapshot."""
        return (Book if self.request.level == LEVEL_2 else OrderBook)(instrument, self.depth)

    @property
    def served(self) -> bool:
        """Whether a book came of it."""
        return self.book is not None and self.book.state is not BookState.AWAITING_SNAPSHOT


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one message did to its book, by whichever lane."""

    at_ns: int
    seq: int
    position: Position
    snapshot: bool
    entries: int
    verdict: Verdict
    received: int | None
    computed: int | None
    violations: Sequence[Violation]
    violation_count: int


class Books:
    """The subscriptions and books of one session after another."""

    def __init__(self, rows: Rows, counters: Counters) -> None:
        self.subscriptions: dict[str, Subscription] = {}  # By MDReqID, retired ones included, of this session.
        self.by_symbol: dict[str, Subscription] = {}  # The current one of each symbol.
        self.findings: list[Finding] = []
        self._rows, self._counters = rows, counters
        self._good_ns: dict[str, int] = {}  # Receive time at which each symbol's book was last good, of ended ones.
        self._suspect_since: dict[str, int] = {}  # Symbols without a book to believe, and since when.
        self._missing_since: dict[str, int] = {}  # Symbols whose book stands, while numbers are missing that may come.

    def twin(self, rows: Rows, counters: Counters) -> "Books":
        """Return others in the same state, that write into other rows."""
        twin = Books(rows, counters)
        twin._good_ns, twin._suspect_since = dict(self._good_ns), dict(self._suspect_since)
        twin._missing_since = dict(self._missing_since)
        for md_req_id, subscription in self.subscriptions.items():
            copied = replace(subscription, book=None)
            if subscription.book is not None:
                copied.book = copied.empty_book(subscription.book.instrument)
                copied.book.take_over(subscription.book)
            twin.subscriptions[md_req_id] = copied
            if self.by_symbol.get(subscription.request.symbol) is subscription:
                twin.by_symbol[subscription.request.symbol] = copied
        return twin

    @property
    def proven(self) -> int:
        """How many current books agree with the venue's last checksum, and miss nothing since."""
        return sum(
            1
            for symbol, it in self.by_symbol.items()
            if it.book is not None and it.book.proven and symbol not in self._missing_since
        )

    def begin(self) -> None:
        """Begin a session: nothing is subscribed."""
        self.subscriptions.clear()
        self.by_symbol.clear()

    def end(self, at_ns: int) -> None:
        """End every book with the connection."""
        for symbol, subscription in self.by_symbol.items():
            if subscription.book is not None and subscription.served:
                subscription.book.suspect()
                self._missing_since.setdefault(symbol, self._last_good(subscription, at_ns))
            self._remember(subscription)
        for symbol, since in self._missing_since.items():
            self._suspect_since.setdefault(symbol, since)
        self._missing_since.clear()

    def subscribe(self, request: MarketDataRequest, instrument: Instrument | None) -> Subscription:
        """Begin a subscription; it is the symbol's current one from here on."""
        before = self.by_symbol.get(request.symbol)
        if before is not None:
            self._remember(before)
        subscription = Subscription(request)
        if instrument is not None:
            self.renew(subscription, instrument)
        self.subscriptions[request.md_req_id] = self.by_symbol[request.symbol] = subscription
        return subscription

    def unsubscribe(self, subscription: Subscription) -> None:
        """End a subscription; what still comes of it is kept as rows and applied nowhere."""
        subscription.current = False
        if self.by_symbol.get(subscription.request.symbol) is subscription:
            self._remember(subscription)
            del self.by_symbol[subscription.request.symbol]

    def renew(self, subscription: Subscription, instrument: Instrument) -> Book:
        """Give a subscription an empty book by the precisions of an instrument."""
        self._remember(subscription)
        book = subscription.book = subscription.empty_book(instrument)
        book.good_ns = self._good_ns.get(subscription.request.symbol, NULL)
        return book

    def judge(self, subscription: Subscription, outcome: Outcome) -> None:
        """Draw the consequences of one message that was read, for its book."""
        symbol, at_ns, seq = subscription.request.symbol, outcome.at_ns, outcome.seq
        book = subscription.book
        assert book is not None
        if outcome.violation_count:
            text = "; ".join(map(str, outcome.violations[:VIOLATIONS_LIMIT]))
            self._rows.event(at_ns, Kind.INVARIANT, symbol=symbol, seq=seq, count=outcome.violation_count, text=text)
        if outcome.snapshot and subscription.current:
            self._snapshot_arrived(subscription, book, outcome)
        if outcome.verdict is Verdict.VERIFIED:
            book.good_ns = at_ns
        elif outcome.verdict is Verdict.MISMATCH:
            self._counters.mismatches += 1
            expected, computed = str(outcome.received), str(outcome.computed)
            text = f"{symbol}: checksum mismatch after MsgSeqNum {seq}: expected {expected}, computed {computed}"
            self._broken(subscription, book, outcome, text)
            self.suspect(at_ns, subscription, Kind.MISMATCH, text, seq=seq, expected=expected, received=computed)
        elif (
            outcome.verdict is Verdict.UNVERIFIED
            and book.state is BookState.SUSPECT
            and symbol not in self._suspect_since
        ):
            text = "; ".join(map(str, outcome.violations))
            self._broken(subscription, book, outcome, text)
            self.suspect(at_ns, subscription, Kind.SUSPECT, text, seq=seq)

    def suspect(
        self,
        at_ns: int,
        subscription: Subscription,
        kind: Kind,
        text: str,
        *,
        seq: int | None = None,
        expected: str | None = None,
        received: str | None = None,
    ) -> None:
        """Mark a book from its last good message on, and say so once."""
        if subscription.book is not None:
            subscription.book.suspect()
        if not subscription.current:
            return
        symbol = subscription.request.symbol
        since = self._missing_since.pop(symbol, None)
        if since is None:
            since = self._last_good(subscription, at_ns)
        span = (self._suspect_since.setdefault(symbol, since), at_ns)
        self._rows.event(
            at_ns, kind, symbol=symbol, seq=seq, span=span, expected=expected, received=received, text=text
        )
        self.findings.append(BookSuspect(symbol, text))

    def missing(self, at_ns: int, text: str) -> None:
        """Mark every book that stands: numbers are missing, which may yet come again, each in its turn.

        Until then a book is right as of its last message, and what is resent goes on from there. Nothing is asked anew.
        """
        for symbol, subscription in self.by_symbol.items():
            book = subscription.book
            if book is not None and book.state is BookState.LIVE and subscription.sequenced:
                since = self._missing_since.setdefault(symbol, self._last_good(subscription, at_ns))
                self._rows.event(at_ns, Kind.SUSPECT, symbol=symbol, span=(since, at_ns), text=text)

    def whole(self, at_ns: int) -> None:
        """Take note that every number is accounted for: a book that lost nothing stands as before."""
        for symbol, since in self._missing_since.items():
            subscription = self.by_symbol.get(symbol)
            if subscription is not None and subscription.book is not None and subscription.book.state is BookState.LIVE:
                self._rows.event(at_ns, Kind.HEALED, symbol=symbol, span=(since, at_ns), text=BY_RESEND)
            else:  # Stopped meanwhile.
                self._suspect_since.setdefault(symbol, since)
        self._missing_since.clear()

    def hole(self, at_ns: int, text: str) -> None:
        """Mark every book of the session: messages between its snapshot and now are lost."""
        for symbol, subscription in list(self.by_symbol.items()):
            subscription.sequenced = False
            if subscription.book is None or subscription.book.state is not BookState.LIVE:
                continue
            since = self._missing_since.pop(symbol, None)
            if since is None:
                self.suspect(at_ns, subscription, Kind.SUSPECT, text)
            else:  # Told when they were first missing.
                subscription.book.suspect()
                self._suspect_since[symbol] = since
                self.findings.append(BookSuspect(symbol, text))

    def key_frames(self) -> None:
        """Write down each whole book that changed by more rows than it has levels since it was last whole in a table.

        So a book is found again by reading no more than twice its size, and key frames never outweigh the changes.
        Books of orders are left out: a table of levels cannot hold them.
        """
        for symbol, subscription in self.by_symbol.items():
            book = subscription.book
            if (
                book is not None
                and subscription.request.level == LEVEL_2
                and book.state is BookState.LIVE
                and book.rows > len(book.bids) + len(book.offers)
                and subscription.sequenced
            ):
                self._rows.key_frame(symbol, book)
                book.rows = 0

    def _snapshot_arrived(self, subscription: Subscription, book: Book, outcome: Outcome) -> None:
        symbol, at_ns, seq = subscription.request.symbol, outcome.at_ns, outcome.seq
        self._counters.snapshots += 1
        subscription.sequenced = True
        subscription.snapshot = Place(seq, at_ns, outcome.position)
        self._rows.event(at_ns, Kind.SNAPSHOT, symbol=symbol, seq=seq, count=outcome.entries)
        if book.state is not BookState.LIVE or outcome.verdict is Verdict.MISMATCH:
            return
        book.good_ns = at_ns
        since = self._suspect_since.pop(symbol, None)
        if since is not None:
            self._rows.event(at_ns, Kind.HEALED, symbol=symbol, seq=seq, span=(since, at_ns))
            self.findings.append(BookHealed(symbol, self._rows.session_id, book.instrument, subscription.snapshot))
        self.findings.append(SnapshotArrived(symbol))

    def _broken(self, subscription: Subscription, book: Book, outcome: Outcome, text: str) -> None:
        """Keep what is known of a book that began with a snapshot and is not what the venue says."""
        if subscription.snapshot is None or not subscription.current:
            return
        self.findings.append(
            BookBroken(
                symbol=subscription.request.symbol,
                md_req_id=subscription.request.md_req_id,
                session_id=self._rows.session_id,
                instrument=book.instrument,
                depth=book.depth,
                level=subscription.request.level,
                at=Place(outcome.seq, outcome.at_ns, outcome.position),
                snapshot=subscription.snapshot,
                received=outcome.received,
                computed=outcome.computed,
                text=text,
                bids=tuple(book.bids.levels()),
                offers=tuple(book.offers.levels()),
            )
        )

    def _last_good(self, subscription: Subscription, otherwise: int) -> int:
        self._remember(subscription)
        return self._good_ns.get(subscription.request.symbol, otherwise)

    def _remember(self, subscription: Subscription) -> None:
        """Keep when a book was last good, for the one that takes its place."""
        if subscription.book is not None and subscription.book.good_ns != NULL:
            self._good_ns[subscription.request.symbol] = subscription.book.good_ns
