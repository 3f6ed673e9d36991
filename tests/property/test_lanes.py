"""The fast lane does what the slow lane does: the same rows, events, books, findings and replies, whatever comes."""

import os
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from feeds import CONNECTION, rows_of
from fix import BTC, CLIENT, SECOND, T0, VENUE, cut, decoded, frame, listing, refresh, seal, snapshot
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from capture.book.book import Book
from capture.book.kernel import BookKernel
from capture.errors import ValueMalformed
from capture.feed import Feed
from capture.market.requests import MarketDataRequest
from capture.session.rollover_window import KRAKEN_ROLLOVER
from capture.session.session import Role, Session, SessionSettings
from capture.sinks import Position
from capture.wire.values import unscaled

SYMBOLS = ("BTC/USD", "ETH/USD", "XMR/USD")
DEPTH = 10
EXAMPLES = int(os.environ.get("FIXTAPE_EXAMPLES", "100"))  # Of stories; more of them before a release.
LEVELS = tuple(
    f"{side} {price} {size}"
    for side, price, size in [("offer", 101 + n, 1 + n) for n in range(9)] + [("bid", 100 - n, 2 + n) for n in range(9)]
)
Step = tuple[Any, ...]


@dataclass
class Side:
    """One feed with its session, and all that came of it."""

    fast: bool
    replies: list[bytes] = field(default_factory=list)
    findings: list[Any] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.session = Session(
            SessionSettings(Role.INITIATOR, CLIENT.encode(), VENUE.encode(), rollover=KRAKEN_ROLLOVER)
        )
        self.feed = Feed(self.session, fast=self.fast)
        self.received = 0

    def flush(self, now_ns: int) -> None:
        """Send what is due and note it."""
        while (reply := self.session.next_frame(now_ns)) is not None:
            self.replies.append(reply)
            self.feed.sent(now_ns, now_ns - T0, reply)
        self.findings += self.feed.take_findings()

    def read(self, now_ns: int, data: bytes) -> None:
        """Take one read."""
        self.feed.received(now_ns, now_ns - T0, data, Position("segment", self.received))
        self.received += len(data)
        self.flush(now_ns)

    def begin(self) -> None:
        """Log on, take the list, and subscribe every symbol."""
        self.feed.opened(T0, 0, CONNECTION)
        self.flush(T0)
        self.read(T0, frame("35=A 98=0 108=60 141=Y", seq=1) + frame(listing(*SYMBOLS), seq=2))
        for number, symbol in enumerate(SYMBOLS):
            self.session.send(b"V", MarketDataRequest(f"M{number}", symbol, DEPTH, subscribe=True).body())
        self.flush(T0)

    def books(self) -> dict[str, Any]:
        """Return every book, and how far it is believed."""
        return {
            symbol: None
            if it.book is None
            else (it.book.state, it.book.proven, list(it.book.bids.levels()), list(it.book.offers.levels()))
            for symbol, it in self.feed.by_symbol.items()
        }


