"""The session core: one FIX 4.4 session in either role, without I/O and without a clock.

Layer: session. Knows Logon to Logout, numbers and timers; no application message.
Source: FIX 4.4 volume 2; cases FRM-5 to RES-8; venue reference sections 1.5, 2.5 and 3.
Left to others: frames (`wire.framer`), sockets (`client`, `venue.server`), what deliveries mean (`feed`).

The owner's loop: after `opened`, `receive`, `tick` or `send`, take each frame of `next_frame`, write it down, tell
`sent`, put it on the wire; then look at `take_events` and `close_reason`.

Every change of state that sending brings about happens in `sent`, never where a message is queued. A follower
(`answers=False`) queues nothing and is told what a journal says was sent: it goes through the same states.
"""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Final, NamedTuple

from capture.errors import SessionError, ValueMalformed
from capture.session import events
from capture.session.sequence import InboundSequence
from capture.session.states import ESTABLISHED, TRANSITIONS, Signal, State
from capture.wire import tags, values
from capture.wire.encoder import encode
from capture.wire.message import Field, Message

LOGON_TIME_NS: Final = 10 * values.SECOND_NS
LOGOUT_TIME_NS: Final = 10 * values.SECOND_NS
VIOLATION_LOGOUT_TIME_NS: Final = 2 * values.SECOND_NS
RESEND_TIME_NS: Final = 5 * values.SECOND_NS  # No progress for this long: ask again.
RESEND_REQUESTS_LIMIT: Final = 3  # For one gap; then the session is begun anew.
TEST_REQUEST_AFTER: Final = 1.2  # Of the heartbeat interval, in silence (TC 6).
GIVE_UP_AFTER: Final = 2.4
OUTBOX_LIMIT: Final = 100_000
TEXT_LIMIT: Final = 200  # Of Text(58) that we send.


class Role(Enum):
    """Who begins: the initiator connects and sends the first Logon."""

    INITIATOR = "initiator"
    ACCEPTOR = "acceptor"


@dataclass(frozen=True, slots=True)
class SessionSettings:
    """What both sides agreed on beforehand.

    target: empty for an acceptor that takes any SenderCompID; it is then learned from the Logon.
    sending_time_limit_s: SendingTime(52) further off than this is an event, and ends the session where `strict_time`.
    answers: False for a follower, which is told what was sent instead of deciding it.
    logon_fields: what a Logon carries besides, given its MsgSeqNum(34), which a signature covers; asked as it is built.
    """

    role: Role
    sender: bytes
    target: bytes
    heartbeat_s: int = 60
    reset: bool = True
    sending_time_limit_s: int = 120
    strict_time: bool = False
    answers: bool = True
    logon_fields: Callable[[int], tuple[Field, ...]] | None = None


class Delivery(NamedTuple):
    """An application message in its turn."""

    message: Message
    msg_seq_num: int
    sending_ns: int
    possible_duplicate: bool
    recovered: bool


class _Outbound(NamedTuple):
    msg_type: bytes
    body: tuple[Field, ...]
    msg_seq_num: int | None = None  # None: the next one. Given only by an answer to a ResendRequest.


