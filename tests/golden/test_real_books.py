"""Real market data, served by the venue's session and taken in by ours, against what is known to be true of it."""

import gzip
import json
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from feeds import CONNECTION, rows_of
from fix import CLIENT, T0, VENUE

from capture.book.book import Book
from capture.columns import Action, Columns, Proof, Verdict
from capture.feed import Feed
from capture.session.session import Role, Session, SessionSettings
from capture.sinks import Position
from capture.subscriber import Subscriber
from capture.venue.acceptor import FAST, Acceptor, VenueSettings
from capture.venue.recording import SHIPPED, load
from capture.wire.message import parse
from capture.wire.values import MILLISECOND_NS, unscaled

DATA = Path(__file__).parents[1] / "data"
CHECKSUMS = {"spot10-d1000": 4269, "btcusd-d10-resubscribe": 296, "ethusd-d25": 1128}
Levels = list[list[str]]


@dataclass
class Played:
    """What a live feed and its follower made of a recording, and each book after each of its messages."""

    truth: dict[str, Any]
    feed: Feed
    columns: Columns
    followed: Columns
    tops: dict[str, list[tuple[Levels, Levels, list[int]]]] = field(default_factory=lambda: defaultdict(list))


def shown(book: Book, count: int | None = None) -> tuple[Levels, Levels]:
    """Offers and bids as decimal text at full precision, best first."""
    scales = (book.instrument.price_precision, book.instrument.size_precision)

    def texts(levels: Any) -> Levels:
        return [[unscaled(number, scale) for number, scale in zip(level, scales, strict=True)] for level in levels]

    if count is None:
        return texts(book.offers.levels()), texts(book.bids.levels())
    return texts(book.offers.best(count)), texts(book.bids.best(count))


@pytest.fixture(scope="module", params=list(CHECKSUMS))
def played(request: pytest.FixtureRequest) -> Played:
    """A recording played to its end in memory, one message a read, as fast as it goes."""
    name, depth = request.param, {"spot10-d1000": 1000, "btcusd-d10-resubscribe": 10, "ethusd-d25": 25}[request.param]
    venue = Acceptor(load([SHIPPED / f"{name}.fix.gz"]), VenueSettings(speed=FAST))
    session, other = (
        Session(SessionSettings(Role.INITIATOR, CLIENT.encode(), VENUE.encode(), answers=answers))
        for answers in (True, False)
    )
    feed, follower = Feed(session), Feed(other, fast=False)
    subscriber = Subscriber(session, ("all",), depth)
    truth = json.loads(gzip.decompress((DATA / f"{name}.truth.json.gz").read_bytes()))
    it = Played(truth, feed, feed.take_columns(), follower.take_columns())
    now_ns, received = T0, 0

    def flush() -> None:
        while findings := feed.take_findings():
            subscriber.handle(findings, now_ns, now_ns - T0)
        while (frame := session.next_frame(now_ns)) is not None:
            for each in (feed, follower):
                each.sent(now_ns, now_ns - T0, frame)
            venue.received(frame, now_ns, now_ns - T0)

    def take_in(data: bytes) -> None:
        nonlocal received
        for each in (feed, follower):
            each.received(now_ns, now_ns - T0, data, Position("segment", received))
        received += len(data)
        flush()

    venue.opened(now_ns, 0)
    for each in (feed, follower):
        each.opened(now_ns, 0, CONNECTION)
    flush()
    while data := b"".join(venue.take_frames()):
        take_in(data)
    while data := b"".join(venue.playback(now_ns, now_ns - T0, count_limit=1)):
        now_ns += MILLISECOND_NS
        take_in(data)
        message = parse(data)
        book = feed.by_symbol[message.text(55)].book
        assert book is not None
        levels = [len(book.offers), len(book.bids)]
        it.tops[message.text(55)].append((*shown(book, 10), levels))
    for each in (feed, follower):
        each.closed(now_ns, "the end")
    it.columns, it.followed = feed.take_columns(), follower.take_columns()
    return it


def test_every_checksum_is_verified(played: Played) -> None:
    """Each 5041 that the exchange sent equals ours, and none failed; not one message was odd."""
    verdicts = Counter(played.columns.messages.columns["verdict"])
    kinds = set(played.columns.events.columns["kind"])

    assert verdicts[Verdict.VERIFIED] == played.feed.counters.verified == played.truth["totals"]["checksums_on_wire"]
    assert verdicts[Verdict.VERIFIED] == CHECKSUMS[_name(played)]
    assert not verdicts[Verdict.MISMATCH] + verdicts[Verdict.MALFORMED]
    assert not kinds & {"gap", "garbled", "malformed", "mismatch", "invariant", "suspect", "violation", "time_off"}


def _name(played: Played) -> str:
    return next(name for name, count in CHECKSUMS.items() if count == played.truth["totals"]["checksums_on_wire"])


def test_every_level_at_the_end_is_true(played: Played) -> None:
    """Every level of every book at the end is the true one, to the last decimal."""
    books = {symbol: it.book for symbol, it in played.feed.by_symbol.items()}

    assert set(books) == set(played.truth["final_books"])
    for symbol, true in played.truth["final_books"].items():
        book = books[symbol]
        assert book is not None
        assert shown(book) == (true["asks"], true["bids"]), symbol


def test_every_top_ten_on_the_way_is_true(played: Played) -> None:
    """After each message the best ten levels, and how many there are, are the true ones."""
    true = defaultdict(list)
    for message in played.truth["messages"]:
        if "symbol" in message:
            # A message of trades alone says nothing of the book: it is as it was.
            before = true[message["symbol"]][-1] if "asks" not in message else None
            true[message["symbol"]].append(before or (message["asks"], message["bids"], message["levels"]))

    assert set(played.tops) == set(true)
    for symbol, tops in played.tops.items():
        assert tops == true[symbol], symbol


def test_rows_are_as_many_as_the_entries(played: Played) -> None:
    """Each entry is one row of its kind, and no level had to be cut here: the venue announced each."""
    true = played.truth["totals"]["entries"]
    actions = Counter(played.columns.book_changes.columns["action"])

    assert actions[Action.SNAPSHOT] == true["snapshot"]
    assert actions[Action.NEW] == true["new"]
    assert actions[Action.CHANGE] == true["change"]
    assert actions[Action.DELETE] + actions[Action.EVICT] == true["delete"]
    assert len(played.columns.trades) == true.get("trade", 0)
    assert -1 not in played.columns.book_changes.columns["entry_index"]
    assert played.feed.counters.entries == sum(true.values())


def test_every_row_after_a_snapshot_is_proven(played: Played) -> None:
    """All three witnesses hold for each row of a refresh, two for those of a snapshot."""
    columns = played.columns.book_changes.columns
    proofs = {True: set(), False: set()}
    for action, proof in zip(columns["action"], columns["proof"], strict=True):
        proofs[action == Action.SNAPSHOT].add(proof)

    assert proofs[True] == {Proof.SEQUENCE | Proof.INVARIANTS}
    assert proofs[False] == {Proof.SEQUENCE | Proof.CHECKSUM | Proof.INVARIANTS}


def test_slow_lane_makes_the_same_rows(played: Played) -> None:
    """A feed that is only told what was received and sent, and takes it message by message, makes the same rows."""
    fast, slow = rows_of(played.columns), rows_of(played.followed)
    for name, rows in fast.items():
        assert rows == slow[name], name
