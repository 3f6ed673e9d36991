"""The synthetic venue and a recorder's core in one thread, in memory, on a clock of their own."""

from collections.abc import Callable

from feeds import CONNECTION
from fix import CLIENT, SECOND, T0, VENUE

from capture.feed import Feed
from capture.findings import Finding
from capture.session.session import Role, Session, SessionSettings
from capture.sinks import Position
from capture.subscriber import Subscriber
from capture.venue.acceptor import FAST, Acceptor, VenueSettings
from capture.venue.market import SyntheticMarket
from capture.wire.message import Message, parse

STEP_NS = SECOND // 1000


class MarketPlay:
    """A subscriber of everything; each read comes a millisecond after the one before.

    alter: what becomes of each market message on the way. asked: what went out, as (MsgType, MDReqID or empty, symbol).
    """

    def __init__(
        self, market: SyntheticMarket, *, depth: int, alter: Callable[[bytes], bytes] | None = None, fast: bool = True
    ) -> None:
        self.session = Session(SessionSettings(Role.INITIATOR, CLIENT.encode(), VENUE.encode()))
        self.feed = Feed(self.session, fast=fast)
        self.subscriber = Subscriber(self.session, ("all",), depth)
        self.venue = Acceptor(market, VenueSettings(speed=FAST))
        self.now_ns = T0
        self.asked: list[tuple[str, str, str]] = []
        self.findings: list[Finding] = []
        self._alter = alter
        self._received = 0
        self.venue.opened(T0, 0)
        self.feed.opened(T0, 0, CONNECTION)
        self.flush()
        while frames := self.venue.take_frames():
            self.read(b"".join(frames))

    @property
    def mono_ns(self) -> int:
        """The monotonic clock."""
        return self.now_ns - T0

    def play(self, count: int) -> int:
        """Take so many market messages as one read, and whatever else the venue says before them; return how many."""
        while frames := self.venue.take_frames():
            self.read(b"".join(frames))
        frames = self.venue.playback(self.now_ns, self.mono_ns, count_limit=count)
        if self._alter is not None:
            frames = [self._alter(frame) for frame in frames]
        if frames:
            self.read(b"".join(frames))
        return len(frames)

    def read(self, data: bytes) -> None:
        """Take one read."""
        self.now_ns += STEP_NS
        self.feed.received(self.now_ns, self.mono_ns, data, Position("segment", self._received))
        self._received += len(data)
        self.flush()

    def flush(self) -> None:
        """Act upon what was found, and send what is due, until there is nothing more."""
        while True:
            findings = self.feed.take_findings()
            self.findings += findings
            self.subscriber.handle(findings, self.now_ns, self.mono_ns)
            sent = 0
            while (data := self.session.next_frame(self.now_ns)) is not None:
                self.feed.sent(self.now_ns, self.mono_ns, data)
                self.asked.append(_told(parse(data)))
                self.venue.received(data, self.now_ns, self.mono_ns)
                sent += 1
            if not findings and not sent:
                return


def _told(message: Message) -> tuple[str, str, str]:
    return message.text(35), message.text(262), message.text(55)
