"""The market-data feed of one recorder: what happened on the wire, in; rows and findings, out.

Layer: above wire, session, market and book; below whoever owns sockets or files. No I/O, no clock.
Source: design sections 3 and 6.

A feed is told facts only: a connection opened, bytes came, a message was sent, the connection closed, something was
noted. Everything it writes into its columns follows from those facts, so a rebuild that tells it the same facts from a
journal gets the same rows. What to ask of the venue is decided elsewhere (`subscriber`), from `take_findings`.
"""

from bisect import bisect_right
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Final

from capture.book.book import Applied, Book, BookState
from capture.columns import Columns, Flag, Proof, Verdict
from capture.errors import MessageGarbled, ValueMalformed
from capture.findings import (
    BookSuspect,
    Finding,
    InstrumentsListed,
    Kind,
    ListFailed,
    SnapshotArrived,
    SubscriptionRejected,
    describe,
)
from capture.market import decoder
from capture.market.decoder import Decoded
from capture.market.instruments import Instrument, InstrumentList
from capture.market.requests import FULL_DEPTH, MarketDataRequest, read_market_data_request
from capture.rows import MessageRow, Rows
from capture.session import events
from capture.session.session import Delivery, Session
from capture.sinks import Connection, Position
from capture.wire import message as wire_message
from capture.wire import tags, values
from capture.wire.framer import Framer, FrameTooLong, Skipped

_FAST_TYPES: Final = (tags.MARKET_DATA_SNAPSHOT, tags.MARKET_DATA_INCREMENTAL)
_MSG_TYPE_AT: Final = b"\x0135="


@dataclass(slots=True)
class Counters:
    """What was seen since the feed began."""

    received_bytes: int = 0
    frames: int = 0
    messages: int = 0
    market_data: int = 0
    entries: int = 0
    trades: int = 0
    snapshots: int = 0
    verified: int = 0
    mismatches: int = 0
    unverified: int = 0
    gaps: int = 0
    last_sending_lag_ms: int = 0


@dataclass(slots=True)
class Subscription:
    """One MDReqID(262) and the book that it feeds.

    sequenced: no gap lies between the book's snapshot and now.
    """

    request: MarketDataRequest
    book: Book | None = None
    current: bool = True
    sequenced: bool = True
    depth: int = field(init=False)

    def __post_init__(self) -> None:
        self.depth = self.request.depth or FULL_DEPTH