class Stream:
    """A venue's bytes, written step by step; a book of its own knows the right checksum."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.seq = 3
        self.books = [Book(BTC, DEPTH) for _ in SYMBOLS]
        for number in range(len(SYMBOLS)):
            self.snapshot(number, *LEVELS)

    def put(self, text: str, **header: Any) -> None:
        self.data += frame(text, seq=self.seq, **header)
        self.seq += 1

    def snapshot(self, number: int, *entries: str, shown: str = "absent") -> None:
        text = snapshot(*entries, symbol=SYMBOLS[number], md_req_id=f"M{number}")
        self.books[number].snapshot(decoded(text))
        right = self.books[number].checksum()
        checksum = {"right": f" 5041={right}", "wrong": f" 5041={right ^ 1}", "absent": ""}[shown]
        self.put(text + checksum)

    def refresh(self, number: int, entries: tuple[str, ...], *, shown: str = "right") -> None:
        """Write a refresh; shown: what its checksum is."""
        book = self.books[number]
        names = {"symbol": SYMBOLS[number], "md_req_id": f"M{number}"}
        with suppress(ValueMalformed):  # An entry that does not read is applied by nobody.
            book.refresh(decoded(refresh(*entries, **names)))
        right = book.checksum()
        checksum = {"right": right, "wrong": right ^ 1, "absent": None, "odd": "12x"}[shown]
        if all(it.startswith("trade") for it in entries):
            checksum = None
        self.put(refresh(*entries, **names, checksum=checksum))

    def text(self, number: int) -> str:
        """Return a refresh of no consequence, with its checksum."""
        entries = (f"new bid {unscaled(600 + number, 1)} 0.5",)
        self.books[number].refresh(decoded(refresh(*entries)))
        return refresh(*entries, symbol=SYMBOLS[number], md_req_id=f"M{number}", checksum=self.books[number].checksum())

    def step(self, step: Step) -> None:  # noqa: C901 - one line for each kind of step
        kind, number, *rest = step
        match kind:
            case "refresh":
                self.refresh(number, *rest)
            case "unproven":
                self.refresh(number, rest[0], shown=rest[1])
            case "snapshot":
                self.snapshot(number, *rest[0], shown=rest[1])
            case "heartbeat":
                self.put("35=0")
            case "test":
                self.put("35=1 112=T1")
            case "lost":
                self.seq += 1 + number
            case "again":
                self.seq -= 1
                self.put(self.text(number))
            case "duplicate":
                self.data += frame(f"{self.text(number)} 43=Y", seq=max(self.seq - 1, 1))
            case "garbled":
                self.data += seal(frame(self.text(number), seq=self.seq)[20:-7], check_sum=b"000")
            case "length":
                self.data += seal(b"35=X\x0134=%d\x01" % self.seq, length=400)
            case "noise":
                self.data += rest[0]
            case "odd":
                self.put(f"{self.text(number)} {rest[0]}")
            case "header":
                self.data += frame(self.text(number), seq=self.seq, **rest[0])
                self.seq += 1
            case "listing":
                self.put(listing(SYMBOLS[number], price_precision=rest[0]))
            case "other":
                self.put(rest[0])


prices = st.integers(950, 1060).map(lambda price: unscaled(price, 1))
sizes = st.sampled_from(["0", "0.0", "1", "2.5", "0.00000001", "123456.78901234"])
entry = st.one_of(
    st.builds(lambda *it: " ".join(it), st.sampled_from(["new", "change", "delete"]), st.sampled_from(["bid", "offer"]),
              prices, sizes),
    st.builds(lambda *it: " ".join(it), st.just("trade"), prices, st.sampled_from(["1", "2.5"])),
)  # fmt: skip
near = st.builds(  # Mostly what keeps a book whole, so that books stay live for long.
    lambda update, price, size: f"{update} {'bid' if price < 1005 else 'offer'} {unscaled(price, 1)} {size}",
    st.sampled_from(["new", "change"]),
    st.integers(960, 1050).filter(lambda price: price != 1005),
    st.sampled_from(["1", "2.5", "0.00000001"]),
)
numbers = st.integers(0, len(SYMBOLS) - 1)
odd_fields = st.sampled_from(
    ["58=hello", "999=1", "5041=7", "34=9", "43=N", "122=20260301-12:00:00.000", "8=FIX.4.4", "97=Y", "271=1", "279=0",
     "269=0", "01=5", "55=BTC/USD", "268=1", "5060=x", "273=25:00:00.000", "40=22", "2446=", "=x", "1128=9"]
)  # fmt: skip
odd_entries = st.sampled_from(
    ["new bid 99.95 1", "new bid 0 1", "new bid -1 1", "new bid 99.90000 1", "new bid 1e3 1", "new bid .5 1",
     "new bid 5. 1", "new bid 99.0 0.000000001", "new offer 99999999999999999999 1", "change bid 98.0 1234567890123"]
)  # fmt: skip
headers = st.sampled_from(
    [{"sender": "OTHER"}, {"target": "OTHER"}, {"at_ns": T0 + 3600 * SECOND}, {"at_ns": T0 - 86400 * SECOND},
     {"at_ns": T0 + 120 * SECOND}, {"at_ns": T0 + 119 * SECOND}, {"sender": "KRAKEN-M"}]
)  # fmt: skip
others = st.sampled_from(
    ["35=5 58=bye", "35=y 320=L 322=1 560=0 146=0", "35=X", "35=W 55=BTC/USD 262=M0", "35=X 55=BTC/USD 262=M9 268=0",
     "35=Y 262=M1 281=0 58=no", "35=2 7=1 16=0", "35=4 36=50", "35=X 55=ETH/USD 262=M0 268=0 5041=0"]
)  # fmt: skip
whole_books = st.sampled_from([LEVELS, LEVELS[3:], (), LEVELS[:2], (*LEVELS, LEVELS[0])])
steps: st.SearchStrategy[Step] = st.one_of(
    *[st.tuples(st.just("refresh"), numbers, st.lists(near, min_size=1, max_size=3).map(tuple))] * 6,
    st.tuples(st.just("refresh"), numbers, st.lists(entry, min_size=1, max_size=5).map(tuple)),
    st.tuples(st.just("unproven"), numbers, st.lists(near, min_size=1, max_size=2).map(tuple),
              st.sampled_from(["wrong", "absent", "odd"])),
    st.tuples(st.just("unproven"), numbers, odd_entries.map(lambda it: (it,)), st.just("right")),
    st.tuples(st.just("snapshot"), numbers, whole_books, st.sampled_from(["absent", "absent", "right", "wrong"])),
    st.tuples(st.sampled_from(["heartbeat", "test", "lost", "again", "duplicate", "garbled", "length"]), numbers),
    st.tuples(st.just("noise"), numbers, st.binary(max_size=30)),
    st.tuples(st.just("odd"), numbers, odd_fields),
    st.tuples(st.just("header"), numbers, headers),
    st.tuples(st.just("listing"), numbers, st.sampled_from([1, 2])),
    st.tuples(st.just("other"), numbers, others),
)  # fmt: skip


def play(story: list[Step], reads: list[int]) -> tuple[Side, Side]:
    """Return both lanes after a story, told in reads of these sizes."""
    stream = Stream()
    for step in story:
        stream.step(step)
    sides = Side(fast=True), Side(fast=False)
    for side in sides:
        side.begin()
        for number, data in enumerate(cut(bytes(stream.data), *reads)):
            side.read(T0 + number * SECOND // 10, data)
    return sides


@settings(deadline=None, max_examples=EXAMPLES, suppress_health_check=[HealthCheck.too_slow])
@given(story=st.lists(steps, max_size=30), reads=st.lists(st.integers(0, 700), max_size=20))
def test_both_lanes_are_one(story: list[Step], reads: list[int]) -> None:
    """Rows, events, findings, replies, books, counters and the session's state do not depend on the lane."""
    fast, slow = play(story, reads)

    assert fast.books() == slow.books()
    assert fast.replies == slow.replies
    assert fast.findings == slow.findings
    assert fast.feed.counters == slow.feed.counters
    assert (fast.session.state, fast.session.inbound.expected, fast.session.close_reason) == (
        slow.session.state, slow.session.inbound.expected, slow.session.close_reason)  # fmt: skip
    assert rows_of(fast.feed.take_columns()) == rows_of(slow.feed.take_columns())


