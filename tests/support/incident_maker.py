"""A journal by hand, and the findings of a live feed that was told what is in it."""

from pathlib import Path

from feeds import CONNECTION, LEVELS, LIST
from fix import CLIENT, T0, VENUE, decoded, frame, refresh, snapshot

from capture.book.levels import PriceLevel
from capture.feed import Feed
from capture.findings import BookBroken, BookHealed
from capture.market.requests import LEVEL_2, MarketDataRequest
from capture.session.session import Role, Session, SessionSettings
from capture.sinks import Position
from storage.journal.writer import JournalWriter

SECOND = 10**9


class Taped:
    """A feed whose bytes stand in a journal, as a client keeps them."""

    def __init__(self, root: Path, *, segment_bytes_limit: int = 2**28) -> None:
        self.root = root
        self.writer = JournalWriter(root / "journal", run="r", software="s", segment_bytes_limit=segment_bytes_limit)
        self.session = Session(SessionSettings(Role.INITIATOR, CLIENT.encode(), VENUE.encode()))
        self.feed = Feed(self.session)
        self.now_ns = T0
        self.next = 1
        self.level = LEVEL_2
        self.findings: list[object] = []
        self.places: dict[int, Position] = {}

    def open(self, *levels: str, level: int = LEVEL_2) -> "Taped":
        """Log on, take the list, subscribe to BTC/USD as M1 and take its snapshot."""
        self.level = level
        self.writer.opened(self.now_ns, CONNECTION)
        self.feed.opened(self.now_ns, self.mono_ns, CONNECTION)
        self.flush()
        self.venue("35=A 98=0 108=60 141=Y")
        self.venue(LIST)
        self.subscribe("M1")
        self.venue(snapshot(*(levels or LEVELS)))
        return self

    @property
    def mono_ns(self) -> int:
        """The monotonic clock."""
        return self.now_ns - T0

    def venue(self, text: str, *, seq: int | None = None) -> int:
        """The venue sends a message, in a read of its own; return its number."""
        number = self.next if seq is None else seq
        if " 43=Y" not in text:
            self.next = number + 1
        self.now_ns += SECOND // 1000
        data = frame(text, seq=number, at_ns=self.now_ns)
        for position, piece in self.writer.received(self.now_ns, data):
            self.places[number] = position
            self.feed.received(self.now_ns, self.mono_ns, piece, position)
        self.flush()
        return number

    def lost(self) -> None:
        """A number is used up, and nothing comes of it."""
        self.next += 1

    def book(self, entry: str, *, right: bool = True) -> int:
        """The venue changes the book, with the checksum that is right or not; return the number."""
        book = self.feed.books.by_symbol["BTC/USD"].book
        assert book is not None
        twin = type(book)(book.instrument, book.depth)
        twin.take_over(book)
        twin.refresh(decoded(refresh(entry), level=self.level))
        md_req_id = self.feed.books.by_symbol["BTC/USD"].request.md_req_id
        return self.venue(refresh(entry, md_req_id=md_req_id, checksum=twin.checksum() ^ (not right)))

    def subscribe(self, md_req_id: str, symbol: str = "BTC/USD") -> None:
        """We ask for a symbol."""
        self.session.send(b"V", MarketDataRequest(md_req_id, symbol, 10, subscribe=True, level=self.level).body())
        self.flush()

    def unsubscribe(self, md_req_id: str, symbol: str = "BTC/USD") -> None:
        """We stop asking for it."""
        self.session.send(b"V", MarketDataRequest(md_req_id, symbol, 10, subscribe=False).body())
        self.flush()

    def flush(self) -> None:
        """Send what is due, journalled first."""
        while (data := self.session.next_frame(self.now_ns)) is not None:
            self.writer.sent(self.now_ns, data)
            self.feed.sent(self.now_ns, self.mono_ns, data)
        self.findings += self.feed.take_findings()

    def heal(self, *levels: str) -> BookHealed:
        """Subscribe anew and take the snapshot; return what was found."""
        self.unsubscribe("M1")
        self.subscribe("M2")
        self.venue(snapshot(*(levels or LEVELS), md_req_id="M2"))
        (healed,) = [it for it in self.findings if isinstance(it, BookHealed)]
        return healed

    @property
    def broken(self) -> BookBroken:
        """The one book that broke."""
        (broken,) = [it for it in self.findings if isinstance(it, BookBroken)]
        return broken


def level(price: int, size: int) -> PriceLevel:
    """A level in the instrument's steps, its size whole."""
    return PriceLevel(price, size * 10**8)
