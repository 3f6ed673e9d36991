"""An initiator against an acceptor over a link that loses and breaks, and processes that die: nothing is amiss.

Each side is the core with a store that survives the connection. The link keeps the order, drops what it is told to,
and can be cut at any moment; then both connect again, with numbers that go on. Payloads are counted, so that each
side knows what the other has sent and what it has got.
"""

from collections import deque

from fix import CLIENT, SECOND, T0, VENUE
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from hypothesis.strategies import booleans, integers, sampled_from

from capture.session import events
from capture.session.sequence import KEPT_MESSAGES_LIMIT
from capture.session.session import Role, Session, SessionSettings
from capture.session.states import ESTABLISHED, State
from capture.session.store import SENT_FRAMES_LIMIT, RecentFrames
from capture.wire.message import Message, parse

ROUNDS_LIMIT = 60  # Of handing over everything that is under way; more is a livelock.
PAYLOAD = 58


class End:
    """One side: its session, what it sent and what it was handed, in order."""

    def __init__(self, role: Role, *, resend: bool, whole: bool, span: int) -> None:
        us, them = (CLIENT, VENUE) if role is Role.INITIATOR else (VENUE, CLIENT)
        self.session = Session(
            SessionSettings(
                role,
                us.encode(),
                them.encode(),
                heartbeat_s=30,
                reset=False,
                resent_types=None if resend else frozenset(),
                resend_span=span,
            ),
            RecentFrames(frames_limit=SENT_FRAMES_LIMIT if whole else 20),
        )
        self.inbox: deque[Message] = deque()
        self.sent: list[int] = []
        self.got: list[int] = []
        self.numbers: list[int] = []  # MsgSeqNum of what was handed over.
        self.told: list[events.SessionEvent] = []


