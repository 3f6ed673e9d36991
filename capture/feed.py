"""The market-data feed of one recorder: what happened on the wire, in; rows and findings, out.

Layer: above wire, session, market and book; below whoever owns sockets or files. No I/O, no clock.
Source: design sections 3 and 6.

A feed is told facts only: a connection opened, bytes came, a message was sent, the connection closed, something was
noted. Everything it writes into its columns follows from those facts, so a rebuild that tells it the same facts from a
journal gets the same rows. What to ask of the venue is decided elsewhere (`subscriber`), from `take_findings`.
"""

from bisect import bisect_right
from dataclasses import replace
from operator import itemgetter
from typing import Final

from capture.book import kernel as book_kernel
from capture.book.book import Applied, BookState
from capture.books import Books, Outcome, Subscription
from capture.columns import Columns, Flag, Proof, Verdict
from capture.counters import Counters
from capture.errors import MessageGarbled, ValueMalformed
from capture.findings import Finding, Kind, SubscriptionRejected, describe
from capture.lane import Lane
from capture.listings import Listings
from capture.market import decoder, kernel
from capture.market.decoder import Decoded
from capture.market.instruments import Instrument
from capture.market.requests import MarketDataRequest, read_market_data_request
from capture.rows import MessageRow, Rows
from capture.session import events
from capture.session.session import Delivery, Session
from capture.sinks import Connection, Position
from capture.wire import message as wire_message
from capture.wire import tags, values
from capture.wire.framer import Framer, FrameTooLong, Skipped

_FAST_TYPES: Final = (tags.MARKET_DATA_SNAPSHOT, tags.MARKET_DATA_INCREMENTAL)
_MSG_TYPE_AT: Final = b"\x0135="