class Feed:
    """The feed of one session after another; columns grow until they are taken with `take_columns`."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.counters = Counters()
        self.instruments: dict[str, Instrument] = {}
        self.subscriptions: dict[str, Subscription] = {}  # By MDReqID, retired ones included, of this session.
        self.by_symbol: dict[str, Subscription] = {}  # The current one of each symbol.
        self._framer = Framer()
        self._list = InstrumentList()
        self._listed: set[str] = set()
        self.rows = Rows()
        self._good_ns: dict[str, int] = {}  # Receive time after which each symbol's book was last good.
        self._suspect_since: dict[str, int] = {}  # Symbols without a book to believe, and since when.
        self._findings: list[Finding] = []
        self._places: list[tuple[int, Position]] = []  # Stream offset at which each journal block begins.
        self._received_total = 0
        self._broken_stream = False

    # Facts.

    def opened(self, at_ns: int, mono_ns: int, connection: Connection) -> None:
        """Take note of a connection that is up."""
        self.rows.session_id = values.compact_utc(at_ns)
        self._framer = Framer()
        self._places.clear()
        self._received_total = 0
        self._broken_stream = False
        self.subscriptions.clear()
        self.by_symbol.clear()
        self._list = InstrumentList()
        self._listed = set()
        self.session.opened(mono_ns, at_ns)
        peer = f"{connection.host} {connection.peer_address}:{connection.peer_port} {connection.tls}"
        self.rows.event(at_ns, Kind.CONNECT, text=peer)

    def received(self, at_ns: int, mono_ns: int, data: bytes, position: Position) -> None:
        """Interpret bytes that the journal already holds at `position`."""
        self.counters.received_bytes += len(data)
        self._places.append((self._received_total, position))
        self._received_total += len(data)
        if self._broken_stream:
            return
        try:
            for item in self._framer.feed(data):
                if isinstance(item, Skipped):
                    self._skipped(at_ns, mono_ns, item)
                else:
                    self._frame(at_ns, mono_ns, item.data, self._place(item.stream_offset))
        except FrameTooLong as error:
            self._broken_stream = True
            self.session.close_reason = str(error)
            self.rows.event(at_ns, Kind.VIOLATION, text=str(error), count=error.body_length)
        self._forget_places()
        self._take_session_events(at_ns)

    def sent(self, at_ns: int, mono_ns: int, frame: bytes) -> None:
        """Take note of a message that went out."""
        message = wire_message.parse(frame)
        self.session.sent(message, mono_ns)
        if message.msg_type == tags.MARKET_DATA_REQUEST:
            for request in read_market_data_request(message):
                self._requested(at_ns, request, message.integer(tags.MSG_SEQ_NUM))
        self._take_session_events(at_ns)

    def closed(self, at_ns: int, reason: str) -> None:
        """Take note of the end of the connection: every book of it ends here."""
        for skipped in self._framer.end():
            self.rows.event(at_ns, Kind.GARBLED, text=skipped.reason, count=skipped.count)
        for symbol, subscription in self.by_symbol.items():
            if subscription.book is not None:
                subscription.book.suspect()
                self._suspect_since.setdefault(symbol, self._good_ns.get(symbol, at_ns))
        self.session.closed(at_ns)
        self._take_session_events(at_ns)
        self.rows.event(at_ns, Kind.DISCONNECT, text=reason)
        self.rows.session_id = ""

    def noted(self, at_ns: int, kind: str, symbol: str | None, text: str) -> None:
        """Take note of what a recorder found outside the stream."""
        self.rows.event(at_ns, Kind.NOTE, symbol=symbol, expected=kind, text=text)

    # What an owner takes.

    def take_columns(self) -> Columns:
        """Return all rows so far and begin new columns."""
        return self.rows.take()

    def take_findings(self) -> list[Finding]:
        """Return what was found since the last call, in order."""
        taken, self._findings = self._findings, []
        return taken

    @property
    def books_proven(self) -> int:
        """How many current books agree with the venue's last checksum."""
        return sum(1 for it in self.by_symbol.values() if it.book is not None and it.book.proven)

    @property
    def at_message_border(self) -> bool:
        """Whether no message is half received."""
        return self._framer.pending_bytes == 0

    # Frames.

    def _place(self, stream_offset: int) -> Position:
        """Return the journal block that holds a byte of the stream; blocks before it are no longer asked for."""
        self._forget_places_before(stream_offset)
        return self._places[0][1]

    def _forget_places(self) -> None:
        if self._framer.pending_bytes:
            self._forget_places_before(self._received_total - self._framer.pending_bytes)
        else:
            self._places.clear()

    def _forget_places_before(self, stream_offset: int) -> None:
        held = bisect_right(self._places, stream_offset, key=itemgetter(0)) - 1
        del self._places[: max(held, 0)]

    def _skipped(self, at_ns: int, mono_ns: int, skipped: Skipped) -> None:
        self.session.ignored(f"{skipped.reason} ({skipped.count} bytes)", mono_ns)
        self._take_session_events(at_ns)

    def _frame(self, at_ns: int, mono_ns: int, frame: bytes, position: Position) -> None:
        self.counters.frames += 1
        begin = frame.index(_MSG_TYPE_AT) + len(_MSG_TYPE_AT)
        fast = frame[begin : frame.index(tags.SOH, begin)] in _FAST_TYPES
        try:
            message = wire_message.split(frame) if fast else wire_message.parse(frame)
        except MessageGarbled as error:
            self.session.ignored(error.reason, mono_ns)
            self._take_session_events(at_ns)
            return
        for delivery in self.session.receive(message, at_ns, mono_ns):
            self._take_session_events(at_ns)
            self._deliver(at_ns, delivery, position)
        self._take_session_events(at_ns)

    def _deliver(self, at_ns: int, delivery: Delivery, position: Position) -> None:
        self.counters.messages += 1
        self.counters.last_sending_lag_ms = (at_ns - delivery.sending_ns) // values.MILLISECOND_NS
        message = delivery.message
        row = MessageRow(at_ns, delivery, position)
        if abs(at_ns - delivery.sending_ns) > self.session.settings.sending_time_limit_s * values.SECOND_NS:
            row.flags |= Flag.BAD_TIME
        try:
            if message.msg_type in _FAST_TYPES:
                self.counters.market_data += 1
                self._market_data(row)
            elif message.msg_type == tags.SECURITY_LIST:
                self._security_list(row)
            elif message.msg_type == tags.MARKET_DATA_REQUEST_REJECT:
                self._request_rejected(row)
            else:
                kind = Kind.REJECT if message.msg_type == tags.BUSINESS_MESSAGE_REJECT else Kind.UNKNOWN_MESSAGE
                text = f"35={message.text(tags.MSG_TYPE)} {message.text(tags.TEXT)}".rstrip()
                self.rows.event(at_ns, kind, seq=delivery.msg_seq_num, text=text)
        except ValueMalformed as error:
            row.verdict = Verdict.MALFORMED
            self._malformed(row, error)
        self.rows.message(row)

    # Market data.

    def _market_data(self, row: MessageRow) -> None:
        md_req_id, symbol = decoder.identify(row.message)
        row.symbol = symbol
        subscription = self.subscriptions.get(md_req_id)
        if subscription is None or subscription.request.symbol != symbol:
            raise ValueMalformed(expected="MDReqID(262) and Symbol(55) of a subscription", received=md_req_id.encode())
        instrument = self.instruments.get(symbol)
        if instrument is None:
            raise ValueMalformed(expected="a symbol of the instrument list", received=symbol.encode())
        snapshot = row.message.msg_type == tags.MARKET_DATA_SNAPSHOT
        if subscription.book is None or (snapshot and subscription.book.instrument is not instrument):
            subscription.book = Book(instrument, subscription.depth)
        book = subscription.book
        decoded = decoder.decode(row.message, book.instrument, row.sending_ms)
        row.entries, row.received = len(decoded.entries), decoded.checksum
        if not subscription.current:
            book.suspect()  # A straggler of a subscription that was stopped: kept as rows, applied nowhere.
            if snapshot:
                book = Book(book.instrument, subscription.depth)
        applied = book.snapshot(decoded) if snapshot else book.refresh(decoded)
        row.verdict, row.computed = applied.verdict, applied.computed
        self._judge(row, subscription, applied, snapshot=snapshot)
        self._rows(row, subscription, decoded, applied, snapshot=snapshot)

    def _judge(self, row: MessageRow, subscription: Subscription, applied: Applied, *, snapshot: bool) -> None:
        """Draw the consequences of one applied message for its book."""
        symbol, seq = subscription.request.symbol, row.seq
        counters = self.counters
        assert subscription.book is not None
        if applied.violations:
            text = "; ".join(applied.violations[:4])
            self.rows.event(row.at_ns, Kind.INVARIANT, symbol=symbol, seq=seq, count=len(applied.violations), text=text)
        if snapshot and subscription.current:
            self._snapshot_arrived(row, subscription)
        match applied.verdict:
            case Verdict.VERIFIED:
                counters.verified += 1
                self._good_ns[symbol] = row.at_ns
            case Verdict.MISMATCH:
                counters.mismatches += 1
                expected, computed = str(row.received), str(applied.computed)
                text = f"{symbol}: checksum mismatch after MsgSeqNum {seq}: expected {expected}, computed {computed}"
                self._suspect(
                    row.at_ns, subscription, Kind.MISMATCH, text, seq=seq, expected=expected, received=computed
                )
            case Verdict.UNVERIFIED:
                counters.unverified += not snapshot
                if subscription.book.state is BookState.SUSPECT and symbol not in self._suspect_since:
                    self._suspect(row.at_ns, subscription, Kind.SUSPECT, "; ".join(applied.violations), seq=seq)

    def _snapshot_arrived(self, row: MessageRow, subscription: Subscription) -> None:
        symbol = subscription.request.symbol
        self.counters.snapshots += 1
        subscription.sequenced = True
        self.rows.event(row.at_ns, Kind.SNAPSHOT, symbol=symbol, seq=row.seq, count=row.entries)
        assert subscription.book is not None
        if subscription.book.state is BookState.LIVE:
            self._good_ns[symbol] = row.at_ns
            since = self._suspect_since.pop(symbol, None)
            if since is not None:
                self.rows.event(row.at_ns, Kind.HEALED, symbol=symbol, seq=row.seq, span=(since, row.at_ns))
            self._findings.append(SnapshotArrived(symbol))

    def _suspect(
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
        span = (self._suspect_since.setdefault(symbol, self._good_ns.get(symbol, at_ns)), at_ns)
        self.rows.event(at_ns, kind, symbol=symbol, seq=seq, span=span, expected=expected, received=received, text=text)
        self._findings.append(BookSuspect(symbol, text))

    def _malformed(self, row: MessageRow, error: ValueMalformed) -> None:
        self.rows.event(row.at_ns, Kind.MALFORMED, symbol=row.symbol, seq=row.seq, text=str(error))
        subscription = self.by_symbol.get(row.symbol or "")
        if subscription is not None and row.message.text(tags.MD_REQ_ID) == subscription.request.md_req_id:
            self._suspect(row.at_ns, subscription, Kind.SUSPECT, f"a message could not be read: {error}", seq=row.seq)

    def _rows(
        self, row: MessageRow, subscription: Subscription, decoded: Decoded, applied: Applied, *, snapshot: bool
    ) -> None:
        proof = Proof.SEQUENCE if subscription.sequenced else Proof(0)
        if not applied.violations:
            proof |= Proof.INVARIANTS
        flags = row.flags | (Flag.SNAPSHOT if snapshot else 0)
        self.counters.entries += len(decoded.entries)
        # A trade has no checksum, and no book to be suspect of.
        self.counters.trades += self.rows.trades(row, decoded, proof, flags)
        if applied.verdict is Verdict.VERIFIED:
            proof |= Proof.CHECKSUM
        row.proof = proof
        if subscription.book is None or subscription.book.state is not BookState.LIVE or not subscription.sequenced:
            flags |= Flag.SUSPECT_BOOK
        self.rows.changes(row, applied, proof, flags)

    # Requests and lists.

    def _requested(self, at_ns: int, request: MarketDataRequest, seq: int) -> None:
        kind = Kind.SUBSCRIBE if request.subscribe else Kind.UNSUBSCRIBE
        self.rows.event(at_ns, kind, symbol=request.symbol, seq=seq, count=request.depth, text=request.md_req_id)
        if not request.subscribe:
            ended = self.subscriptions.get(request.md_req_id)
            if ended is not None:
                ended.current = False
                if self.by_symbol.get(request.symbol) is ended:
                    del self.by_symbol[request.symbol]
            return
        subscription = Subscription(request)
        self.subscriptions[request.md_req_id] = subscription
        self.by_symbol[request.symbol] = subscription

    def _security_list(self, row: MessageRow) -> None:
        try:
            part = self._list.add(row.message)
        except ValueMalformed as error:
            self._findings.append(ListFailed(str(error)))
            raise
        row.entries = len(part.instruments) + len(part.malformed)
        for symbol in part.malformed:
            text = f"{symbol}: instrument could not be read"
            self.rows.event(row.at_ns, Kind.MALFORMED, symbol=symbol, seq=row.seq, text=text)
        for instrument in part.instruments:
            self._listed.add(instrument.symbol)
            known = self.instruments.get(instrument.symbol)
            if known != instrument:
                self.instruments[instrument.symbol] = instrument
                self.rows.instrument(row, instrument)
                if known is not None:
                    self._instrument_changed(row, known, instrument)
        if part.complete:
            self.rows.event(row.at_ns, Kind.INSTRUMENTS, seq=row.seq, count=len(self._listed))
            self._findings.append(InstrumentsListed(tuple(sorted(self._listed))))

    def _instrument_changed(self, row: MessageRow, known: Instrument, instrument: Instrument) -> None:
        before = (known.price_precision, known.size_precision)
        after = (instrument.price_precision, instrument.size_precision)
        subscription = self.by_symbol.get(instrument.symbol)
        if before != after:
            text = f"{instrument.symbol}: precision of price and size was {before}, is {after}"
            self.rows.event(row.at_ns, Kind.PRECISION_CHANGE, symbol=instrument.symbol, seq=row.seq, text=text)
            if subscription is not None:
                self._suspect(row.at_ns, subscription, Kind.SUSPECT, text, seq=row.seq)
        elif subscription is not None and subscription.book is not None:
            subscription.book.instrument = instrument

    def _request_rejected(self, row: MessageRow) -> None:
        message = row.message
        md_req_id, reason = message.text(tags.MD_REQ_ID), message.text(tags.MD_REQ_REJ_REASON)
        text = message.text(tags.TEXT)
        subscription = self.subscriptions.get(md_req_id)
        symbol = subscription.request.symbol if subscription is not None else ""
        if subscription is not None and subscription.current and subscription.book is None:
            subscription.current = False
            if self.by_symbol.get(symbol) is subscription:
                del self.by_symbol[symbol]
        row.symbol = symbol or None
        self.rows.event(
            row.at_ns, Kind.SUBSCRIPTION_REJECTED, symbol=symbol or None, seq=row.seq, received=reason, text=text
        )
        self._findings.append(SubscriptionRejected(symbol, md_req_id, reason, text))

    # Session events.

    def _take_session_events(self, at_ns: int) -> None:
        for event in self.session.take_events():
            self._findings.append(event)
            self._session_event(at_ns, event)

    def _session_event(self, at_ns: int, event: events.SessionEvent) -> None:
        described = describe(event, self.session.inbound.expected - 1)
        self.rows.event(at_ns, described.kind, **described.fields)
        match event:
            case events.GapOpened(begin, end):
                self.counters.gaps += 1
                self._hole(at_ns, f"MsgSeqNum {begin} to {end} are missing")
            case events.RolledOver(how):
                self._hole(at_ns, f"daily roll-over: {how}")
            case events.SequenceReset(expected, new_seq_no) if new_seq_no != expected:
                self._hole(at_ns, f"the venue reset MsgSeqNum from {expected} to {new_seq_no}")

    def _hole(self, at_ns: int, text: str) -> None:
        """Mark every book of the session: messages between its snapshot and now are missing."""
        for subscription in list(self.by_symbol.values()):
            subscription.sequenced = False
            if subscription.book is not None and subscription.book.state is BookState.LIVE:
                self._suspect(at_ns, subscription, Kind.SUSPECT, text)
