"""What the parts of a session share: its state, its numbers, what waits to be sent and what happened.

Layer: session. Decides nothing by itself: `session.session` dispatches, `logon`, `gaps` and `checks` decide.

Nothing here changes state when a message is queued; see `session.session` for why.
"""

from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

from capture.errors import SessionError
from capture.session import events
from capture.session.content import Fault
from capture.session.dictionary import REVERSED_ROUTE
from capture.session.sequence import InboundSequence
from capture.session.settings import OUTBOX_LIMIT, PROOF_TEST_REQ_ID, TEXT_LIMIT, Role, SessionSettings
from capture.session.states import ESTABLISHED, TRANSITIONS, Signal, State
from capture.session.store import RecentFrames, SentStore
from capture.wire import tags, values
from capture.wire.message import Field, Message


class Outbound(NamedTuple):
    """One message that waits to be sent."""

    msg_type: bytes
    body: tuple[Field, ...]
    msg_seq_num: int | None = None  # None: the next one.
    again: bool = False  # Part of an answer to a ResendRequest.


class Again(NamedTuple):
    """A frame that is sent again."""

    frame: bytes


class Resend(NamedTuple):
    """A range that waits to be sent again, both ends included."""

    begin: int
    end: int


class Core:
    """The state of one session; owners use `Session`, which is this and the calls upon it.

    broken: a rule was broken, so a Logout goes out and nothing more is handed over.
    resets: this connection's Logon begins the numbers anew: by the settings, `reset_next` or `new_day`.
    reset_next: the numbers cannot go on, so the next Logon says that they begin anew (141=Y).
    new_day: a roll-over has passed over the numbers, which both sides know.
    day: the roll-over's day of the numbers; 0 where nothing says so.
    reset_asked: we reset the numbers in place, and the answer is due.
    reset_answered: the other side did, and has sent nothing since; answering it twice in a row could go on for ever.
    proof_asked: TestReqID(112) of the last TestRequest for a proof that went out, until it is answered.
    kept_logon: a Logon that was too high: answered, and kept until its turn.
    bytes_lost: a journal lost some of what came; the next number counts as the one expected.
    """

    def __init__(self, settings: SessionSettings, store: SentStore | None = None) -> None:
        self.settings = settings
        self.state = State.DISCONNECTED
        self.sender, self.target = settings.sender, settings.target
        self.heartbeat_ns = settings.heartbeat_s * values.SECOND_NS
        self.inbound = InboundSequence()
        self.happened: list[events.SessionEvent] = []
        self.adopt(store if store is not None else RecentFrames())
        self.resets = settings.reset
        self.new_day = False
        self.reset_asked = self.reset_answering = self.reset_answered = False
        self.proving = False
        self.proof_asked = ""
        self.rolled_ns: int | None = None  # The last roll-over that showed.
        self.opened_wall_ns: int | None = None
        self.wall_ns = 0  # Of the last message received.
        self.close_reason: str | None = None
        self.outbox: deque[Outbound | Resend] = deque()
        self.resending: Iterator[Again | Outbound] | None = None  # The answer to a ResendRequest that is under way.
        self.held: deque[Outbound] = deque()
        self.store_failing = False
        self.received_ns = 0
        self.broken = False
        self.kept_logon: Message | None = None
        self.bytes_lost = False
        self.gap_end = 0
        self.gap_piece_end = 0  # Last number asked for, where a gap is asked for in pieces.
        self.gap_asked_ns = 0
        self.gap_requests = 0

    def adopt(self, store: SentStore) -> None:
        """Go on with the numbers of a store; an acceptor of many learns whose only from the Logon.

        An initiator to which nobody ever answered under these numbers cannot know what the other side expects.
        """
        self.store, self.day = store, store.day
        self.next_out = store.next_out
        self.inbound.reset(store.expected)
        self.reset_next = bool(store.lost) or (self.initiator and store.expected == 1 < store.next_out)
        if store.lost:
            self.happened.append(events.StoreLost(store.lost))

    @property
    def initiator(self) -> bool:
        """Whether this side connects and speaks first."""
        return self.settings.role is Role.INITIATOR

    def signal(self, signal: Signal) -> None:
        """Move by the table. Errors: SessionError for a pair that it does not hold."""
        try:
            self.state = TRANSITIONS[self.state, signal]
        except KeyError:
            raise SessionError(state=self.state.value, signal=signal.value) from None

    def close(self, reason: str) -> None:
        """Have the owner close the transport; the first reason stands."""
        self.close_reason = self.close_reason or reason

    def queue(self, msg_type: bytes, body: tuple[Field, ...], *, msg_seq_num: int | None = None) -> None:
        """Have a message sent; a follower says nothing."""
        if not self.settings.answers:
            return
        if len(self.outbox) >= OUTBOX_LIMIT:
            self.close(f"{OUTBOX_LIMIT} messages wait to be sent")
            return
        self.outbox.append(Outbound(msg_type, body, msg_seq_num))

    def queue_resend(self, begin: int, end: int) -> None:
        """Have a range sent again, after what waits already."""
        if self.settings.answers:
            self.outbox.append(Resend(begin, end))

    def queue_logon(self, body: tuple[Field, ...]) -> None:
        """Have a Logon with number 1 sent before anything else; of what waits, the session's own has become void."""
        if not self.settings.answers:
            return
        kept = [it for it in self.outbox if isinstance(it, Outbound) and it.msg_type not in tags.ADMIN_TYPES]
        self.outbox = deque([Outbound(tags.LOGON, body, msg_seq_num=1), *kept])
        self.resending = None

    def say_nothing_more(self) -> None:
        """Forget what waits to be sent."""
        self.outbox.clear()
        self.resending = None

    def logged_on(self) -> None:
        """Take note that both Logons are said; what was held goes out, after a test where one is agreed."""
        self.happened.append(events.LoggedOn(self.heartbeat_ns // values.SECOND_NS))
        if self.settings.prove_numbers:
            self.proving = True
            self.queue(tags.TEST_REQUEST, ((tags.TEST_REQ_ID, PROOF_TEST_REQ_ID),))
        else:
            self.release()

    def release(self) -> None:
        """Have sent what was held."""
        self.proving = False
        while self.held:
            self.queue(*self.held.popleft()[:2])

    def store_failed(self, error: OSError, not_sent: str = "") -> None:
        """Take note that the store cannot be written; for what came in, once until it can."""
        if not_sent or not self.store_failing:
            self.happened.append(events.StoreFailed(error.strerror or str(error), not_sent))
        self.store_failing = True

    def overrun(self, text: str) -> None:
        """End the session over a message past the limit of a frame; before there is one, without a word."""
        if self.state in ESTABLISHED or self.state is State.LOGON_SENT:
            self.violate(text)
        elif not self.broken:
            self.drop(text)

    def drop(self, text: str) -> None:
        """End the connection over a broken rule without a word: a message would use a number."""
        self.broken = True
        self.happened.append(events.Violated(text))
        self.say_nothing_more()
        self.close(text)

    def refuse_logon(self, text: str) -> None:
        """Refuse a Logon: by a Logout that says why, or without a word."""
        if self.settings.refuse_silently and not self.initiator:
            self.drop(text)
        else:
            self.violate(text)

    def queue_logout(self, text: str) -> None:
        """Have a Logout sent, unless one waits already."""
        if not any(isinstance(it, Outbound) and it.msg_type == tags.LOGOUT for it in self.outbox):
            self.queue(tags.LOGOUT, ((tags.TEXT, text.encode()[:TEXT_LIMIT]),) if text else ())

    def reject(self, message: Message, fault: Fault, text: str = "") -> None:
        """Have a message refused (35=3). text: instead of the standard's name of the reason."""
        text = text or fault.text
        ref_seq_num, ref_msg_type = message.text(tags.MSG_SEQ_NUM), message.text(tags.MSG_TYPE)
        self.happened.append(events.MessageRejected(ref_seq_num, ref_msg_type, f"{text} (tag {fault.tag})"))
        route = [(REVERSED_ROUTE[tag], value) for tag, value in message.fields if value and tag in REVERSED_ROUTE]
        body = (
            (tags.REF_SEQ_NUM, message.need(tags.MSG_SEQ_NUM)),
            (tags.TEXT, text.encode()),
            (tags.REF_TAG_ID, b"%d" % fault.tag),
            (tags.REF_MSG_TYPE, message.msg_type or b"?"),
            (tags.SESSION_REJECT_REASON, b"%d" % fault.reason),
        )
        self.queue(tags.REJECT, (*route, *body))

    def refuse(self, message: Message, reason: int, text: str) -> None:
        """Have an application message refused (35=j). reason: BusinessRejectReason(380)."""
        ref_seq_num, ref_msg_type = message.text(tags.MSG_SEQ_NUM), message.text(tags.MSG_TYPE)
        self.happened.append(events.MessageRejected(ref_seq_num, ref_msg_type, text))
        body = (
            (tags.REF_SEQ_NUM, message.need(tags.MSG_SEQ_NUM)),
            (tags.TEXT, text.encode()),
            (tags.REF_MSG_TYPE, message.msg_type or b"?"),
            (tags.BUSINESS_REJECT_REASON, b"%d" % reason),
        )
        self.queue(tags.BUSINESS_MESSAGE_REJECT, body)

    def violate_by(self, message: Message, fault: Fault, text: str) -> None:
        """End the session over a message that is refused as well; it is consumed where it was the expected one."""
        if self.broken:
            return
        if message.integer(tags.MSG_SEQ_NUM) == self.inbound.expected:
            self.inbound.advance(self.inbound.expected + 1)
        self.violate(text, rejected=(message, fault))

    def violate(
        self, text: str, *, expected: str = "", received: str = "", rejected: tuple[Message, Fault] | None = None
    ) -> None:
        """End the session over a broken rule: say so, log out, hand nothing over any more."""
        if self.broken:
            return
        self.broken = True
        self.happened.append(events.Violated(text, expected, received))
        if self.state in {State.LOGOUT_SENT, State.LOGOUT_RECEIVED}:
            return
        self.say_nothing_more()
        if rejected is not None:
            self.reject(*rejected)
        self.queue_logout(text)
