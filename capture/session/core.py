"""What the parts of a session share: its state, its numbers, what waits to be sent and what happened.

Layer: session. Decides nothing by itself: `session.session` dispatches, `logon`, `gaps` and `checks` decide.

Nothing here changes state when a message is queued; see `session.session` for why.
"""

from collections import deque
from typing import NamedTuple

from capture.errors import SessionError
from capture.session import events
from capture.session.content import Fault
from capture.session.dictionary import REVERSED_ROUTE
from capture.session.sequence import InboundSequence
from capture.session.settings import OUTBOX_LIMIT, TEXT_LIMIT, Role, SessionSettings
from capture.session.states import TRANSITIONS, Signal, State
from capture.wire import tags, values
from capture.wire.message import Field, Message


class Outbound(NamedTuple):
    """One message that waits to be sent."""

    msg_type: bytes
    body: tuple[Field, ...]
    msg_seq_num: int | None = None  # None: the next one. Given only by an answer to a ResendRequest.


class Core:
    """The state of one session; owners use `Session`, which is this and the calls upon it.

    broken: a rule was broken, so a Logout goes out and nothing more is handed over.
    kept_logon: a Logon that was too high: answered, and kept until its turn.
    """

    def __init__(self, settings: SessionSettings) -> None:
        self.settings = settings
        self.state = State.DISCONNECTED
        self.sender, self.target = settings.sender, settings.target
        self.heartbeat_ns = settings.heartbeat_s * values.SECOND_NS
        self.inbound = InboundSequence()
        self.next_out = 1
        self.close_reason: str | None = None
        self.outbox: deque[Outbound] = deque()
        self.happened: list[events.SessionEvent] = []
        self.received_ns = 0
        self.broken = False
        self.kept_logon: Message | None = None
        self.gap_end = 0
        self.gap_asked_ns = 0
        self.gap_requests = 0

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

    def queue_logout(self, text: str) -> None:
        """Have a Logout sent, unless one waits already."""
        if not any(outbound.msg_type == tags.LOGOUT for outbound in self.outbox):
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
            (tags.REF_MSG_TYPE, message.msg_type),
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
        self.outbox.clear()
        if rejected is not None:
            self.reject(*rejected)
        self.queue_logout(text)
