"""One client's connection to the simulated venue, sans I/O: session, instrument list, subscriptions, playback.

Layer: venue. Source: venue reference sections 2.4, 4 and 7 for what the real one answers, and in which field order.
Left to others: sockets and timers (`venue.server`).

The owner calls `opened`, `received`, `tick`; then writes what `take_bytes` returns and, as long as its peer takes
them, what `playback` returns.
"""

import heapq
import math
from dataclasses import dataclass
from typing import Final

from capture.errors import MessageGarbled, ValueMalformed
from capture.market.requests import DEPTHS, FULL_DEPTH, MarketDataRequest, read_market_data_request
from capture.session.session import Role, Session, SessionSettings
from capture.session.states import State
from capture.venue.recording import Recorded, Recordings, Stream
from capture.wire import tags, values
from capture.wire.framer import Framer, FrameTooLong, Skipped
from capture.wire.message import Field, Message, parse

TARGET_COMP_ID: Final = b"KRAKEN-MD"
FAST: Final = math.inf  # As a speed: as fast as the reader takes it.
FRAGMENT_INSTRUMENTS: Final = 500
SUBSCRIPTIONS_LIMIT: Final = 10_000
# Bid and offer come only as a pair.
_ENTRY_TYPES: Final = (frozenset({b"0", b"1"}), frozenset({b"2"}), frozenset({b"0", b"1", b"2"}))
_STATES_SERVED: Final = frozenset({State.ACTIVE, State.AWAITING_RESEND})


@dataclass(frozen=True, slots=True)
class VenueSettings:
    """How the venue plays.

    speed: recorded seconds that pass in one; FAST is as fast as the reader takes them.
    clients: SenderCompIDs that may log on; empty is any.
    """

    speed: float = 1.0
    target: bytes = TARGET_COMP_ID
    clients: frozenset[bytes] = frozenset()
    sending_time_limit_s: int = 120


class _Rejected(Exception):
    """A MarketDataRequest that is answered by 35=Y."""

    def __init__(self, reason: bytes, text: str) -> None:
        super().__init__(text)
        self.reason = reason


@dataclass(slots=True)
class _Playing:
    """One subscription on its way through a stream.

    key_ns: venue time at which the stream's first message was due.
    """

    request: MarketDataRequest
    stream: Stream
    key_ns: int
    md_req_id: bytes
    md_req_id_sum: int
    wants_book: bool
    wants_trades: bool
    place: int = 0