class Feed:
    """The feed of one session after another; columns grow until they are taken with `take_columns`.

    fast: take market data by the compiled kernels where they can; else all of it goes message by message, with the same
    rows, findings and books.
    """

    def __init__(self, session: Session, *, fast: bool = True) -> None:
        self.session = session
        self.counters = Counters()
        self.rows = Rows()
        self.books = Books(self.rows, self.counters)
        self._lane = Lane(self.rows, session.settings.sending_time_limit_s)
        self._fast = fast and session.settings.begin_string == tags.BEGIN_STRING_VALUE
        self._framer = Framer()
        self._listings = Listings(self.rows, self.books, self._lane)
        self._places: list[tuple[int, Position]] = []  # Stream offset at which each journal block begins.
        self._received_total = 0
        self._broken_stream = False

    def follower(self) -> "Feed":
        """Return a feed in the same state: told the same facts from here on, it makes the same rows.

        Taken between two facts, when no rows wait. It is told what was sent, and never decides it.
        """
        assert self.row_count == 0, "rows that wait belong to one feed only"
        twin = Feed(self.session.follower(), fast=self._fast)
        twin.counters = replace(self.counters)
        twin.rows.session_id = self.rows.session_id
        twin.books = self.books.twin(twin.rows, twin.counters)
        twin._framer = self._framer.twin()
        twin._listings = self._listings.twin(twin.rows, twin.books, twin._lane)
        twin._places, twin._received_total = list(self._places), self._received_total
        twin._broken_stream = self._broken_stream
        twin._lane.opened(twin.session.target, twin.session.sender)
        for subscription in twin.books.subscriptions.values():
            known = twin.instruments.get(subscription.request.symbol) if subscription.current else None
            twin._lane.watch(subscription, known)
        return twin

    # Facts.

    def opened(self, at_ns: int, mono_ns: int, connection: Connection) -> None:
        """Take note of a connection that is up."""
        self.rows.session_id = values.compact_utc(at_ns)
        self._framer = Framer()
        self._places.clear()
        self._received_total = 0
        self._broken_stream = False
        self.books.begin()
        self._listings.begin()
        self.session.opened(mono_ns, at_ns)
        self._lane.opened(self.session.target, self.session.sender)
        peer = f"{connection.host} {connection.peer_address}:{connection.peer_port} {connection.tls}"
        self.rows.event(at_ns, Kind.CONNECT, text=peer)

    def received(self, at_ns: int, mono_ns: int, data: bytes, position: Position) -> None:
        """Interpret bytes that the journal already holds at `position`."""
        self.counters.received_bytes += len(data)
        self._places.append((self._received_total, position))
        self._received_total += len(data)
        if self._broken_stream:
            return
        framer = self._framer
        framer.append(data)
        try:
            while True:
                if self._fast:
                    self._take_fast(at_ns, mono_ns)
                item = framer.next()
                if item is None:
                    break
                if isinstance(item, Skipped):
                    self._skipped(at_ns, mono_ns, item)
                else:
                    self._frame(at_ns, mono_ns, item.data, self._place(item.stream_offset))
        except FrameTooLong as error:
            self._broken_stream = True
            self.session.overrun(str(error))
        framer.trim()
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
        self.books.end(at_ns)
        self.session.closed(at_ns)
        self._take_session_events(at_ns)
        self.rows.event(at_ns, Kind.DISCONNECT, text=reason)
        self.rows.session_id = ""

    def noted(self, at_ns: int, kind: str, text: str, since_ns: int | None = None) -> None:
        """Take note of what a recorder found outside the stream."""
        self.rows.event(at_ns, Kind.NOTE, expected=kind, text=text, span=(since_ns or at_ns, at_ns))

    def lost(self, at_ns: int, text: str) -> None:
        """Take note that a journal lost records of this connection before here: framing begins anew.

        What was in them shows by the next number: as a gap that is filled over, so that every book of the session ends.
        """
        self.rows.event(at_ns, Kind.NOTE, expected="journal damage", text=text)
        self._framer = Framer()
        self._places.clear()
        self._received_total = 0
        self.session.lost()

    # What an owner takes.

    @property
    def row_count(self) -> int:
        """How many rows there are to take."""
        return self.rows.columns.rows

    def take_columns(self) -> Columns:
        """Return all rows so far, key frames of the books among them, and begin new columns."""
        self.books.key_frames()
        return self.rows.take()

    def take_findings(self) -> list[Finding]:
        """Return what was found since the last call, in order."""
        taken, self.books.findings = self.books.findings, []
        return taken

    @property
    def instruments(self) -> dict[str, Instrument]:
        """The present version of each instrument."""
        return self._listings.instruments

    @property
    def by_symbol(self) -> dict[str, Subscription]:
        """The current subscription of each symbol."""
        return self.books.by_symbol

    @property
    def books_proven(self) -> int:
        """How many current books agree with the venue's last checksum."""
        return self.books.proven

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
            message.origin = position
        except MessageGarbled as error:
            self.session.ignored(error.reason, mono_ns)
            self._take_session_events(at_ns)
            return
        for delivery in self.session.deliveries(message, at_ns, mono_ns):
            self._take_session_events(at_ns)
            self._deliver(at_ns, delivery)
        self._take_session_events(at_ns)

    def _deliver(self, at_ns: int, delivery: Delivery) -> None:
        self.counters.messages += 1
        self.counters.last_sending_lag_ms = (at_ns - delivery.sending_ns) // values.MILLISECOND_NS
        message, position = delivery.message, delivery.message.origin  # Elsewhere, where it was kept for a while.
        assert isinstance(position, Position)
        row = MessageRow(at_ns, delivery, position)
        if abs(at_ns - delivery.sending_ns) > self.session.settings.sending_time_limit_s * values.SECOND_NS:
            row.flags |= Flag.BAD_TIME
        try:
            if message.msg_type in _FAST_TYPES:
                self.counters.market_data += 1
                self._market_data(row)
            elif message.msg_type == tags.SECURITY_LIST:
                self._listings.take(row)
            elif message.msg_type == tags.TRADING_SESSION_STATUS:
                self._listings.take_status(row)
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

    # Market data by the fast lane.

    def _take_fast(self, at_ns: int, mono_ns: int) -> None:
        """Take frames by the kernels for as long as they are theirs."""
        framer, lane, session = self._framer, self._lane, self.session
        while framer.between_frames and framer.pending_bytes and session.in_order:
            count = lane.read(framer.buffer, framer.at, session.inbound.expected, at_ns)
            if count:
                self._apply_fast(at_ns, mono_ns, count)
            if lane.decoder.stopped != kernel.FULL:
                return

    def _apply_fast(self, at_ns: int, mono_ns: int, count: int) -> None:
        """Apply what was read, and do by the slow lane or by hand what the kernel leaves."""
        framer, lane = self._framer, self._lane
        self._forget_places_before(framer.base + framer.at)
        lane.place(self._places, framer.base)
        done = 0
        while done < count:
            before, done = done, lane.apply(framer.buffer, done, count, at_ns)
            if done > before:
                framer.taken(lane.end_of(done - 1))
                self._count_fast(at_ns, mono_ns, before, done)
            stopped = lane.kernel.stopped
            if stopped == book_kernel.NOTABLE:
                subscription = lane.subscriptions[lane.staged.subscription[done - 1]]
                self.books.judge(subscription, lane.outcome(done - 1, at_ns))
            elif stopped == book_kernel.REFUSED:
                begin, end = lane.staged.begin[done], lane.end_of(done)
                framer.taken(end)
                self._frame(at_ns, mono_ns, bytes(framer.buffer[begin:end]), self._place(framer.base + begin))
                done += 1
            elif stopped == book_kernel.NO_ROOM:
                lane.make_room(done)

    def _count_fast(self, at_ns: int, mono_ns: int, before: int, done: int) -> None:
        counters, applied = self.counters, self._lane.kernel
        count = done - before
        self.session.received_in_order(count, at_ns, mono_ns)
        counters.frames += count
        counters.messages += count
        counters.market_data += count
        counters.entries += applied.entries
        counters.trades += applied.trades
        counters.verified += applied.verified
        counters.unverified += applied.unverified
        sending_ns = self._lane.staged.sending_ms[done - 1] * values.MILLISECOND_NS
        counters.last_sending_lag_ms = (at_ns - sending_ns) // values.MILLISECOND_NS

    # Market data by the slow lane.

    def _market_data(self, row: MessageRow) -> None:
        md_req_id, symbol = decoder.identify(row.message)
        row.symbol = symbol
        subscription = self.books.subscriptions.get(md_req_id)
        if subscription is None or subscription.request.symbol != symbol:
            raise ValueMalformed(expected="MDReqID(262) and Symbol(55) of a subscription", received=md_req_id.encode())
        instrument = self.instruments.get(symbol)
        if instrument is None:
            raise ValueMalformed(expected="a symbol of the instrument list", received=symbol.encode())
        snapshot = row.message.msg_type == tags.MARKET_DATA_SNAPSHOT
        book = subscription.book
        if book is None or (snapshot and book.instrument is not instrument):
            book = self.books.renew(subscription, instrument)
            self._lane.watch(subscription, instrument)
        level = subscription.request.level
        decoded = decoder.decode(row.message, book.instrument, row.sending_ms, level=level)
        row.entries, row.received = len(decoded.entries), decoded.checksum
        if not subscription.current:
            book.suspect()  # A straggler of a subscription that was stopped: kept as rows, applied nowhere.
            if snapshot:
                book = subscription.empty_book(book.instrument)
        follows = subscription.current and not decoded.beyond_precision and (snapshot or book.state is BookState.LIVE)
        applied = book.snapshot(decoded) if snapshot else book.refresh(decoded)
        row.verdict, row.computed = applied.verdict, applied.computed
        self._judge(row, subscription, applied, snapshot=snapshot)
        self._rows(row, subscription, decoded, applied, snapshot=snapshot, follows=follows)

    def _judge(self, row: MessageRow, subscription: Subscription, applied: Applied, *, snapshot: bool) -> None:
        self.counters.verified += applied.verdict is Verdict.VERIFIED
        self.counters.unverified += applied.verdict is Verdict.UNVERIFIED and not snapshot
        outcome = Outcome(
            at_ns=row.at_ns,
            seq=row.seq,
            position=row.position,
            snapshot=snapshot,
            entries=row.entries,
            verdict=applied.verdict,
            received=row.received,
            computed=applied.computed,
            violations=applied.violations,
            violation_count=len(applied.violations),
        )
        self.books.judge(subscription, outcome)

    def _malformed(self, row: MessageRow, error: ValueMalformed) -> None:
        self.rows.event(row.at_ns, Kind.MALFORMED, symbol=row.symbol, seq=row.seq, text=str(error))
        subscription = self.by_symbol.get(row.symbol or "")
        if subscription is not None and row.message.text(tags.MD_REQ_ID) == subscription.request.md_req_id:
            text = f"a message could not be read: {error}"
            self.books.suspect(row.at_ns, subscription, Kind.SUSPECT, text, seq=row.seq)

    def _rows(
        self,
        row: MessageRow,
        subscription: Subscription,
        decoded: Decoded,
        applied: Applied,
        *,
        snapshot: bool,
        follows: bool,
    ) -> None:
        """Write the rows of one message. follows: its book, the subscription's own, was changed by it."""
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
        book = subscription.book
        assert book is not None
        if book.state is not BookState.LIVE or not subscription.sequenced:
            flags |= Flag.SUSPECT_BOOK
        self.rows.changes(row, applied, proof, flags, level=subscription.request.level)
        if not follows or not applied.changes:
            return
        book.rows = 0 if snapshot else book.rows + len(applied.changes)
        book.last_ns, book.last_ms, book.last_seq, book.proof = row.at_ns, row.sending_ms, row.seq, proof
        if book.moved() or snapshot:
            self.rows.quote(row, book, proof, flags)

    # Requests and lists.

    def _requested(self, at_ns: int, request: MarketDataRequest, seq: int) -> None:
        kind = Kind.SUBSCRIBE if request.subscribe else Kind.UNSUBSCRIBE
        self.rows.event(at_ns, kind, symbol=request.symbol, seq=seq, count=request.depth, text=request.md_req_id)
        if request.subscribe:
            instrument = self.instruments.get(request.symbol)
            self._lane.watch(self.books.subscribe(request, instrument), instrument)
            return
        ended = self.books.subscriptions.get(request.md_req_id)
        if ended is not None:
            self.books.unsubscribe(ended)
            self._lane.watch(ended, None)

    def _request_rejected(self, row: MessageRow) -> None:
        message = row.message
        md_req_id, reason = message.text(tags.MD_REQ_ID), message.text(tags.MD_REQ_REJ_REASON)
        text = message.text(tags.TEXT)
        subscription = self.books.subscriptions.get(md_req_id)
        symbol = subscription.request.symbol if subscription is not None else ""
        if subscription is not None and subscription.current and not subscription.served:
            self.books.unsubscribe(subscription)
            self._lane.watch(subscription, None)
        row.symbol = symbol or None
        self.rows.event(
            row.at_ns, Kind.SUBSCRIPTION_REJECTED, symbol=symbol or None, seq=row.seq, received=reason, text=text
        )
        self.books.findings.append(SubscriptionRejected(symbol, md_req_id, reason, text))

    # Session events.

    def _take_session_events(self, at_ns: int) -> None:
        for event in self.session.take_events():
            self.books.findings.append(event)
            self._session_event(at_ns, event)

    def _session_event(self, at_ns: int, event: events.SessionEvent) -> None:
        described = describe(event, self.session.inbound.expected - 1)
        self.rows.event(at_ns, described.kind, **described.fields)
        match event:
            case events.LoggedOn():
                self._listings.begin()
            case events.GapOpened(begin, end):
                self.counters.gaps += 1
                self.books.missing(at_ns, f"MsgSeqNum {begin} to {end} are missing")
            case events.GapFilled(begin, end):
                self.books.hole(at_ns, f"MsgSeqNum {begin} to {end} are lost: filled over")
            case events.GapClosed():
                self.books.whole(at_ns)
            case events.RolledOver(how):
                self.books.hole(at_ns, f"daily roll-over: {how}")
            case events.SequenceReset(expected, new_seq_no) if new_seq_no != expected:
                self.books.hole(at_ns, f"the venue reset MsgSeqNum from {expected} to {new_seq_no}")
