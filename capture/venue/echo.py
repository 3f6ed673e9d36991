"""A session that sends back what it is sent: the counterpart for conformance tests of other engines, sans I/O.

Layer: venue. Source: the cases' section 14, what acceptance definitions of the session layer take for granted.
Left to others: sockets (`venue.echo_server`), the session's rules (`session`).

Each NewOrderSingle(D) and SecurityDefinition(d) comes back with its fields as they were, below the header; a D that is
a possible resend (97=Y) of a ClOrdID seen in this session is dropped; anything else is unsupported. Content is held
against the whole dictionary. Numbers begin anew with each connection, unless there are stores for them.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from capture.session.dictionary import HEADER, TRAILER
from capture.session.events import SessionEvent
from capture.session.intake import Intake
from capture.session.session import Delivery, Role, Session, SessionSettings
from capture.session.states import ESTABLISHED, State
from capture.session.store import SentStore
from capture.wire import tags
from capture.wire.message import Message, parse

ECHOED: Final = frozenset({tags.NEW_ORDER_SINGLE, tags.SECURITY_DEFINITION})
OTHER: Final = 0  # BusinessRejectReason(380)
CL_ORD_IDS_LIMIT: Final = 100_000  # Remembered of one session; past it the oldest is forgotten.
EVENTS_LIMIT: Final = 1000  # Kept for an owner that wants them.


@dataclass(frozen=True, slots=True)
class EchoSettings:
    """Who it is, and the habits that a counterpart may want.

    client: the only SenderCompID that may log on; empty for any.
    test_req_id: TestReqID(112) of its TestRequests; empty for a fresh one each time.
    heartbeat_s: a Heartbeat after so many seconds of saying nothing, where the client's interval is longer; 0 never.
    refuse_silently: drop an invalid Logon without a message.
    """

    name: bytes
    client: bytes = b""
    begin_string: bytes = tags.BEGIN_STRING_VALUE
    test_req_id: bytes = b""
    heartbeat_s: int = 0
    refuse_silently: bool = False


class Echo:
    """One connection; give it bytes and time, then write what `take_bytes` returns and close at `close_reason`.

    others: the other connections; a client that is logged on by one of them gets no second one (LON-17).
    store_of: where the numbers of a client are kept, asked for at its Logon; where there is none, they begin anew.
    """

    def __init__(
        self,
        settings: EchoSettings,
        others: Callable[[], Iterable["Echo"]] = tuple,
        store_of: Callable[[bytes], SentStore] | None = None,
    ) -> None:
        self._settings = settings
        self.session = Session(
            SessionSettings(
                Role.ACCEPTOR,
                sender=settings.name,
                target=settings.client,
                begin_string=settings.begin_string,
                test_req_id=settings.test_req_id,
                silence_s_limit=settings.heartbeat_s,
                refuse_silently=settings.refuse_silently,
                strict_time=True,
                strict_content=True,
                supported=ECHOED,
                resent_types=None,
            )
        )
        self._others, self._store_of = others, store_of
        self._intake = Intake(self.session)
        self._out: list[bytes] = []
        self._seen: dict[bytes, None] = {}
        self.happened: list[SessionEvent] = []

    @property
    def close_reason(self) -> str | None:
        """Why the connection is to be closed, or None."""
        return self.session.close_reason

    @property
    def client(self) -> bytes | None:
        """The SenderCompID that is logged on, or None."""
        return self.session.target if self.session.state in ESTABLISHED else None

    def opened(self, wall_ns: int, mono_ns: int) -> None:
        """Begin on a new connection."""
        self.session.opened(mono_ns, wall_ns)

    def received(self, data: bytes, wall_ns: int, mono_ns: int) -> None:
        """Handle bytes of the other side; each message is answered before the next one is read."""
        for message in self._intake.messages(data, mono_ns):
            if not self._message(message, wall_ns, mono_ns):
                return

    def tick(self, wall_ns: int, mono_ns: int) -> None:
        """Let time pass."""
        self.session.tick(mono_ns, wall_ns)
        self._flush(wall_ns, mono_ns)

    def log_out(self, text: str, wall_ns: int, mono_ns: int) -> None:
        """End the session from this side."""
        self.session.log_out(text)
        self._flush(wall_ns, mono_ns)

    def closed(self, wall_ns: int) -> None:
        """Take note of the end of the connection."""
        self.session.closed(wall_ns)

    def take_bytes(self) -> bytes:
        """Return what is to be written now."""
        taken = b"".join(self._out)
        self._out.clear()
        return taken

    def _message(self, message: Message, wall_ns: int, mono_ns: int) -> bool:
        """Handle one message; return whether to go on."""
        if self.session.state is State.CONNECTED and message.msg_type == tags.LOGON and not self._begins(message):
            self._flush(wall_ns, mono_ns)
            return False
        for delivery in self.session.receive(message, wall_ns, mono_ns):
            self._echo(delivery)
        self._flush(wall_ns, mono_ns)
        self.session.handled()
        return True

    def _begins(self, logon: Message) -> bool:
        """Return whether a Logon may begin a session: not where its client has one already."""
        client = logon.get(tags.SENDER_COMP_ID) or b""
        if any(it.client == client for it in self._others()):
            self.session.drop("another connection has this SenderCompID(49)")
            return False
        expected = self._settings
        known = logon.get(tags.TARGET_COMP_ID) == expected.name and expected.client in {b"", client}
        if self._store_of is not None and client and known:
            self.session.adopt(self._store_of(client))
        return True

    def _echo(self, delivery: Delivery) -> None:
        message = delivery.message
        if self.session.state not in {State.ACTIVE, State.AWAITING_RESEND}:
            return  # After a Logout nothing new is said.
        cl_ord_id = message.get(tags.CL_ORD_ID) or b""
        if message.msg_type == tags.NEW_ORDER_SINGLE:
            if message.get(tags.POSS_RESEND) == b"Y" and cl_ord_id in self._seen:
                return
            self._seen[cl_ord_id] = None
            if len(self._seen) > CL_ORD_IDS_LIMIT:
                del self._seen[next(iter(self._seen))]
        body = tuple(field for field in message.fields if field[0] not in HEADER and field[0] not in TRAILER)
        if any(tags.SOH in value for _, value in body):
            self.session.refuse(message, OTHER, "data fields with SOH in them are not sent back")
            return
        resend = ((tags.POSS_RESEND, b"Y"),) if message.get(tags.POSS_RESEND) == b"Y" else ()
        self.session.send(message.msg_type, (*resend, *body))

    def _flush(self, wall_ns: int, mono_ns: int) -> None:
        while (frame := self.session.next_frame(wall_ns)) is not None:
            self.session.sent(parse(frame), mono_ns)
            self._out.append(frame)
        self.happened += self.session.take_events()
        del self.happened[:-EVENTS_LIMIT]