class Session:
    """One session over one or more connections; see the module for the owner's loop."""

    def __init__(self, settings: SessionSettings) -> None:
        self.settings = settings
        self.state = State.DISCONNECTED
        self.sender, self.target = settings.sender, settings.target
        self.heartbeat_ns = settings.heartbeat_s * values.SECOND_NS
        self.inbound = InboundSequence()
        self.next_out = 1
        self.close_reason: str | None = None
        self._outbox: deque[_Outbound] = deque()
        self._events: list[events.SessionEvent] = []
        self._opened_ns = self._received_ns = self._sent_ns = self._logout_ns = 0
        self._tested_ns: int | None = None
        self._tests = 0
        self._broken = False  # A rule was broken: a Logout goes out, nothing more is handed over.
        self._logon: Message | None = None  # A Logon that was too high: answered, and kept until its turn.
        self._gap_end = 0
        self._gap_asked_ns = 0
        self._gap_requests = 0

    # What the owner calls.

    def opened(self, mono_ns: int) -> None:
        """Begin on a new connection; an initiator's Logon is due."""
        self._signal(Signal.TRANSPORT_OPENED)
        self._outbox.clear()
        self.close_reason, self._broken = None, False
        self._tested_ns = self._logon = None
        self.heartbeat_ns = self.settings.heartbeat_s * values.SECOND_NS
        self._opened_ns = self._received_ns = self._sent_ns = mono_ns
        self.sender, self.target = self.settings.sender, self.settings.target
        if self.settings.role is Role.INITIATOR:
            if self.settings.reset:
                self.next_out = 1
            self._queue(tags.LOGON, self._logon_body())

    def closed(self) -> None:
        """Take note of the transport's end; whatever was open is forgotten with it."""
        if self.state is not State.DISCONNECTED:
            self._signal(Signal.TRANSPORT_CLOSED)
        self.inbound.reset(self.inbound.expected)
        self._outbox.clear()

    def send(self, msg_type: bytes, body: tuple[Field, ...]) -> None:
        """Queue an application message. Errors: SessionError before the Logon is answered."""
        if self.state not in ESTABLISHED:
            raise SessionError(state=self.state.value, signal=f"send 35={msg_type.decode('ascii')}")
        self._queue(msg_type, body)

    def log_out(self, text: str) -> None:
        """Ask for the end of the session; where there is none yet, close."""
        if self.state in {State.ACTIVE, State.AWAITING_RESEND}:
            self._queue_logout(text)
        elif self.state is not State.LOGOUT_SENT:
            self.close_reason = self.close_reason or text

    def receive(self, message: Message, wall_ns: int, mono_ns: int) -> list[Delivery]:
        """Handle one message; return the application messages whose turn has come, in order."""
        self._received_ns = mono_ns
        self._tested_ns = None
        if self.state in {State.DISCONNECTED, State.LOGGED_OUT}:
            return []
        if self.close_reason and self.settings.role is Role.ACCEPTOR:
            # An initiator listens until its transport is gone: a timer may have decided, which no journal knows.
            return []
        if self.state not in ESTABLISHED:
            if not self._broken:
                self._receive_first(message, wall_ns)
            return []
        sending_ns = self._header_ok(message, wall_ns)
        if sending_ns is None or (self._broken and message.msg_type != tags.LOGOUT):
            return []
        return list(self._in_turn(message, sending_ns, mono_ns))

    def ignored(self, reason: str, mono_ns: int) -> None:
        """Take note of a frame that is no message: a sign of life and nothing else."""
        self._received_ns = mono_ns
        self._events.append(events.MessageIgnored(reason))

    def tick(self, mono_ns: int) -> None:
        """Let time pass: heartbeats, tests of silence, and limits of waiting."""
        if self.state in {State.CONNECTED, State.LOGON_SENT}:
            if mono_ns - self._opened_ns >= LOGON_TIME_NS:
                self.close_reason = self.close_reason or "no Logon came within 10 s"
        elif self.state is State.LOGOUT_SENT:
            limit = VIOLATION_LOGOUT_TIME_NS if self._broken else LOGOUT_TIME_NS
            if mono_ns - self._logout_ns >= limit:
                self.close_reason = self.close_reason or "our Logout was not answered"
        elif self.state is State.LOGGED_OUT:  # Who asked for the end closes; it has some time for it.
            if mono_ns - self._logout_ns >= LOGOUT_TIME_NS:
                self.close_reason = self.close_reason or "not closed after the Logouts"
        elif self.state in ESTABLISHED:
            self._watch(mono_ns)

    def next_frame(self, wall_ns: int) -> bytes | None:
        """Return the next frame to put on the wire, or None; then tell `sent`."""
        if not self._outbox:
            return None
        outbound = self._outbox.popleft()
        sending = values.timestamp_text(wall_ns)
        body = outbound.body
        if outbound.msg_type == tags.LOGON and self.settings.logon_fields is not None:
            body = (*body, *self.settings.logon_fields(self.next_out))
        if outbound.msg_seq_num is not None:
            body = ((tags.POSS_DUP_FLAG, b"Y"), (tags.ORIG_SENDING_TIME, sending), *body)
        return encode(
            outbound.msg_type,
            body,
            msg_seq_num=self.next_out if outbound.msg_seq_num is None else outbound.msg_seq_num,
            sender=self.sender,
            target=self.target,
            sending_text=sending,
        )

    def sent(self, message: Message, mono_ns: int) -> None:
        """Take note of a message that went out."""
        if message.get(tags.POSS_DUP_FLAG) != b"Y":
            self.next_out = message.integer(tags.MSG_SEQ_NUM) + 1
        self.sent_application(mono_ns, count=0)
        match message.msg_type:
            case tags.LOGON:
                self._signal(Signal.LOGON_SENT)
                if self.settings.role is Role.ACCEPTOR:
                    self._events.append(events.LoggedOn(self.heartbeat_ns // values.SECOND_NS))
                    self._open_gap_if_any(mono_ns)
            case tags.LOGOUT:
                self._logout_ns = mono_ns
                self._signal(Signal.LOGOUT_SENT)
                text = message.text(tags.TEXT)
                if text and not self._broken:  # What broke a rule is told already.
                    self._events.append(events.LogoutSent(text))
                if self.state is State.LOGGED_OUT and self.settings.role is Role.ACCEPTOR:
                    self.close_reason = self.close_reason or "logged out"
            case tags.TEST_REQUEST:
                self._events.append(events.TestRequestSent(message.text(tags.TEST_REQ_ID)))

    def sent_application(self, mono_ns: int, *, count: int = 1) -> None:
        """Take note of `count` application messages that the owner numbered from `next_out` and sent itself."""
        self.next_out += count
        self._sent_ns = mono_ns

    def take_events(self) -> list[events.SessionEvent]:
        """Return what happened since the last call, in order."""
        taken, self._events = self._events, []
        return taken

    # The first message of a connection.

    def _receive_first(self, message: Message, wall_ns: int) -> None:
        initiator = self.settings.role is Role.INITIATOR
        if message.msg_type == tags.LOGON and self.state is (State.LOGON_SENT if initiator else State.CONNECTED):
            try:
                self._receive_logon(message, wall_ns)
            except ValueMalformed as error:
                self._violate(f"Logon refused: {error}")
        elif message.msg_type == tags.LOGOUT and self.state is State.LOGON_SENT:
            self._signal(Signal.LOGOUT_RECEIVED)
            text = message.text(tags.TEXT)
            self._events.append(events.LogonRefused(text))
            self.close_reason = f"Logon refused: {text or 'no reason given'}"
        elif self.state is not State.LOGON_RECEIVED:
            self._broken = True
            self.close_reason = "the first message was not a Logon"

    def _receive_logon(self, message: Message, wall_ns: int) -> None:
        seq_num, heartbeat_s = message.integer(tags.MSG_SEQ_NUM), message.integer(tags.HEART_BT_INT)
        reset = message.flag(tags.RESET_SEQ_NUM_FLAG)
        if self.settings.role is Role.ACCEPTOR and not self.settings.target:
            self.target = message.need(tags.SENDER_COMP_ID)
        for tag, expected in ((tags.BEGIN_STRING, tags.BEGIN_STRING_VALUE), (tags.ENCRYPT_METHOD, b"0")):
            self._header_expected(message, tag, expected)
        self._comp_ids_ok(message)
        if self._time_ok(message, wall_ns) is None:
            return
        if self.settings.role is Role.INITIATOR:
            self.heartbeat_ns = heartbeat_s * values.SECOND_NS
            self._signal(Signal.LOGON_RECEIVED)
            self._events.append(events.LoggedOn(heartbeat_s))
            if self.settings.reset:
                # Whatever number the venue begins with after a reset, zero or one: the next one follows it.
                self.inbound.reset(seq_num + 1)
                return
        else:
            if reset and seq_num != 1:
                raise ValueMalformed(expected="MsgSeqNum(34) 1 with ResetSeqNumFlag(141)", received=b"%d" % seq_num)
            self.heartbeat_ns = heartbeat_s * values.SECOND_NS
            self._signal(Signal.LOGON_RECEIVED)
            if reset:
                self.inbound.reset(1)
                self.next_out = 1
            self._queue(tags.LOGON, self._logon_body(reset=reset))
        if seq_num < self.inbound.expected:
            self._violate(f"MsgSeqNum too low, expecting {self.inbound.expected} but received {seq_num}")
        elif seq_num == self.inbound.expected:
            self.inbound.advance(seq_num + 1)
        else:
            self._logon = message
            self.inbound.keep(seq_num, message)
            if self.settings.role is Role.INITIATOR:  # An acceptor asks after its Logon is out.
                self._open_gap_if_any(self._received_ns)

    def _logon_body(self, *, reset: bool | None = None) -> tuple[Field, ...]:
        reset = self.settings.reset if reset is None else reset
        body: list[Field] = [(tags.ENCRYPT_METHOD, b"0"), (tags.HEART_BT_INT, b"%d" % (self.heartbeat_ns // 10**9))]
        if reset:
            body.append((tags.RESET_SEQ_NUM_FLAG, b"Y"))
        return tuple(body)

    # Every message after it.

    def _comp_ids_ok(self, message: Message) -> None:
        self._header_expected(message, tags.SENDER_COMP_ID, self.target)
        self._header_expected(message, tags.TARGET_COMP_ID, self.sender)

    def _header_expected(self, message: Message, tag: int, expected: bytes) -> None:
        received = message.need(tag)
        if received != expected:
            raise ValueMalformed(expected=f"tag {tag} {expected.decode('ascii', 'replace')}", received=received)

    def _header_ok(self, message: Message, wall_ns: int) -> int | None:
        """Return SendingTime(52) in ns, or None where the message ends the session or is refused."""
        try:
            self._header_expected(message, tags.BEGIN_STRING, tags.BEGIN_STRING_VALUE)
            self._comp_ids_ok(message)
            message.integer(tags.MSG_SEQ_NUM)
            return self._time_ok(message, wall_ns)
        except ValueMalformed as error:
            self._violate(str(error))
            return None

    def _time_ok(self, message: Message, wall_ns: int) -> int | None:
        """Return SendingTime(52) in ns, or None where it is off and the limit is strict. Errors: ValueMalformed."""
        sending_ns = values.timestamp_ns(message.need(tags.SENDING_TIME))
        off_ms = (sending_ns - wall_ns) // values.MILLISECOND_NS
        if abs(off_ms) > self.settings.sending_time_limit_s * 1000:
            self._events.append(events.TimeOff(off_ms))
            if self.settings.strict_time:
                self._violate(f"SendingTime accuracy problem: {off_ms} ms off")
                return None
        return sending_ns

    def _in_turn(self, message: Message, sending_ns: int, mono_ns: int) -> Iterator[Delivery]:
        seq_num = message.integer(tags.MSG_SEQ_NUM)
        if message.msg_type == tags.SEQUENCE_RESET and message.get(tags.GAP_FILL_FLAG) != b"Y":
            self._reset_by_peer(message)
        elif seq_num > self.inbound.expected:
            self._too_high(message, seq_num, mono_ns)
        elif seq_num < self.inbound.expected:
            self._too_low(message, seq_num)
        else:
            recovered = self.state is State.AWAITING_RESEND
            yield from self._handle(message, seq_num, sending_ns, recovered=recovered)
            while not self._broken and (kept := self.inbound.take_next()) is not None:
                kept_sending_ns = values.timestamp_ns(kept.need(tags.SENDING_TIME))
                yield from self._handle(kept, self.inbound.expected, kept_sending_ns, recovered=False)
            if recovered:
                self._gap_asked_ns, self._gap_requests = mono_ns, min(self._gap_requests, 1)
                self._close_gap_if_whole()

    def _handle(self, message: Message, seq_num: int, sending_ns: int, *, recovered: bool) -> Iterator[Delivery]:
        if message.msg_type == tags.SEQUENCE_RESET:
            self._gap_fill(message, seq_num)
            return
        self.inbound.advance(seq_num + 1)
        if message.msg_type in tags.ADMIN_TYPES:
            self._handle_admin(message)
            return
        duplicate = message.get(tags.POSS_DUP_FLAG) == b"Y"
        yield Delivery(message, seq_num, sending_ns, duplicate, recovered and duplicate)

    def _handle_admin(self, message: Message) -> None:
        match message.msg_type:
            case tags.TEST_REQUEST:
                test_req_id = message.get(tags.TEST_REQ_ID)
                if test_req_id:
                    self._queue(tags.HEARTBEAT, ((tags.TEST_REQ_ID, test_req_id),))
                else:
                    self._reject(message, tags.TEST_REQ_ID, reason=1, text="Required tag missing")
            case tags.HEARTBEAT:
                self._events.append(events.HeartbeatReceived(message.text(tags.TEST_REQ_ID)))
            case tags.RESEND_REQUEST:
                self._answer_resend(message)
            case tags.LOGOUT:
                self._receive_logout(message)
            case tags.REJECT:
                text = message.text(tags.TEXT)
                self._events.append(events.RejectReceived(message.text(tags.REF_SEQ_NUM), text))
            case tags.LOGON:
                if message is not self._logon and (self.inbound.expected > 2 or message.get(tags.MSG_SEQ_NUM) != b"1"):
                    # Answering it could make two engines answer each other for ever.
                    self._violate("Logon on an established session")

    def _receive_logout(self, message: Message) -> None:
        text = message.text(tags.TEXT)
        if self.state is State.LOGOUT_SENT:
            self._signal(Signal.LOGOUT_RECEIVED)
            self._events.append(events.LoggedOut(text))
            self.close_reason = self.close_reason or "logged out"
        elif self.state in {State.ACTIVE, State.AWAITING_RESEND}:
            self._signal(Signal.LOGOUT_RECEIVED)
            self._events.append(events.PeerLoggedOut(text))
            self._queue_logout("")

    # Numbers.

    def _too_high(self, message: Message, seq_num: int, mono_ns: int) -> None:
        if message.msg_type == tags.LOGOUT:
            self._receive_logout(message)
            return
        if message.msg_type == tags.RESEND_REQUEST:
            # It will not be resent, so it is answered now; its number is still missing afterwards.
            self._answer_resend(message)
        self.inbound.keep(seq_num, message)
        self._open_gap_if_any(mono_ns)

    def _too_low(self, message: Message, seq_num: int) -> None:
        if message.msg_type == tags.LOGOUT:
            self._receive_logout(message)
        elif message.get(tags.POSS_DUP_FLAG) == b"Y":
            self._events.append(events.MessageIgnored(f"possible duplicate of MsgSeqNum {seq_num}"))
        elif message.msg_type == tags.RESEND_REQUEST and self.settings.role is Role.ACCEPTOR:
            self._answer_resend(message)
        else:
            expected = self.inbound.expected
            text = f"MsgSeqNum too low, expecting {expected} but received {seq_num}"
            self._violate(text, expected=str(expected), received=str(seq_num))

    def _open_gap_if_any(self, mono_ns: int) -> None:
        if self.inbound.complete or self.state is not State.ACTIVE:
            return
        self._signal(Signal.GAP_OPENED)
        self._gap_end = self.inbound.highest_seen - 1
        self._gap_requests = 0
        self._events.append(events.GapOpened(self.inbound.expected, self._gap_end))
        self._ask_for_gap(mono_ns)

    def _ask_for_gap(self, mono_ns: int) -> None:
        self._gap_asked_ns = mono_ns
        self._gap_requests += 1
        begin = b"%d" % self.inbound.expected
        self._queue(tags.RESEND_REQUEST, ((tags.BEGIN_SEQ_NO, begin), (tags.END_SEQ_NO, b"0")))

    def _close_gap_if_whole(self) -> None:
        if self.state is State.AWAITING_RESEND and self.inbound.complete:
            self._signal(Signal.GAP_CLOSED)
            self._events.append(events.GapClosed(self.inbound.expected))

    def _gap_fill(self, message: Message, seq_num: int) -> None:
        try:
            new_seq_no = message.integer(tags.NEW_SEQ_NO)
        except ValueMalformed:
            self.inbound.advance(seq_num + 1)
            self._reject(message, tags.NEW_SEQ_NO, reason=1, text="Required tag missing")
            return
        if new_seq_no <= seq_num:
            self.inbound.advance(seq_num + 1)
            text = f"attempt to lower sequence number, invalid value NewSeqNo(36)={new_seq_no}"
            self._reject(message, tags.NEW_SEQ_NO, reason=5, text=text)
            return
        self.inbound.advance(new_seq_no)
        self._events.append(events.GapFilled(seq_num, new_seq_no - 1))

    def _reset_by_peer(self, message: Message) -> None:
        try:
            new_seq_no = message.integer(tags.NEW_SEQ_NO)
        except ValueMalformed:
            self._reject(message, tags.NEW_SEQ_NO, reason=1, text="Required tag missing")
            return
        expected = self.inbound.expected
        if new_seq_no < expected:
            self._reject(message, tags.NEW_SEQ_NO, reason=5, text="Value is incorrect (out of range) for this tag")
            return
        self._events.append(events.SequenceReset(expected, new_seq_no))
        self.inbound.reset(new_seq_no)
        self._close_gap_if_whole()

    def _answer_resend(self, message: Message) -> None:
        """Fill over all that was asked for: session messages are never resent, and requests have gone stale."""
        numbers = []
        for tag in (tags.BEGIN_SEQ_NO, tags.END_SEQ_NO):
            try:
                numbers.append(message.integer(tag))
            except ValueMalformed:
                given = message.get(tag)
                text = "Incorrect data format for value" if given else "Required tag missing"
                self._reject(message, tag, reason=6 if given else 1, text=text)
                return
        begin, end = numbers
        # What is queued already will bear the next numbers; only what went out can have been missed.
        last = self.next_out - 1
        if not 1 <= begin <= last or (end and end < begin):
            self._reject(message, tags.BEGIN_SEQ_NO, reason=5, text="Value is incorrect (out of range) for this tag")
            return
        self._events.append(events.ResendRequested(begin, end))
        new_seq_no = (min(end, last) if end else last) + 1
        body = ((tags.GAP_FILL_FLAG, b"Y"), (tags.NEW_SEQ_NO, b"%d" % new_seq_no))
        self._queue(tags.SEQUENCE_RESET, body, msg_seq_num=begin)

    # Time.

    def _watch(self, mono_ns: int) -> None:
        interval = self.heartbeat_ns
        if self.state is State.AWAITING_RESEND and mono_ns - self._gap_asked_ns >= RESEND_TIME_NS:
            if self._gap_requests >= RESEND_REQUESTS_LIMIT:
                # Decided by a timer, which no journal knows: what follows from it follows from our Logout being sent.
                begin, end = self.inbound.expected, self._gap_end
                self._queue_logout(f"MsgSeqNum {begin} to {end} did not come after {self._gap_requests} ResendRequests")
            else:
                self._ask_for_gap(mono_ns)
        if not interval or self._broken:
            return
        # The venue was seen to drop clients that were silent for the whole interval, so a client sends at half of it.
        initiator = self.settings.role is Role.INITIATOR
        due = interval // 2 if initiator else interval
        silent = mono_ns - self._received_ns
        if self._tested_ns is None and silent >= TEST_REQUEST_AFTER * interval:
            self._tests += 1
            self._tested_ns = mono_ns
            self._queue(tags.TEST_REQUEST, ((tags.TEST_REQ_ID, b"T%d" % self._tests),))
        elif (
            self._tested_ns is not None and mono_ns - self._tested_ns >= (GIVE_UP_AFTER - TEST_REQUEST_AFTER) * interval
        ):
            # Judged from our own question: a process that was stopped for a minute asks first and judges once.
            self.close_reason = self.close_reason or f"silent for {silent / values.SECOND_NS:.0f} s"
        elif mono_ns - self._sent_ns >= due and (initiator or self._tested_ns is None):
            # Between a TestRequest and its answer an acceptor says nothing more.
            self._queue(tags.HEARTBEAT, ())
            self._sent_ns = mono_ns

    # Helpers.

    def _queue(self, msg_type: bytes, body: tuple[Field, ...], *, msg_seq_num: int | None = None) -> None:
        if not self.settings.answers:
            return
        if len(self._outbox) >= OUTBOX_LIMIT:
            self.close_reason = self.close_reason or f"{OUTBOX_LIMIT} messages wait to be sent"
            return
        self._outbox.append(_Outbound(msg_type, body, msg_seq_num))

    def _queue_logout(self, text: str) -> None:
        if not any(outbound.msg_type == tags.LOGOUT for outbound in self._outbox):
            self._queue(tags.LOGOUT, ((tags.TEXT, text.encode()[:TEXT_LIMIT]),) if text else ())

    def _reject(self, message: Message, tag: int, *, reason: int, text: str) -> None:
        body = (
            (tags.REF_SEQ_NUM, message.need(tags.MSG_SEQ_NUM)),
            (tags.TEXT, text.encode()),
            (tags.REF_TAG_ID, b"%d" % tag),
            (tags.REF_MSG_TYPE, message.msg_type),
            (tags.SESSION_REJECT_REASON, b"%d" % reason),
        )
        self._queue(tags.REJECT, body)

    def _violate(self, text: str, *, expected: str = "", received: str = "") -> None:
        if self._broken:
            return
        self._broken = True
        self._events.append(events.Violated(text, expected, received))
        if self.state in {State.LOGOUT_SENT, State.LOGOUT_RECEIVED}:
            return
        self._outbox.clear()
        self._queue_logout(text)

    def _signal(self, signal: Signal) -> None:
        try:
            self.state = TRANSITIONS[self.state, signal]
        except KeyError:
            raise SessionError(state=self.state.value, signal=signal.value) from None