@settings(deadline=None, max_examples=EXAMPLES, suppress_health_check=[HealthCheck.too_slow])
@given(
    story=st.lists(steps, max_size=30),
    reads=st.lists(st.integers(0, 700), min_size=2, max_size=20),
    place=st.integers(0, 20),
)
def test_a_follower_goes_on_alike(story: list[Step], reads: list[int], place: int) -> None:
    """A copy taken between any two reads makes the rows that the feed itself makes from there on."""
    stream = Stream()
    for step in story:
        stream.step(step)
    side, follower = Side(fast=True), None
    side.begin()
    for number, data in enumerate(cut(bytes(stream.data), *reads)):
        now_ns = T0 + number * SECOND // 10
        if number == place % len(reads):
            side.feed.take_columns()
            follower = side.feed.follower()
        sent = len(side.replies)
        received = side.received
        side.read(now_ns, data)
        if follower is not None:
            follower.received(now_ns, now_ns - T0, data, Position("segment", received))
            for reply in side.replies[sent:]:
                follower.sent(now_ns, now_ns - T0, reply)
    assert follower is not None
    side.feed.closed(T0 + 100 * SECOND, "the end")
    follower.closed(T0 + 100 * SECOND, "the end")

    assert rows_of(side.feed.take_columns()) == rows_of(follower.take_columns())
    assert follower.counters == side.feed.counters


def test_the_fast_lane_is_taken() -> None:
    """What is good goes by the kernels, and none of it by the slow lane."""
    story: list[Step] = [("refresh", n % 3, (f"new bid {unscaled(950 + n, 1)} 1",)) for n in range(40)]
    stream = Stream()
    for step in story:
        stream.step(step)
    side = Side(fast=True)
    side.begin()
    taken: list[int] = []
    slowly = side.feed._frame
    side.feed._frame = lambda *frame: (taken.append(1), slowly(*frame))  # type: ignore[assignment,method-assign]

    side.read(T0, bytes(stream.data))

    assert taken == []
    assert side.feed.counters.verified == len(story)
    assert isinstance(side.feed._lane.kernel, BookKernel)
