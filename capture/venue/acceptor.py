"""One client's connection to the simulated venue, sans I/O: session, requests, subscriptions, playback.

Layer: venue. Source: venue reference sections 2.4, 4 and 7 for what the real one answers, and in which field order.
Left to others: sockets and timers (`venue.server`), answers but for streams (`venue.answers`), streams
(`venue.source`).

The owner calls `opened`, `received`, `tick`; then writes what `take_frames` returns and, as long as its peer takes
them, what `playback` returns.
"""

import heapq
import math
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Final

from capture.session.intake import Intake
from capture.session.session import Session
from capture.session.states import State
from capture.session.store import RecentFrames
from capture.venue.answers import SUBSCRIPTIONS_LIMIT, Answers, Refused, Rejected, Wanted
from capture.venue.garbled import RejectingIntake
from capture.venue.listing import HALTED, Listing
from capture.venue.outgoing import told
from capture.venue.register import Register
from capture.venue.settings import FAST, RESEND_BYTES_LIMIT, VenueSettings
from capture.venue.shuffle import shuffled
from capture.venue.source import Body, Source
from capture.venue.stamp import Stamp, trades_only
from capture.wire import tags, values
from capture.wire.encoder import encode
from capture.wire.message import Message, split

__all__ = ["FAST", "Acceptor", "VenueSettings"]

_STATES_SERVED: Final = frozenset({State.ACTIVE, State.AWAITING_RESEND})
_ENDED_LIMIT: Final = 100_000  # MDReqIDs remembered after they ended, under `md_req_id=session`.


@dataclass(slots=True)
class _Playing:
    """One subscription on its way through a stream.

    key_ns: venue time at which the stream's first message was due. following: the next body, None at the end.
    stragglers: how many more messages go out after it was stopped; None while it is not.
    """

    symbol: str
    md_req_id: bytes
    md_req_id_sum: int
    bodies: Iterator[Body]
    following: Body | None
    key_ns: int
    wants_book: bool
    wants_trades: bool
    stragglers: int | None = None


