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
from collections.abc import Iterator
from copy import copy
from dataclasses import replace
from typing import NamedTuple

from capture.errors import SessionError
from capture.session import checks, events, gaps, logon, resend, rollover
from capture.session.content import Fault
from capture.session.core import Again, Core, Outbound
from capture.session.settings import (
    LOGON_TIME_NS,
    LOGOUT_TIME_NS,
    OUTBOX_LIMIT,
    PROOF_PREFIX,
    PROOF_TEST_REQ_ID,
    TEXT_LIMIT,
    UNSUPPORTED_MESSAGE_TYPE,
    VIOLATION_LOGOUT_TIME_NS,
    Role,
    SessionSettings,
)
from capture.session.states import ESTABLISHED, Signal, State
from capture.session.store import RecentFrames, SentStore, restamped
from capture.wire import tags, values
from capture.wire.encoder import encode
from capture.wire.message import Field, Message

__all__ = ["OUTBOX_LIMIT", "TEXT_LIMIT", "Delivery", "Role", "Session", "SessionSettings"]


class Delivery(NamedTuple):
    """An application message in its turn."""

    message: Message
    msg_seq_num: int
    sending_ns: int
    possible_duplicate: bool
    recovered: bool


class Session(Core):
    """One session over one or more connections; see the module for the owner's loop."""

    def __init__(self, settings: SessionSettings, store: SentStore | None = None) -> None:
        super().__init__(settings, store)
        self._opened_ns = self._sent_ns = self._logout_ns = 0
        self._tested_ns: int | None = None
        self._tests = self._proofs = 0
        self._now_ns = 0

    def follower(self) -> "Session":
        """Return a session in the same state that is told what was sent instead of deciding it."""
        twin = copy(self)
        twin.settings = replace(self.settings, answers=False)
        twin.inbound = self.inbound.twin()
        twin.store = RecentFrames()
        twin.happened = list(self.happened)
        twin.outbox, twin.held, twin.resending = deque(), deque(), None
        return twin

    # What the owner calls.

    def opened(self, mono_ns: int, wall_ns: int | None = None) -> None:
        """Begin on a new connection; an initiator's Logon is due. wall_ns: needed where there is a roll-over."""
        self.signal(Signal.TRANSPORT_OPENED)
        self.say_nothing_more()
        self.close_reason, self.broken = None, False
        self.bytes_lost = False
        self.reset_asked = self.reset_answering = self.reset_answered = self.proving = False
        self._tested_ns = self.kept_logon = None
        self.proof_asked = ""
        self.heartbeat_ns = self.settings.heartbeat_s * values.SECOND_NS
        self._opened_ns = self.received_ns = self._sent_ns = mono_ns
        self.sender, self.target = self.settings.sender, self.settings.target
        self._begin_day(wall_ns)
        if self.initiator:
            told = self.settings.reset or self.reset_next
            self.resets = told or self.new_day
            if self.resets:
                self.next_out = 1
            expected = 1 if self.resets else self.inbound.expected
            window = self.settings.rollover
            told = told or (self.new_day and window is not None and window.reset_flag)
            self.queue(tags.LOGON, logon.body(self, reset=told, expected=expected))

    def closed(self, wall_ns: int | None = None) -> None:
        """Take note of the transport's end; whatever was open is forgotten with it."""
        if self.state in ESTABLISHED:
            rollover.planned(self, wall_ns, "connection closed")
        if self.state is not State.DISCONNECTED:
            self.signal(Signal.TRANSPORT_CLOSED)
        self.inbound.reset(self.inbound.expected)
        self.say_nothing_more()

    def send(self, msg_type: bytes, body: tuple[Field, ...]) -> None:
        """Queue an application message, or hold it until the session is established, where that is agreed.

        Errors: SessionError before the Logon is answered.
        """
        if self.settings.hold_unsent and (self.proving or self.state not in ESTABLISHED):
            if len(self.held) >= OUTBOX_LIMIT:
                raise SessionError(state=self.state.value, signal=f"hold more than {OUTBOX_LIMIT} messages")
            self.held.append(Outbound(msg_type, body))
            return
        if self.state not in ESTABLISHED:
            raise SessionError(state=self.state.value, signal=f"send 35={msg_type.decode('ascii')}")
        self.queue(msg_type, body)

    def reset_numbers(self) -> None:
        """Begin both numbers anew on the live session, by a Logon with 141=Y; what is queued goes out before it."""
        if self.state not in {State.ACTIVE, State.AWAITING_RESEND}:
            raise SessionError(state=self.state.value, signal="reset the numbers")
        self.queue(tags.LOGON, logon.body(self, reset=True, expected=1), msg_seq_num=1)

    def prove(self, occasion: str) -> str:
        """Ask for a numbered answer, which proves that nothing sent before it is missing; return the TestReqID(112).

        The answer is told by `Proven`. occasion: for whoever reads of it.
        """
        self._proofs += 1
        test_req_id = f"{PROOF_PREFIX}{occasion}-{self._proofs}"
        self.queue(tags.TEST_REQUEST, ((tags.TEST_REQ_ID, test_req_id.encode()),))
        return test_req_id

    def handled(self) -> None:
        """Store that what was received so far is dealt with; the owner says so after each batch of deliveries."""
        if not self.settings.answers:
            return
        try:
            self.store.handled(self.inbound.expected)
            self.store_failing = False
        except OSError as error:  # What came may come again after a restart, which is what STO-2 allows.
            self.store_failed(error)

    def log_out(self, text: str) -> None:
        """Ask for the end of the session; where there is none yet, close."""
        if self.state in {State.ACTIVE, State.AWAITING_RESEND}:
            self.queue_logout(text)
        elif self.state is not State.LOGOUT_SENT:
            self.close(text)

    def receive(self, message: Message, wall_ns: int, mono_ns: int) -> list[Delivery]:
        """Handle one message; return the application messages whose turn has come, in order."""
        return list(self.deliveries(message, wall_ns, mono_ns))

    def deliveries(self, message: Message, wall_ns: int, mono_ns: int) -> Iterator[Delivery]:
        """As `receive`, one after the other: take the events before each delivery, and they come in their order.

        Take them all: the message is handled only then.
        """
        self.received_ns = mono_ns
        self.wall_ns = self._now_ns = wall_ns
        self._tested_ns = None
        if self.state in {State.DISCONNECTED, State.LOGGED_OUT}:
            return
        if self.close_reason and not self.initiator:
            # An initiator listens until its transport is gone: a timer may have decided, which no journal knows.
            return
        if self.state not in ESTABLISHED:
            if not self.broken:
                logon.receive_first(self, message, wall_ns)
            return
        if not checks.header(self, message, wall_ns) or (self.broken and message.msg_type != tags.LOGOUT):
            return
        if self.state in {State.ACTIVE, State.AWAITING_RESEND} and logon.is_reset(message):
            logon.reset_in_place(self)
            return
        self.reset_answered = False
        yield from self._in_turn(message, mono_ns)

    @property
    def in_order(self) -> bool:
        """Whether the owner may take application messages with the next numbers itself, if all is well with them."""
        return self.state is State.ACTIVE and not self.broken and self.close_reason is None

    def received_in_order(self, count: int, wall_ns: int, mono_ns: int) -> None:
        """Take note of application messages that the owner took itself: numbers, CompIDs and times held."""
        self.received_ns = mono_ns
        self.wall_ns = self._now_ns = wall_ns
        self._tested_ns = None
        self.reset_answered = self.bytes_lost = False
        self.inbound.advance(self.inbound.expected + count)

    def lost(self) -> None:
        """Take note that bytes which came were lost by a journal: where the next number is too high, that is why."""
        self.bytes_lost = True

    def ignored(self, reason: str, mono_ns: int) -> None:
        """Take note of a frame that is no message: a sign of life and nothing else."""
        self.received_ns = mono_ns
        self.happened.append(events.MessageIgnored(reason))

    def tick(self, mono_ns: int, wall_ns: int | None = None) -> None:
        """Let time pass: heartbeats, tests of silence, and limits of waiting. wall_ns: as for `opened`."""
        self._now_ns = wall_ns or self._now_ns
        if wall_ns is not None and self.state in {State.ACTIVE, State.AWAITING_RESEND}:
            self._roll_over(wall_ns)
        if self.state in {State.CONNECTED, State.LOGON_SENT}:
            if mono_ns - self._opened_ns >= LOGON_TIME_NS:
                self.close("no Logon came within 10 s")
        elif self.state is State.LOGOUT_SENT:
            limit = VIOLATION_LOGOUT_TIME_NS if self.broken else LOGOUT_TIME_NS
            if mono_ns - self._logout_ns >= limit:
                self.close("our Logout was not answered")
        elif self.state is State.LOGGED_OUT:  # Who asked for the end closes; it has some time for it.
            if mono_ns - self._logout_ns >= LOGOUT_TIME_NS:
                self.close("not closed after the Logouts")
        elif self.state in ESTABLISHED:
            self._watch(mono_ns)

    def next_frame(self, wall_ns: int) -> bytes | None:
        """Return the next frame to put on the wire, or None; then tell `sent`.

        A new number is in the store by then, so that none is ever used twice; where it cannot be stored, the message
        does not go out, and an event says so.
        """
        sending = values.timestamp_text(wall_ns)
        while (outbound := self._next_outbound()) is not None:
            if isinstance(outbound, Again):
                return restamped(outbound.frame, sending)
            seq_num = self.next_out if outbound.msg_seq_num is None else outbound.msg_seq_num
            frame = self._frame(outbound, seq_num, sending)
            if outbound.again or self._stored(outbound.msg_type, seq_num, frame, wall_ns):
                return frame
        return None

    def _frame(self, outbound: Outbound, seq_num: int, sending: bytes) -> bytes:
        body = outbound.body
        if outbound.msg_type == tags.LOGON and self.settings.logon_fields is not None:
            body = (*body, *self.settings.logon_fields(self.next_out))
        if outbound.again:
            body = ((tags.POSS_DUP_FLAG, b"Y"), (tags.ORIG_SENDING_TIME, sending), *body)
        return encode(
            outbound.msg_type,
            body,
            msg_seq_num=seq_num,
            sender=self.sender,
            target=self.target,
            sending_text=sending,
            begin_string=self.settings.begin_string,
        )

    def _next_outbound(self) -> Again | Outbound | None:
        """Return what goes out next; an answer to a ResendRequest is not interrupted."""
        while True:
            if self.resending is not None:
                piece = next(self.resending, None)
                if piece is not None:
                    return piece
                self.resending = None
            if not self.outbox:
                return None
            outbound = self.outbox.popleft()
            if isinstance(outbound, Outbound):
                return outbound
            self.resending = resend.pieces(self.store, outbound)

    def _stored(self, msg_type: bytes, seq_num: int, frame: bytes, wall_ns: int) -> bool:
        """Return whether a new number is stored, and its frame where it may go again. Number 1 begins anew."""
        resent_types = self.settings.resent_types
        again = msg_type not in tags.ADMIN_TYPES and (resent_types is None or msg_type in resent_types)
        try:
            if seq_num == 1:
                self.store.begin(rollover.day(self, wall_ns), frame if again else None)
            else:
                self.store.put(seq_num, frame if again else None)
        except OSError as error:
            self.store_failed(error, f"35={msg_type.decode('ascii')} 34={seq_num}")
            if msg_type in {tags.LOGON, tags.LOGOUT}:
                self.close("the session store cannot be written")
            return False
        return True

    def sent(self, message: Message, mono_ns: int) -> None:
        """Take note of a message that goes out."""
        seq_num = message.integer(tags.MSG_SEQ_NUM)
        if message.get(tags.POSS_DUP_FLAG) != b"Y":
            if seq_num == 1:
                self.day = rollover.day(self, values.timestamp_ns(message.need(tags.SENDING_TIME)))
            self.next_out = seq_num + 1
        self._sent_ns = mono_ns
        match message.msg_type:
            case tags.LOGON if self.state in ESTABLISHED:
                logon.sent_in_place(self)
            case tags.LOGON:
                self.signal(Signal.LOGON_SENT)
                if not self.initiator:
                    self.logged_on()
                    gaps.open_if_any(self, mono_ns, ask=not self.settings.next_expected)
            case tags.LOGOUT:
                self._logout_ns = mono_ns
                if self.state in ESTABLISHED:
                    rollover.planned(self, values.timestamp_ns(message.need(tags.SENDING_TIME)), "Logout of ours")
                self.signal(Signal.LOGOUT_SENT)
                text = message.text(tags.TEXT)
                if text and not self.broken:  # What broke a rule is told already.
                    self.happened.append(events.LogoutSent(text))
                if self.state is State.LOGGED_OUT and not self.initiator:
                    self.close("logged out")
            case tags.TEST_REQUEST:
                test_req_id = message.text(tags.TEST_REQ_ID)
                self.happened.append(events.TestRequestSent(test_req_id))
                if test_req_id.startswith(PROOF_PREFIX):
                    self.proof_asked = test_req_id

    def sent_application(self, mono_ns: int, *, count: int = 1) -> None:
        """Take note of `count` application messages that the owner numbered from `next_out` and sent itself."""
        self.next_out += count
        self._sent_ns = mono_ns
        if count and self.settings.answers:
            self.store.put(self.next_out - 1, None)

    def take_events(self) -> list[events.SessionEvent]:
        """Return what happened since the last call, in order."""
        taken, self.happened = self.happened, []
        return taken

    def _in_turn(self, message: Message, mono_ns: int) -> Iterator[Delivery]:
        seq_num = message.integer(tags.MSG_SEQ_NUM)
        lost, self.bytes_lost = self.bytes_lost, False
        if lost and seq_num > self.inbound.expected:
            gaps.pass_over(self, seq_num)
        if message.msg_type == tags.SEQUENCE_RESET and message.get(tags.GAP_FILL_FLAG) != b"Y":
            gaps.reset_by_peer(self, message)
        elif seq_num > self.inbound.expected:
            self._too_high(message, seq_num, mono_ns)
        elif seq_num < self.inbound.expected:
            self._too_low(message, seq_num)
        else:
            recovered = self.state is State.AWAITING_RESEND
            yield from self._handle(message, seq_num, recovered=recovered)
            while not self.broken and (kept := self.inbound.take_next()) is not None:
                yield from self._handle(kept, self.inbound.expected, recovered=False)
            if recovered:
                gaps.progressed(self, mono_ns)

    def _handle(self, message: Message, seq_num: int, *, recovered: bool) -> Iterator[Delivery]:
        found = checks.fault(self, message)
        if found is not None:
            self._refuse(message, seq_num, found)
            return
        if message.msg_type == tags.SEQUENCE_RESET:
            gaps.fill(self, message, seq_num)
            return
        self.inbound.advance(seq_num + 1)
        if message.msg_type in tags.ADMIN_TYPES:
            self._handle_admin(message)
            return
        if self.settings.supported is not None and message.msg_type not in self.settings.supported:
            self.refuse(message, UNSUPPORTED_MESSAGE_TYPE, "Unsupported Message Type")
            return
        duplicate = message.get(tags.POSS_DUP_FLAG) == b"Y"
        sending_ns = checks.timestamp_ns(message.need(tags.SENDING_TIME))
        yield Delivery(message, seq_num, sending_ns, duplicate, recovered and duplicate)

    def _refuse(self, message: Message, seq_num: int, fault: Fault) -> None:
        """Refuse a message for a fault; it is consumed where it was the expected one."""
        if fault.ends:
            self.violate_by(message, fault, fault.ends)
            return
        if seq_num == self.inbound.expected:
            self.inbound.advance(seq_num + 1)
        self.reject(message, fault)

    def _handle_admin(self, message: Message) -> None:
        match message.msg_type:
            case tags.TEST_REQUEST:
                self.queue(tags.HEARTBEAT, ((tags.TEST_REQ_ID, message.need(tags.TEST_REQ_ID)),))
            case tags.HEARTBEAT:
                test_req_id = message.text(tags.TEST_REQ_ID)
                self.happened.append(events.HeartbeatReceived(test_req_id))
                if test_req_id and test_req_id == self.proof_asked:
                    self.proof_asked = ""
                    self.happened.append(events.Proven(test_req_id))
                if self.proving and message.get(tags.TEST_REQ_ID) == PROOF_TEST_REQ_ID:
                    self.release()
            case tags.RESEND_REQUEST:
                if message.integer(tags.MSG_SEQ_NUM) not in self.inbound.answered:
                    resend.answer(self, message)
            case tags.LOGOUT:
                self._receive_logout(message)
            case tags.REJECT:
                text = message.text(tags.TEXT)
                self.happened.append(events.RejectReceived(message.text(tags.REF_SEQ_NUM), text))
            case tags.LOGON:
                logon.receive_again(self, message)

    def _receive_logout(self, message: Message) -> None:
        text = message.text(tags.TEXT)
        if self.state is State.LOGOUT_SENT:
            self.signal(Signal.LOGOUT_RECEIVED)
            self.happened.append(events.LoggedOut(text))
            self.close("logged out")
        elif self.state in {State.ACTIVE, State.AWAITING_RESEND}:
            self.signal(Signal.LOGOUT_RECEIVED)
            self.happened.append(events.PeerLoggedOut(text))
            rollover.planned(self, self.wall_ns, "Logout of the other side")
            self.queue_logout("")

    # Numbers.

    def _too_high(self, message: Message, seq_num: int, mono_ns: int) -> None:
        if message.msg_type == tags.LOGOUT:
            self._receive_logout(message)
            return
        if message.msg_type == tags.RESEND_REQUEST:
            # It will not be resent, so it is answered now; in its turn it is only counted.
            resend.answer(self, message)
            self.inbound.answered.add(seq_num)
        self.inbound.keep(seq_num, message)
        gaps.open_if_any(self, mono_ns)

    def _too_low(self, message: Message, seq_num: int) -> None:
        if message.msg_type == tags.LOGOUT:
            self._receive_logout(message)
        elif message.get(tags.POSS_DUP_FLAG) == b"Y":
            found = checks.fault(self, message)
            if found is not None and found.tag == tags.ORIG_SENDING_TIME:
                self._refuse(message, seq_num, found)
                return
            self.happened.append(events.MessageIgnored(f"possible duplicate of MsgSeqNum {seq_num}"))
        elif message.msg_type == tags.RESEND_REQUEST and not self.initiator:
            resend.answer(self, message)
        elif self.initiator and rollover.planned(self, self.wall_ns, "MsgSeqNum too low"):
            rollover.end_quietly(self)
        else:
            expected = self.inbound.expected
            text = f"MsgSeqNum too low, expecting {expected} but received {seq_num}"
            self.violate(text, expected=str(expected), received=str(seq_num))

    # Time.

    @property
    def takes_requests(self) -> bool:
        """Whether it makes sense to ask for something new: not while the session ends, nor right before it will."""
        active = self.state in {State.ACTIVE, State.AWAITING_RESEND} and not self.broken
        return active and rollover.due(self, self._now_ns) is None

    def _begin_day(self, wall_ns: int | None) -> None:
        """Have both numbers begin anew where a roll-over lies between the last connection and this one."""
        window = self.settings.rollover
        self.opened_wall_ns = wall_ns
        if window is None or wall_ns is None:
            return
        first, self.wall_ns = not self.wall_ns, wall_ns
        day, self.day = self.day, rollover.day(self, wall_ns)
        if day != self.day and (self.next_out, self.inbound.expected) != (1, 1):
            self.new_day = True
            if first:
                self.happened.append(events.StoreLost("the numbers stored are of another day"))
        if self.new_day and not self.initiator:
            self.new_day = False
            self.inbound.reset(1)
            self.next_out = 1

    def _roll_over(self, wall_ns: int) -> None:
        """End the day: a venue when it is over, a client when the venue has let it pass."""
        window, moment = self.settings.rollover, rollover.due(self, wall_ns)
        if window is None or moment is None:
            return
        if wall_ns >= moment + (window.lasts_s * values.SECOND_NS if self.initiator else 0):
            self.queue_logout("daily roll-over")

    def _watch(self, mono_ns: int) -> None:
        gaps.watch(self, mono_ns)
        interval = self.heartbeat_ns
        if not interval or self.broken:
            return
        # The venue was seen to drop clients that were silent for the whole interval, so a client sends at half of it.
        initiator = self.initiator
        due = interval // 2 if initiator else interval
        if self.settings.silence_s_limit:
            due = min(due, self.settings.silence_s_limit * values.SECOND_NS)
        silent = mono_ns - self.received_ns
        asked_after, given_up_after = self.settings.test_request_after, self.settings.give_up_after
        if self._tested_ns is None and silent >= asked_after * interval:
            self._tests += 1
            self._tested_ns = mono_ns
            test_req_id = self.settings.test_req_id or b"T%d" % self._tests
            self.queue(tags.TEST_REQUEST, ((tags.TEST_REQ_ID, test_req_id),))
        elif self._tested_ns is not None and mono_ns - self._tested_ns >= (given_up_after - asked_after) * interval:
            # Judged from our own question: a process that was stopped for a minute asks first and judges once.
            self.close(f"silent for {silent / values.SECOND_NS:.0f} s")
        elif mono_ns - self._sent_ns >= due and (initiator or self._tested_ns is None):
            # Between a TestRequest and its answer an acceptor says nothing more.
            self.queue(tags.HEARTBEAT, ())
            self._sent_ns = mono_ns
