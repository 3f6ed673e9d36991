"""An hour of a synthetic market as a recorder gets it, in memory and on a clock of its own; ten faults on demand."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from feeds import CONNECTION
from fix import SECOND, SOH, T0, seal
from market_play import STEP_NS, MarketPlay

from capture.book.book import Book
from capture.columns import Columns
from capture.market import decoder
from capture.venue.acceptor import FAST, Acceptor, VenueSettings
from capture.venue.market import SyntheticMarket
from capture.wire import values
from capture.wire.message import split

HOUR_S = 3600
ROUND_S = 2  # Between two looks at the market.
A_ROUND = 4  # Messages.
SYMBOLS = 5
DEPTH = 100
AWAY_S = 120  # How long nothing is connected.
BACK_NS = 3 * SECOND  # How far the clock steps back.
GHOSTS = 5
REFUSED = "ADA/USD"


@dataclass
class Fault:
    """What is done to the first message about a symbol that it can be done to, from a second on.

    symbol: None for any. at_ns, until_ns: from when to when it was done, once it was.
    """

    second: int
    symbol: str | None
    do: "Callable[[MarketHour, Fault, bytes], bytes | None]"
    at_ns: int = 0
    until_ns: int = 0
    done: bool = False

    def happened(self, now_ns: int) -> None:
        """Take note that it was done in the read that comes next."""
        self.at_ns = self.at_ns or now_ns + STEP_NS
        self.until_ns = now_ns + STEP_NS


class MarketHour(MarketPlay):
    """A recorder of a synthetic market that is never late; faults by name."""

    def __init__(self, faults: dict[str, Fault] | None = None) -> None:
        self.faults = faults or {}
        self.price = b""
        self.ghosts: set[str] = set()
        self.kept: Book | None = None
        super().__init__(SyntheticMarket(SYMBOLS, rate=5.0, seed=7), depth=DEPTH)

    def run(self) -> list[Columns]:
        """Play the hour and stop in order; return its rows, those of the stop by themselves."""
        second = 0
        while second < HOUR_S:
            if "away" in self.faults and second == self.faults["away"].second:
                self._go_away(self.faults["away"])
                second += AWAY_S
            self._play_round()
            second += ROUND_S
            self.now_ns = max(self.now_ns, T0 + second * SECOND - SECOND // 2)
        played = self.feed.take_columns()
        self._stop()
        return [played, self.feed.take_columns()]

    def _play_round(self) -> None:
        self.subscriber.tick(self.mono_ns)
        self.session.tick(self.mono_ns, self.now_ns)
        self.flush()
        self._take_admin()
        for frame in self.venue.playback(self.now_ns, self.mono_ns, count_limit=A_ROUND):
            data = self._through(frame)
            if data:
                self.read(data)
        self._take_admin()

    def _take_admin(self) -> None:
        while frames := self.venue.take_frames():
            self.read(b"".join(frames))

    def _through(self, frame: bytes) -> bytes:
        second = (self.now_ns - T0) // SECOND
        for fault in self.faults.values():
            if fault.done or second < fault.second or (fault.symbol and _about(frame) != fault.symbol):
                continue
            altered = fault.do(self, fault, frame)
            if altered is not None:
                frame = altered
        return frame

    def _go_away(self, fault: Fault) -> None:
        fault.at_ns, fault.done = self.now_ns, True
        self.faults["requests"].done = True
        self.feed.closed(self.now_ns, "reset by the venue")
        self.flush()
        self.now_ns += AWAY_S * SECOND
        self.venue = Acceptor(self.venue.source, VenueSettings(speed=FAST))
        self.venue.opened(self.now_ns, self.mono_ns)
        self.feed.opened(self.now_ns, self.mono_ns, CONNECTION)
        fault.until_ns = self.now_ns + STEP_NS  # When the Logon is answered.
        self.flush()
        self._take_admin()

    def _stop(self) -> None:
        self.session.prove("STOP")
        self.flush()
        self._take_admin()
        self.session.log_out("")
        self.flush()
        self._take_admin()
        self.feed.closed(self.now_ns, "logged out")

    def after(self, frame: bytes) -> Book:
        """The book that a refresh leaves."""
        book = self.book(_about(frame))
        twin = Book(book.instrument, DEPTH)
        twin.take_over(book)
        twin.state = book.state
        twin.refresh(decoder.decode(split(frame), twin.instrument, self.now_ns // 10**6, level=2))
        return twin

    def book(self, symbol: str) -> Book:
        """The book that stands."""
        book = self.feed.by_symbol[symbol].book
        assert isinstance(book, Book)
        return book

    def level(self, symbol: str, side: str, place: int, ticks: int) -> bytes:
        """A price so many ticks away from a level of the book that stands, best level first."""
        book = self.book(symbol)
        levels = (book.bids if side == "bid" else book.offers).best(place + 1)
        return _number(levels[-1].price + ticks * book.tick, book.price_scale)


def ten_faults() -> dict[str, Fault]:
    """One for each check, of which the file is the caller's to damage.

    What makes every book new comes early, before a level is old: for the venue begins each stream anew with its
    subscription, and levels of the book before may be gone.
    """
    return {
        "requests": Fault(0, REFUSED, _refuse),
        "gaps": Fault(20, None, _drop),
        "checksums": Fault(30, "ETH/USD", _wrong_checksum),
        "suspect": Fault(40, "BTC/USD", _malformed),
        "away": Fault(1200, None, lambda *_: None),
        "crossed": Fault(1500, "ETH/USD", _cross),
        "latency": Fault(1800, None, _step_back),
        "outside": Fault(2100, "BTC/USD", _trade_elsewhere),
        "ghosts": Fault(3000, "BTC/USD", _haunt),
        "replaced": Fault(3100, "BTC/USD", _replace),
    }


def _refuse(hour: MarketHour, fault: Fault, frame: bytes) -> bytes | None:
    """The snapshot becomes a refusal, all that follows it heartbeats."""
    if b"\x0135=W" not in frame:
        return _retyped(frame, b"0")
    fault.happened(hour.now_ns)
    (md_req_id,) = re.findall(rb"\x01262=([^\x01]+)", frame)
    return _retyped(frame, b"Y", b"262=%b\x01281=0\x0158=Unknown symbol\x01" % md_req_id)


def _drop(hour: MarketHour, fault: Fault, frame: bytes) -> bytes | None:
    fault.happened(hour.now_ns)
    fault.done = True
    return b""


def _wrong_checksum(hour: MarketHour, fault: Fault, frame: bytes) -> bytes | None:
    if b"\x015041=" not in frame:
        return None
    fault.happened(hour.now_ns)
    fault.done = True
    return _with_checksum(frame, 4711)


def _malformed(hour: MarketHour, fault: Fault, frame: bytes) -> bytes | None:
    if b"\x015041=" not in frame:
        return None
    fault.happened(hour.now_ns)
    fault.done = True
    return _sealed(re.sub(rb"\x01271=[^\x01]+", b"\x01271=abc", frame, count=1))


def _cross(hour: MarketHour, fault: Fault, frame: bytes) -> bytes | None:
    """Two messages: one adds a bid above the best offer, with the right checksum, the next takes it away."""
    if b"\x015041=" not in frame:
        return None
    fault.done = fault.at_ns > 0
    if not fault.done:
        hour.price = hour.level(_about(frame), "offer", 0, 1)
    fault.happened(hour.now_ns)
    return _proven(hour, _with_entries(frame, _bid(hour.price, b"2" if fault.done else b"0")))


def _haunt(hour: MarketHour, fault: Fault, frame: bytes) -> bytes | None:
    """Levels far beyond the tenth that the venue does not have."""
    if b"\x015041=" not in frame:
        return None
    fault.happened(hour.now_ns)
    fault.done = True
    book = hour.book(_about(frame))
    bids = book.bids.best(80)
    free = [it for it in range(30, 79) if bids[it].price - bids[it + 1].price > book.tick]
    prices = [hour.level(_about(frame), "bid", it, -1) for it in free[:GHOSTS]]
    assert len(prices) == GHOSTS
    hour.ghosts = {it.decode() for it in prices}
    return _proven(hour, _with_entries(frame, b"".join(_bid(it) for it in prices)))


def _replace(hour: MarketHour, fault: Fault, frame: bytes) -> bytes | None:
    """A wrong checksum, then a snapshot of the book as it stood but for the ghosts, after which nothing changes."""
    if not fault.at_ns:
        altered = _wrong_checksum(hour, fault, frame)
        hour.kept, fault.done = hour.after(frame) if altered else None, False
        return altered
    assert hour.kept is not None
    if b"\x0135=W" in frame:
        fault.happened(hour.now_ns)
        return _sealed(_with_levels(frame, hour.kept, hour.ghosts))
    if fault.until_ns == fault.at_ns:
        return None
    book = hour.book(_about(frame))
    best = book.bids.best(1)[0]
    same = b"279=1\x01269=0\x01278=S\x01270=%b\x01271=%b\x01273=12:40:00.000\x01" % (
        _number(best.price, book.price_scale), _number(best.size, book.size_scale),
    )  # fmt: skip
    head = frame[: frame.index(b"\x01268=") + 1]
    return _proven(hour, head + b"268=1\x01" + same + b"5041=0\x0110=000\x01")


def _trade_elsewhere(hour: MarketHour, fault: Fault, frame: bytes) -> bytes | None:
    """A trade at more than twice the price."""
    if b"\x01269=2\x01" not in frame:
        return None
    fault.happened(hour.now_ns)
    fault.done = True
    at = frame.index(b"\x01270=", frame.index(b"\x01269=2\x01")) + 5
    return _sealed(frame[:at] + b"2" + hour.level(_about(frame), "offer", 0, 0) + frame[frame.index(SOH, at) :])


def _step_back(hour: MarketHour, fault: Fault, frame: bytes) -> bytes | None:
    hour.now_ns -= BACK_NS
    fault.happened(hour.now_ns)
    fault.done = True
    return frame


def _number(digits: int, scale: int) -> bytes:
    return values.unscaled(digits, scale).encode()


def _about(frame: bytes) -> str:
    found = re.search(rb"\x0155=([^\x01]+)", frame)
    return found[1].decode() if found else ""


def _bid(price: bytes, update: bytes = b"0") -> bytes:
    """The entry of a bid that comes, or goes."""
    size = b"0" if update == b"2" else b"1.5"
    return b"279=%b\x01269=0\x01278=G\x01270=%b\x01271=%b\x01273=12:30:00.000\x01" % (update, price, size)


def _with_entries(frame: bytes, entries: bytes) -> bytes:
    """A refresh with more entries, before its checksum."""
    more = entries.count(b"279=")
    counted = re.sub(rb"\x01268=(\d+)", lambda it: b"\x01268=%d" % (int(it[1]) + more), frame, count=1)
    at = counted.index(b"\x015041=") + 1
    return counted[:at] + entries + counted[at:]


def _with_levels(frame: bytes, book: Book, but: set[str]) -> bytes:
    """A snapshot with the levels of a book but for some prices of bids."""
    entries = []
    for side, levels in ((b"1", book.offers.best(DEPTH)), (b"0", book.bids.best(DEPTH))):
        for it in levels:
            price, size = _number(it.price, book.price_scale), _number(it.size, book.size_scale)
            if side == b"1" or price.decode() not in but:
                entries.append(b"269=%b\x01278=S\x01270=%b\x01271=%b\x01273=12:40:00.000\x01" % (side, price, size))
    head = frame[: frame.index(b"\x01268=") + 1]
    return head + b"268=%d\x01" % len(entries) + b"".join(entries) + b"10=000\x01"


def _retyped(frame: bytes, msg_type: bytes, body: bytes = b"") -> bytes:
    """A message of another type under the same number."""
    header = b"".join(
        re.search(rb"\x01(%d=[^\x01]+\x01)" % tag, frame)[1]  # type: ignore[index]
        for tag in (34, 49, 52, 56)
    )
    return seal(b"35=" + msg_type + SOH + header + body)


def _proven(hour: MarketHour, frame: bytes) -> bytes:
    return _with_checksum(frame, hour.after(_sealed(frame)).checksum())


def _with_checksum(frame: bytes, checksum: int) -> bytes:
    return _sealed(re.sub(rb"\x015041=\d+", b"\x015041=%d" % checksum, frame))


def _sealed(frame: bytes) -> bytes:
    """The same body in a frame that is right."""
    begin = frame.index(SOH, frame.index(b"\x019=") + 1) + 1
    end = frame.rfind(b"\x0110=")
    return seal(frame[begin : end + 1 if end > 0 else None])