class Acceptor:
    """The venue's end of one connection; see the module for the owner's loop."""

    def __init__(
        self, source: Source, settings: VenueSettings, listing: Listing | None = None, register: Register | None = None
    ) -> None:
        self.source = source
        self.settings = settings
        self.listing = listing or Listing(source, settings)
        self.session = Session(
            settings.session(
                settings.target,
                sending_time_limit_s=settings.sending_time_limit_s,
                resent_types=settings.resent_types,
            ),
            RecentFrames(frames_limit=settings.resend_limit, bytes_limit=RESEND_BYTES_LIMIT),
        )
        self.answers = Answers(self.session, self.listing, settings)
        self.messages_sent = 0
        self._register = register or Register(settings, settings.second_logon)
        self._intake = (RejectingIntake if settings.garbled == "rejected" else Intake)(self.session)
        self._out: list[bytes] = []
        self._playing: dict[str, list[_Playing]] = {}
        self._ended: set[str] = set()
        self._due: list[tuple[int, int, _Playing]] = []
        self._order = 0
        self._venue_ns = 0  # Key of the last message played, for a venue without a pace of its own.
        self._idle_since_ns: int | None = None
        self._shuffle = Random(settings.field_order) if settings.field_order else None  # noqa: S311 - a field order

    # What the owner calls.

    def opened(self, wall_ns: int, mono_ns: int) -> None:
        """Begin on a new connection."""
        self.session.opened(mono_ns, wall_ns)

    def received(self, data: bytes, wall_ns: int, mono_ns: int) -> None:
        """Handle bytes of the client; each message is answered before the next one is read."""
        for message in self._intake.messages(data, mono_ns):
            if not self._may_log_on(message, wall_ns):
                return
            deliveries = self.session.receive(message, wall_ns, mono_ns)
            if self.session.state is State.LOGON_RECEIVED:
                self.session.next_out = self._register.first_number(self.session.target)
            for delivery in deliveries:
                self._serve(delivery.message, delivery.msg_seq_num, mono_ns)
            self._flush(wall_ns, mono_ns)

    def tick(self, wall_ns: int, mono_ns: int) -> None:
        """Let time pass."""
        self.session.tick(mono_ns, wall_ns)
        self._drop_idle(mono_ns)
        self._flush(wall_ns, mono_ns)

    def log_out(self, text: str, wall_ns: int, mono_ns: int) -> None:
        """End the session from the venue's side."""
        self.session.log_out(text)
        self._flush(wall_ns, mono_ns)

    def roll_over(self, wall_ns: int, mono_ns: int) -> None:
        """End the day of this session, or begin a new one in place; nothing that was asked for survives it."""
        match self.settings.rollover:
            case "logout":
                self.session.log_out("daily roll-over")
            case "reset" if self.session.state in _STATES_SERVED:
                self._playing.clear()
                self._due.clear()
                self._ended.clear()
                self.answers = Answers(self.session, self.listing, self.settings)
                self.session.reset_numbers()
            case "close":
                self.session.close("daily roll-over")
        self._flush(wall_ns, mono_ns)

    def instrument_changed(self, symbol: str, wall_ns: int, mono_ns: int) -> None:
        """Tell this client of a changed instrument, and stop streams that are no longer served."""
        if not self.listing.is_served(symbol):
            for it in [it for playing in self._playing.values() for it in playing if it.symbol == symbol]:
                it.stragglers = 0
        if self.session.state in _STATES_SERVED:
            self.answers.instrument_changed(symbol)
            self._flush(wall_ns, mono_ns)

    def status_changed(self, wall_ns: int, mono_ns: int) -> None:
        """Tell this client of a changed status of the venue."""
        if self.session.state in _STATES_SERVED:
            self.answers.status_changed()
            self._flush(wall_ns, mono_ns)

    def take_frames(self) -> list[bytes]:
        """Return what is to be written now, playback apart."""
        taken, self._out = self._out, []
        return taken

    def playback(self, wall_ns: int, mono_ns: int, *, count_limit: int) -> list[bytes]:
        """Return the market data that is due, at most `count_limit` messages of it."""
        frames: list[bytes] = []
        if self.session.state not in _STATES_SERVED or not self._due:
            return frames
        now_ns = self._now_ns(mono_ns)
        stamp = Stamp(self.session.sender, self.session.target, values.timestamp_text(wall_ns))
        halted = self.listing.status in HALTED and self.settings.halted_market != "all"
        silent = halted and self.settings.halted_market == "silent"
        due, first = self._due, self.session.next_out
        while due and len(frames) < count_limit and due[0][0] <= now_ns:
            key_ns, order, playing = due[0]
            body = playing.following
            if body is None or playing.stragglers == 0:
                heapq.heappop(due)
                continue
            self._venue_ns = max(self._venue_ns, key_ns)
            playing.following = following = next(playing.bodies, None)
            if following is None:
                heapq.heappop(due)
            else:
                heapq.heapreplace(due, (max(playing.key_ns + following.offset_ns, key_ns), order, playing))
            wanted = (body.has_book and playing.wants_book) or (body.has_trades and playing.wants_trades)
            if not wanted or silent or (halted and body.has_trades and not body.has_book):
                continue
            if playing.stragglers is not None:
                playing.stragglers -= 1
            frames.append(stamp.stamped(body, playing.md_req_id, playing.md_req_id_sum, first + len(frames)))
        if frames:
            if self._shuffle is not None:
                frames = [shuffled(frame, self._shuffle) for frame in frames]
            self.session.sent_application(mono_ns, count=len(frames))
            if self.settings.resend == "replay":
                for seq_num, frame in enumerate(frames, first):
                    self.session.store.put(seq_num, frame)
            self.messages_sent += len(frames)
        return frames

    def next_due_mono_ns(self) -> int | None:
        """Return when the next market data is due on the monotonic clock, or None where there is none."""
        if not self._due:
            return None
        return 0 if self.settings.speed == FAST else math.ceil(self._due[0][0] / self.settings.speed)

    @property
    def subscriptions(self) -> int:
        """How many subscriptions are alive, played to their end or not."""
        return sum(len(it) for it in self._playing.values())

    @property
    def finished(self) -> bool:
        """Whether every subscription was played to its end."""
        return not self._due

    # Session.

    def _may_log_on(self, message: Message, wall_ns: int) -> bool:
        """Return whether a first Logon names a client that is known and may have a session now."""
        if self.session.state is not State.CONNECTED or message.msg_type != tags.LOGON:
            return True
        sender = message.get(tags.SENDER_COMP_ID) or b""
        if self.settings.clients and sender not in self.settings.clients:
            problem = "unknown SenderCompID(49)"
        elif not self._register.admit(sender, self.session):
            problem = "SenderCompID(49) is logged on already"
        else:
            return True
        self.session.close_reason = problem
        if self.settings.logon_failure == "logout" and sender:
            self._out.append(
                encode(
                    tags.LOGOUT,
                    ((tags.TEXT, f"Logon refused: {problem}".encode()),),
                    msg_seq_num=1,
                    sender=self.settings.target,
                    target=sender,
                    sending_text=values.timestamp_text(wall_ns),
                )
            )
        return False

    def _drop_idle(self, mono_ns: int) -> None:
        heartbeats = self.settings.idle_heartbeats
        if not heartbeats or self.session.state not in _STATES_SERVED or self._playing:
            self._idle_since_ns = None
            return
        self._idle_since_ns = self._idle_since_ns or mono_ns
        if mono_ns - self._idle_since_ns >= heartbeats * self.session.heartbeat_ns:
            self.session.close_reason = self.session.close_reason or "no subscription"

    def _flush(self, wall_ns: int, mono_ns: int) -> None:
        while (frame := self.session.next_frame(wall_ns)) is not None:
            frame = told(frame, self.settings)
            self.session.sent(split(frame), mono_ns)
            self._out.append(frame if self._shuffle is None else shuffled(frame, self._shuffle))

    # Requests.

    def _serve(self, message: Message, seq_num: int, mono_ns: int) -> None:
        try:
            match message.msg_type:
                case tags.SECURITY_LIST_REQUEST:
                    self.answers.security_list(message)
                case tags.TRADING_SESSION_STATUS_REQUEST:
                    self.answers.trading_status(message)
                case tags.MARKET_DATA_REQUEST:
                    self._serve_market_data(message, mono_ns)
                case _:
                    self.answers.send_unsupported(message, seq_num)
        except Refused as refused:
            self.answers.send_refused(message, seq_num, refused)
        except Rejected as rejected:
            self.answers.send_rejected(message.get(tags.MD_REQ_ID) or b"0", rejected)

    def _serve_market_data(self, message: Message, mono_ns: int) -> None:
        wanted = self.answers.read_request(message)
        if not wanted.subscribe:
            self._end(wanted.md_req_id)
            return
        if wanted.md_req_id in self._playing or wanted.md_req_id in self._ended:
            raise Rejected(b"1", "Duplicate MDReqID")
        self.answers.check_request(message, wanted)
        good: list[str] = []
        for symbol in wanted.symbols:
            try:
                self._check_symbol(symbol)
                good.append(symbol)
            except Rejected as rejected:
                if self.settings.bad_symbol == "reject":
                    raise
                self.answers.send_rejected(wanted.md_req_id.encode(), rejected)
        if self.subscriptions + len(good) > SUBSCRIPTIONS_LIMIT:
            raise Rejected(b"A", f"More than {SUBSCRIPTIONS_LIMIT} subscriptions")
        for symbol in good:
            self._subscribe(wanted, symbol, mono_ns)

    def _check_symbol(self, symbol: str) -> None:
        self.answers.check_symbol(symbol)
        if not self.settings.same_symbol and any(it.symbol == symbol for all_ in self._playing.values() for it in all_):
            raise Rejected(b"1", f"Already subscribed: {symbol}")

    def _end(self, md_req_id: str) -> None:
        for playing in self._playing.pop(md_req_id, ()):
            playing.stragglers = self.settings.stragglers
        if self.settings.md_req_id == "session" and len(self._ended) < _ENDED_LIMIT:
            self._ended.add(md_req_id)

    def _subscribe(self, wanted: Wanted, symbol: str, mono_ns: int) -> None:
        md_req_id = wanted.md_req_id.encode()
        shape = self.settings.shape(wanted.depth, self.listing.precision(symbol), orders=wanted.orders)
        bodies = self.source.bodies(symbol, shape)
        wants_book, wants_trades = b"0" in wanted.entry_types, b"2" in wanted.entry_types
        if self.settings.trades_snapshot and not wants_book:
            wants_book, bodies = True, trades_only(bodies)
        playing = _Playing(
            symbol=symbol,
            md_req_id=md_req_id,
            md_req_id_sum=sum(md_req_id),
            bodies=bodies,
            following=next(bodies, None),
            key_ns=self._venue_ns if self.settings.speed == FAST else int(self._now_ns(mono_ns)),
            wants_book=wants_book,
            wants_trades=wants_trades,
        )
        self._playing.setdefault(wanted.md_req_id, []).append(playing)
        self._order += 1
        heapq.heappush(self._due, (playing.key_ns, self._order, playing))

    def _now_ns(self, mono_ns: int) -> float:
        return math.inf if self.settings.speed == FAST else mono_ns * self.settings.speed