class Acceptor:
    """The venue's end of one connection; see the module for the owner's loop."""

    def __init__(self, recordings: Recordings, settings: VenueSettings) -> None:
        self.recordings = recordings
        self.settings = settings
        self.session = Session(
            SessionSettings(
                Role.ACCEPTOR,
                sender=settings.target,
                target=b"",
                sending_time_limit_s=settings.sending_time_limit_s,
                strict_time=True,
            )
        )
        self.messages_sent = 0
        self._framer = Framer()
        self._out: list[bytes] = []
        self._playing: dict[str, _Playing] = {}
        self._due: list[tuple[int, int, _Playing]] = []
        self._order = 0
        self._venue_ns = 0  # Key of the last message played, for a venue without a pace of its own.

    # What the owner calls.

    def opened(self, mono_ns: int) -> None:
        """Begin on a new connection."""
        self.session.opened(mono_ns)

    def received(self, data: bytes, wall_ns: int, mono_ns: int) -> None:
        """Handle bytes of the client; each message is answered before the next one is read."""
        try:
            for item in self._framer.feed(data):
                if isinstance(item, Skipped):
                    self.session.ignored(item.reason, mono_ns)
                    continue
                try:
                    message = parse(item.data)
                except MessageGarbled as error:
                    self.session.ignored(error.reason, mono_ns)
                    continue
                if not self._may_log_on(message):
                    return
                for delivery in self.session.receive(message, wall_ns, mono_ns):
                    self._serve(delivery.message, delivery.msg_seq_num, mono_ns)
                self._flush(wall_ns, mono_ns)
        except FrameTooLong as error:
            self.session.close_reason = str(error)

    def tick(self, wall_ns: int, mono_ns: int) -> None:
        """Let time pass."""
        self.session.tick(mono_ns)
        self._flush(wall_ns, mono_ns)

    def log_out(self, text: str, wall_ns: int, mono_ns: int) -> None:
        """End the session from the venue's side."""
        self.session.log_out(text)
        self._flush(wall_ns, mono_ns)

    def take_bytes(self) -> bytes:
        """Return what is to be written now, playback apart."""
        taken = b"".join(self._out)
        self._out.clear()
        return taken

    def playback(self, wall_ns: int, mono_ns: int, *, count_limit: int) -> bytes:
        """Return the market data that is due, at most `count_limit` messages of it."""
        if self.session.state not in _STATES_SERVED:
            return b""
        frames: list[bytes] = []
        now_ns = self._now_ns(mono_ns)
        sending = values.timestamp_text(wall_ns)
        while self._due and len(frames) < count_limit and self._due[0][0] <= now_ns:
            key_ns, order, playing = self._due[0]
            recorded = playing.stream.messages[playing.place]
            self._venue_ns = max(self._venue_ns, key_ns)
            playing.place += 1
            stopped = self._playing.get(playing.request.md_req_id) is not playing
            if stopped or playing.place == len(playing.stream.messages):
                heapq.heappop(self._due)
            else:
                following = playing.stream.messages[playing.place]
                due_ns = playing.key_ns + following.at_ns - playing.stream.messages[0].at_ns
                heapq.heapreplace(self._due, (max(due_ns, key_ns), order, playing))
            if stopped:
                continue
            if (recorded.has_book and playing.wants_book) or (recorded.has_trades and playing.wants_trades):
                frames.append(self._stamped(recorded, playing, self.session.next_out + len(frames), sending))
        if frames:
            self.session.sent_application(mono_ns, count=len(frames))
            self.messages_sent += len(frames)
        return b"".join(frames)

    def next_due_mono_ns(self) -> int | None:
        """Return when the next market data is due on the monotonic clock, or None where there is none."""
        if not self._due:
            return None
        return 0 if self.settings.speed == FAST else math.ceil(self._due[0][0] / self.settings.speed)

    @property
    def subscriptions(self) -> int:
        """How many subscriptions are alive, played to their end or not."""
        return len(self._playing)

    @property
    def finished(self) -> bool:
        """Whether every subscription was played to its end."""
        return not self._due

    # Session.

    def _may_log_on(self, message: Message) -> bool:
        """Return whether a first Logon names a client that is known; where not, the connection just ends."""
        if self.session.state is State.CONNECTED and message.msg_type == tags.LOGON and self.settings.clients:
            sender = message.get(tags.SENDER_COMP_ID)
            if sender not in self.settings.clients:
                self.session.close_reason = "unknown SenderCompID(49)"
                return False
        return True

    def _flush(self, wall_ns: int, mono_ns: int) -> None:
        while (frame := self.session.next_frame(wall_ns)) is not None:
            self.session.sent(parse(frame), mono_ns)
            self._out.append(frame)

    # Requests.

    def _serve(self, message: Message, seq_num: int, mono_ns: int) -> None:
        match message.msg_type:
            case tags.SECURITY_LIST_REQUEST:
                self._serve_list(message)
            case tags.MARKET_DATA_REQUEST:
                try:
                    self._serve_market_data(message, mono_ns)
                except _Rejected as rejected:
                    self._send_rejected(message, rejected)
                except ValueMalformed as error:
                    self._send_refused(message, seq_num, b"5", str(error))
            case _:
                self._send_refused(message, seq_num, b"3", "Unsupported message type")

    def _serve_list(self, message: Message) -> None:
        request_id = message.get(tags.SECURITY_REQ_ID) or b"0"
        kind = message.get(tags.SECURITY_LIST_REQUEST_TYPE)
        result, chosen = b"0", list(self.recordings.instruments.values())
        if kind == b"0":
            instrument = self.recordings.instruments.get(message.text(tags.SYMBOL))
            result, chosen = (b"0", [instrument]) if instrument is not None else (b"2", [])
        elif kind != b"4":
            result, chosen = b"1", []
        parts = [chosen[at : at + FRAGMENT_INSTRUMENTS] for at in range(0, len(chosen), FRAGMENT_INSTRUMENTS)] or [[]]
        for place, part in enumerate(parts):
            response_id = b"%d%03d" % (self.session.next_out, place)
            body: list[Field] = [
                (tags.SECURITY_REQ_ID, request_id),
                (tags.SECURITY_RESPONSE_ID, response_id),
                (tags.SECURITY_REQUEST_RESULT, result),
            ]
            if len(parts) > 1:
                body.append((tags.TOT_NO_RELATED_SYM, b"%d" % len(chosen)))
                body.append((tags.LAST_FRAGMENT, b"Y" if place == len(parts) - 1 else b"N"))
            if part:
                body.append((tags.NO_RELATED_SYM, b"%d" % len(part)))
                body.extend(entry for instrument in part for entry in instrument)
            self.session.send(tags.SECURITY_LIST, tuple(body))

    def _serve_market_data(self, message: Message, mono_ns: int) -> None:
        kind = message.get(tags.SUBSCRIPTION_REQUEST_TYPE)
        if kind not in {b"1", b"2"}:
            raise _Rejected(b"4", f"Unsupported subscription request type: {message.text(263)}")
        requests = read_market_data_request(message)
        entry_types = frozenset(value for tag, value in message.fields if tag == tags.MD_ENTRY_TYPE)
        if kind == b"2":
            self._playing.pop(message.text(tags.MD_REQ_ID), None)
            return
        for request in requests:
            self._check(message, request, entry_types)
        for request in requests:
            self._subscribe(request, entry_types, mono_ns)

    def _check(self, message: Message, request: MarketDataRequest, entry_types: frozenset[bytes]) -> None:
        stream = self.recordings.streams.get(request.symbol)
        if request.md_req_id in self._playing:
            raise _Rejected(b"1", "Duplicate MDReqID")
        if stream is None:
            raise _Rejected(b"0", f"MarketData subscription failed due to unsupported symbol: {request.symbol}")
        if message.get(tags.MD_UPDATE_TYPE) not in {None, b"1"}:
            raise _Rejected(b"6", f"Unsupported MDUpdateType: {message.text(tags.MD_UPDATE_TYPE)}")
        if entry_types not in _ENTRY_TYPES:
            raise _Rejected(b"8", "Unsupported MDEntryType")
        if message.get(tags.AGGREGATED_BOOK) == b"N":
            raise _Rejected(b"B", "Level 3 not available")
        depth = request.depth or FULL_DEPTH
        if depth not in DEPTHS or depth < stream.depth:
            offered = ", ".join(str(it) for it in DEPTHS if it >= stream.depth)
            text = f"Unsupported market depth: {request.depth} (recorded at {stream.depth}, offered: {offered})"
            raise _Rejected(b"5", text)
        if len(self._playing) >= SUBSCRIPTIONS_LIMIT:
            raise _Rejected(b"A", f"More than {SUBSCRIPTIONS_LIMIT} subscriptions")

    def _subscribe(self, request: MarketDataRequest, entry_types: frozenset[bytes], mono_ns: int) -> None:
        md_req_id = request.md_req_id.encode()
        playing = _Playing(
            request=request,
            stream=self.recordings.streams[request.symbol],
            key_ns=self._venue_ns if self.settings.speed == FAST else int(self._now_ns(mono_ns)),
            md_req_id=md_req_id,
            md_req_id_sum=sum(md_req_id),
            wants_book=b"0" in entry_types,
            wants_trades=b"2" in entry_types,
        )
        self._playing[request.md_req_id] = playing
        self._order += 1
        heapq.heappush(self._due, (playing.key_ns, self._order, playing))

    def _send_rejected(self, message: Message, rejected: _Rejected) -> None:
        body = (
            (tags.TEXT, str(rejected).encode()),
            (tags.MD_REQ_ID, message.get(tags.MD_REQ_ID) or b"0"),
            (tags.MD_REQ_REJ_REASON, rejected.reason),
        )
        self.session.send(tags.MARKET_DATA_REQUEST_REJECT, body)

    def _send_refused(self, message: Message, seq_num: int, reason: bytes, text: str) -> None:
        body = (
            (tags.REF_SEQ_NUM, b"%d" % seq_num),
            (tags.TEXT, text.encode()),
            (tags.REF_MSG_TYPE, message.msg_type),
            (tags.BUSINESS_REJECT_REASON, reason),
        )
        self.session.send(tags.BUSINESS_MESSAGE_REJECT, body)

    # Playback.

    def _now_ns(self, mono_ns: int) -> float:
        return math.inf if self.settings.speed == FAST else mono_ns * self.settings.speed

    def _stamped(self, recorded: Recorded, playing: _Playing, seq_num: int, sending: bytes) -> bytes:
        """Return a recorded message as this client's next one: header and 262 new, the rest the same bytes."""
        session = self.session
        header = b"35=%b\x0134=%d\x0149=%b\x0152=%b\x0156=%b\x01" % (
            recorded.msg_type,
            seq_num,
            session.sender,
            sending,
            session.target,
        )
        length = len(header) + len(recorded.before) + len(playing.md_req_id) + len(recorded.after)
        start = b"8=FIX.4.4\x019=%d\x01" % length
        total = sum(start) + sum(header) + recorded.byte_sum + playing.md_req_id_sum
        return b"%b%b%b%b%b10=%03d\x01" % (
            start,
            header,
            recorded.before,
            playing.md_req_id,
            recorded.after,
            total & 0xFF,
        )