class SessionMachine(RuleBasedStateMachine):
    """Two sides and the link between them."""

    @initialize(resend=booleans(), whole=booleans(), span=sampled_from([0, 1, 3]))
    def begin(self, resend: bool, whole: bool, span: int) -> None:
        """Connect for the first time."""
        self.now_ns = 0
        self.payload = 0
        self.nothing_is_lost = resend and whole
        self.ends = tuple(End(role, resend=resend, whole=whole, span=span) for role in (Role.INITIATOR, Role.ACCEPTOR))
        self.up = False
        self.connect()

    # What happens.

    @precondition(lambda self: not self.up)
    @rule()
    def connect(self) -> None:
        """Connect; the initiator's Logon is under way."""
        self.up = True
        for end in self.ends:
            end.session.opened(self.now_ns, T0 + self.now_ns)
        self._flush()

    @precondition(lambda self: self.up)
    @rule(which=integers(0, 1), count=integers(1, 4))
    def send(self, which: int, count: int) -> None:
        """An application sends, where it may."""
        end = self.ends[which]
        if end.session.state not in {State.ACTIVE, State.AWAITING_RESEND}:
            return
        for _ in range(count):
            self.payload += 1
            end.sent.append(self.payload)
            end.session.send(b"B", ((PAYLOAD, b"%d" % self.payload),))
        self._flush()

    @precondition(lambda self: self.up)
    @rule(which=integers(0, 1), count=integers(1, 6))
    def arrive(self, which: int, count: int) -> None:
        """Messages under way arrive."""
        for _ in range(count):
            self._arrive(self.ends[which])

    @precondition(lambda self: self.up)
    @rule(which=integers(0, 1), at=integers(0, 5))
    def lose(self, which: int, at: int) -> None:
        """A message under way is lost."""
        inbox = self.ends[which].inbox
        if at < len(inbox):
            del inbox[at]

    @precondition(lambda self: self.up)
    @rule(seconds=sampled_from([1, 6, 20, 40]))
    def wait(self, seconds: int) -> None:
        """Time passes."""
        for _ in range(seconds):
            self._second()

    @precondition(lambda self: self.up)
    @rule()
    def cut(self) -> None:
        """The connection breaks; what was under way is lost."""
        self.up = False
        for end in self.ends:
            end.inbox.clear()
            end.session.closed(T0 + self.now_ns)
            end.told += end.session.take_events()

    @rule(which=integers(0, 1))
    def kill(self, which: int) -> None:
        """A process dies, and its connection with it; the next one has its store."""
        end = self.ends[which]
        if end.session.initiator and end.session.store.expected == 1:
            return  # Nobody answered it yet: it would begin anew, and what the other side said would be lost.
        if self.up:
            self.cut()
        end.session = Session(end.session.settings, end.session.store)

    @rule()
    def quieten(self) -> None:
        """Nothing is lost any more: after a while both are connected, agree on all numbers, and have no gap open."""
        for _ in range(ROUNDS_LIMIT):
            if not self.up:
                self.connect()
            self._settle()
            if self.up and self._agreed():
                return
            self._second()
        raise AssertionError(f"no agreement: {[(it.session.state, it.told[-5:]) for it in self.ends]}")

    # What must be.

    @invariant()
    def order_is_kept_and_nothing_comes_twice(self) -> None:
        """What an application is handed is some of what the other sent, each once, in the order of sending."""
        if not hasattr(self, "ends"):
            return
        for end, other in (self.ends, self.ends[::-1]):
            assert end.got == sorted(set(end.got)), "twice, or out of order"
            assert set(end.got) <= set(other.sent)

    @invariant()
    def memory_is_bounded(self) -> None:
        """What is kept beyond a gap, and what waits to be sent, has an end."""
        if not hasattr(self, "ends"):
            return
        for end in self.ends:
            assert len(end.session.inbound._kept) <= KEPT_MESSAGES_LIMIT
            assert not end.session.outbox

    @invariant()
    def nobody_broke_a_rule(self) -> None:
        """A lossy link is no broken rule of the other side."""
        if not hasattr(self, "ends"):
            return
        for end in self.ends:
            assert not [it for it in end.told if isinstance(it, events.Violated | events.MessageRejected)], end.told

    # Helpers.

    def _second(self) -> None:
        self.now_ns += SECOND
        for end in self.ends:
            end.session.tick(self.now_ns, T0 + self.now_ns)
        self._flush()
        self._close_if_over()

    def _close_if_over(self) -> None:
        if self.up and any(end.session.close_reason is not None for end in self.ends):
            self.cut()

    def _flush(self) -> None:
        for end, other in (self.ends, self.ends[::-1]):
            while (data := end.session.next_frame(T0 + self.now_ns)) is not None:
                message = parse(data)
                end.session.sent(message, self.now_ns)
                other.inbox.append(message)
            end.told += end.session.take_events()

    def _arrive(self, end: End) -> None:
        if not self.up or not end.inbox:
            return
        for delivery in end.session.receive(end.inbox.popleft(), T0 + self.now_ns, self.now_ns):
            end.got.append(int(delivery.message.need(PAYLOAD)))
            end.numbers.append(delivery.msg_seq_num)
        end.session.handled()
        self._flush()
        self._close_if_over()

    def _settle(self) -> None:
        """Hand over all that is under way, and what it calls forth."""
        for _ in range(2000):
            if not self.up or not any(end.inbox for end in self.ends):
                return
            for end in self.ends:
                self._arrive(end)
        raise AssertionError("messages call forth messages without an end")

    def _agreed(self) -> bool:
        ours, theirs = self.ends
        if any(end.session.state not in ESTABLISHED or end.session.state is State.AWAITING_RESEND for end in self.ends):
            return False
        agreed = all(
            end.session.inbound.expected == other.session.next_out for end, other in ((ours, theirs), (theirs, ours))
        )
        if agreed:
            for end, other in ((ours, theirs), (theirs, ours)):
                missing = [it for it in other.sent if it not in set(end.got)]
                filled = [it for it in end.told if isinstance(it, events.GapFilled)]
                assert not missing or not self.nothing_is_lost, f"{missing} were kept, asked for and did not come"
                assert not missing or filled, f"{missing} are missing and nobody says so"
        return agreed


TestSessionMachine = SessionMachine.TestCase
TestSessionMachine.settings = settings(max_examples=120, stateful_step_count=40, deadline=None)
