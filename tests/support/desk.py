"""A feed with a subscriber that acts upon what is found, as a client lets it."""

from feeds import FeedPlay
from fix import listing, refresh, snapshot

from capture.findings import Finding
from capture.market.requests import LEVEL_2
from capture.subscriber import Subscriber
from capture.wire.message import Message

BOOK = ("offer 101.0 1", "bid 100.0 1")


class Desk(FeedPlay):
    """A feed with a subscriber that acts upon what is found, as a client lets it."""

    def __init__(self, *symbols: str, level: int = LEVEL_2) -> None:
        super().__init__()
        self.subscriber = Subscriber(self.session, symbols, 10, level)
        self._asked: list[str] = []

    def find(self, *findings: Finding) -> None:
        """Something is found, as if the feed had."""
        self.findings += findings
        self.flush()

    def flush(self) -> list[Message]:
        """Send what is due, act upon what was found, and so on."""
        sent = super().flush()
        while self.findings:
            findings, self.findings = self.findings, []
            self.subscriber.handle(findings, self.now_ns, self.mono_ns)
            sent += super().flush()
        self._asked += [_told(message) for message in sent]
        return sent

    def pass_by(self, seconds: float) -> list[str]:
        """Time passes, then the subscriber looks at the clock; return what is asked then."""
        self.asked()
        self.after(seconds)
        self.subscriber.tick(self.mono_ns)
        self.flush()
        return self.asked()

    def asked(self) -> list[str]:
        """Return what was asked since the last call."""
        asked, self._asked = self._asked, []
        return asked

    def serve(self, asked: str) -> None:
        """Answer a request with its snapshot."""
        _, md_req_id, symbol = asked.split()
        self.venue(snapshot(*BOOK, symbol=symbol, md_req_id=md_req_id))

    def break_book(self, md_req_id: str, symbol: str = "BTC/USD") -> None:
        """The venue sends what does not agree."""
        self.venue(refresh("new bid 99.0 1", symbol=symbol, md_req_id=md_req_id, checksum=1))


def _told(message: Message) -> str:
    match message.msg_type:
        case b"V":
            kind = {b"1": "subscribe", b"2": "stop"}[message.need(263)]
            return f"{kind} {message.text(262)} {message.text(55)}"
        case b"x":
            return f"list {message.text(320)}"
        case b"g":
            return f"status {message.text(335)}"
        case b"5":
            return f"logout {message.text(58)}".rstrip()
        case other:
            return other.decode()


def standing(*symbols: str) -> Desk:
    """A desk whose symbols are subscribed and served."""
    desk = Desk(*symbols)
    desk.open(listed=listing("BTC/USD", "ETH/USD", "XMR/USD"))
    for asked in desk.asked():
        if asked.startswith("subscribe"):
            desk.serve(asked)
    return desk
