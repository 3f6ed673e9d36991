"""The market data of a journal as something that a venue can serve again.

Layer: storage, above the journal; below the command that serves it.
Source: design section 4, "`replay` serves a recorded day to any FIX client through the venue".
Left to others: numbers, times and MDReqID(262) of whoever is served (`capture.venue.acceptor`).

What came is taken in the session's order, so a message that was sent again stands where it belongs, once. Where a book
stands as the window begins, its stream begins with that book as one snapshot; every other message is the bytes that
came, as long after the window's beginning as it was received. A stream's first snapshot is due at once, so that a
client that asks does not wait for it.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from capture.errors import WireError
from capture.market.requests import LEVEL_2, MarketDataRequest, read_market_data_request
from capture.session.session import Delivery, Session
from capture.venue.recording import RECORDING_BYTES_LIMIT, Recordings, Stream, body_of, levels_of, precision_of
from capture.venue.source import Body
from capture.venue.view import FollowedBook
from capture.wire import message as wire_message
from capture.wire import tags
from capture.wire.framer import Framer, Skipped
from storage.errors import NothingToServe
from storage.journal.reader import OnDamage, Record, RecordKind, read_segment
from storage.journal.runs import runs_of
from storage.journal.segments import segment_paths
from storage.pipeline import recorder_session

_MARKET_DATA: Final = (tags.MARKET_DATA_SNAPSHOT, tags.MARKET_DATA_INCREMENTAL)


@dataclass(slots=True)
class JournalMarket:
    """What can be served, and what of the window cannot.

    left_out: symbols without a book in the window, or recorded order by order. bytes: of messages held.
    """

    recordings: Recordings = field(default_factory=Recordings)
    left_out: set[str] = field(default_factory=set)
    message_count: int = 0
    bytes: int = 0


class _Symbol:
    """One symbol on its way through the journal: followed up to the window, and kept from there on."""

    def __init__(self, request: MarketDataRequest, precision: tuple[int, int]) -> None:
        self.request, self._precision = request, precision
        self.book: FollowedBook | None = None

    def follow(self, body: Body, *, snapshot: bool) -> None:
        if snapshot:
            self.book = FollowedBook(self.request.symbol, self.request.depth, self._precision)
        if self.book is not None:
            self.book.take(body)


class _Reader:
    """One run's deliveries into a market."""

    def __init__(
        self, market: JournalMarket, begin_ns: int | None, end_ns: int | None, symbols: frozenset[str], root: Path
    ) -> None:
        self._market, self._root = market, root
        self._begin_ns, self._end_ns, self._wanted = begin_ns, end_ns, symbols
        self._session: Session | None = None
        self._framer = Framer()
        self._symbols: dict[str, _Symbol] = {}  # By MDReqID(262), of one connection.
        self._requests: dict[str, MarketDataRequest] = {}
        self._last_ns = 0

    def take(self, record: Record) -> None:
        self._last_ns = record.at_ns
        match record.kind:
            case RecordKind.OPENED:
                assert record.connection is not None, "a connection that opened is named"
                of = record.connection
                self._session = recorder_session(of.sender_comp_id, of.target_comp_id, answers=False)
                self._session.opened(record.at_ns, record.at_ns)
                self._framer = Framer()
                self._symbols, self._requests = {}, {}
            case RecordKind.SENT if self._session is not None:
                message = wire_message.parse(record.data)
                self._session.sent(message, record.at_ns)
                if message.msg_type == tags.MARKET_DATA_REQUEST:
                    self._requests.update({it.md_req_id: it for it in read_market_data_request(message)})
            case RecordKind.RECEIVED if self._session is not None:
                for item in self._framer.feed(record.data):
                    if not isinstance(item, Skipped):
                        for delivery in self._deliveries(item.data, record.at_ns):
                            self._deliver(delivery, record.at_ns)
            case RecordKind.CLOSED | RecordKind.RESET if self._session is not None:
                self.end()
                self._session.closed(record.at_ns)
                self._session = None

    def end(self) -> None:
        """Take the end of a connection, or of what is read: a book of which nothing came stands as it stood."""
        begin_ns, streams = self._begin_ns, self._market.recordings.streams
        if self._session is None or begin_ns is None or self._last_ns < begin_ns:
            return
        for md_req_id, it in self._symbols.items():
            symbol = it.request.symbol
            if it.book is None or symbol in streams or self._requests.get(md_req_id) is not it.request:
                continue
            stream = streams[symbol] = Stream(symbol, began_ns=begin_ns)
            stream.levels_most = it.request.depth_kept
            self._keep(stream, it.book.snapshot(0))

    def _deliveries(self, frame: bytes, at_ns: int) -> Iterator[Delivery]:
        assert self._session is not None, "bytes are of a connection"
        try:
            message = wire_message.parse(frame)
        except WireError:
            return  # As a session ignores it.
        yield from self._session.deliveries(message, at_ns, at_ns)
        self._session.take_events()

    def _deliver(self, delivery: Delivery, at_ns: int) -> None:
        message = delivery.message
        if message.msg_type == tags.SECURITY_LIST:
            self._market.recordings.add_instruments(message)
        elif message.msg_type in _MARKET_DATA:
            it = self._symbol_of(message.text(tags.MD_REQ_ID), message.text(tags.SYMBOL))
            if it is not None:
                self._market_data(it, message, at_ns)

    def _symbol_of(self, md_req_id: str, symbol: str) -> _Symbol | None:
        known = self._symbols.get(md_req_id)
        request = self._requests.get(md_req_id)
        if known is not None and known.request is request:
            return known
        fields = self._market.recordings.instruments.get(symbol)
        if request is None or fields is None or (self._wanted and symbol not in self._wanted):
            return None
        if request.level != LEVEL_2:
            self._market.left_out.add(symbol)
            return None
        return self._symbols.setdefault(md_req_id, _Symbol(request, precision_of(fields)))

    def _market_data(self, it: _Symbol, message: wire_message.Message, at_ns: int) -> None:
        if self._end_ns is not None and at_ns >= self._end_ns:
            return
        streams, symbol = self._market.recordings.streams, it.request.symbol
        snapshot = message.msg_type == tags.MARKET_DATA_SNAPSHOT
        if self._begin_ns is None:
            self._begin_ns = at_ns
        if at_ns < self._begin_ns:
            it.follow(body_of(message, 0), snapshot=snapshot)
            return
        stream = streams.get(symbol)
        if stream is None:
            if it.book is None and not snapshot:
                self._market.left_out.add(symbol)
                return
            stream = streams[symbol] = Stream(symbol, began_ns=self._begin_ns)
            stream.levels_most = it.request.depth_kept
            if not snapshot:
                assert it.book is not None, "there is one, or a snapshot"
                self._keep(stream, it.book.snapshot(0))
        if snapshot:
            stream.levels_most = max(stream.levels_most, levels_of(message))
        self._keep(stream, body_of(message, at_ns - self._begin_ns if stream.messages else 0))

    def _keep(self, stream: Stream, body: Body) -> None:
        market = self._market
        stream.messages.append(body)
        market.message_count += 1
        market.bytes += len(body.before) + len(body.after)
        if market.bytes > RECORDING_BYTES_LIMIT:
            raise NothingToServe(
                self._root, f"more than {RECORDING_BYTES_LIMIT} bytes of messages in the window", "choose a shorter one"
            )


def market_of(
    root: Path,
    *,
    begin_ns: int | None = None,
    end_ns: int | None = None,
    symbols: Iterable[str] = (),
    on_damage: OnDamage | None = None,
) -> JournalMarket:
    """Return the market data that a journal received in a window, half open, of some symbols or all.

    Only runs that begin before the window's end are read, each from its first record on, for the books that stood.
    on_damage: called with damage, which is read past; without it damage raises.
    Errors: NothingToServe; JournalDamaged, JournalTooNew, JournalUnreadable.
    """
    market, wanted = JournalMarket(), frozenset(symbols)
    for run in runs_of(segment_paths(root)):
        reader = _Reader(market, begin_ns, end_ns, wanted, root)
        for path in run.paths:
            for record in read_segment(path, on_damage):
                if end_ns is not None and record.at_ns >= end_ns:
                    break
                reader.take(record)
        reader.end()
        begin_ns = reader._begin_ns  # noqa: SLF001 - the first that came
    market.left_out |= wanted - market.recordings.streams.keys()
    market.left_out -= market.recordings.streams.keys()
    if not market.recordings.streams:
        raise NothingToServe(
            root, "no book of a symbol that is wanted stands in the window", "`fixtape journal ls` lists what is there"
        )
    return market
