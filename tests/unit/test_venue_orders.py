"""Level 3: orders that add up to the Level 2 book of the same instant, told in queue order, with their own checksum."""

import json
import zlib
from itertools import islice
from pathlib import Path
from random import Random

import pytest
from peer import Peer, told
from view_clients import decoded, instrument_of

from capture.book.book import Book
from capture.venue import recording
from capture.venue.market import SyntheticMarket
from capture.venue.order_ids import order_id
from capture.venue.orders import LEVEL_ORDERS_LIMIT, Order, OrderBookView
from capture.venue.source import Shape
from capture.wire import tags, values
from capture.wire.message import split

DATA = Path(__file__).parents[1] / "data"
OUTSIDE = frozenset({tags.MSG_TYPE, tags.MD_REQ_ID, tags.SYMBOL, tags.NO_MD_ENTRIES, tags.CHECKSUM_ORDER_BOOK})
REQUEST = "35=V 146=1 55=ETH/USD 262=M1 263=1 264={depth} 265=1 266=N 267=2 269=0 269=1"


@pytest.fixture(scope="module")
def market():
    """A small market."""
    return SyntheticMarket(3, rate=100, seed=7, levels=40, began_ms=1_770_114_274_650)


def stream(market, symbol, shape):
    """A symbol's messages about its book; trades are not told together with orders."""
    return (body for body in market.bodies(symbol, shape) if body.has_book)


def one_level(*sizes):
    """A bid's queue of these sizes, and the level's head."""
    view = OrderBookView("BTC/USD", Shape(10, orders=True), Random(1), (1, 8), 0)  # noqa: S311 - a market
    head = b"269=0\x01278=B10.0\x01270=10.0\x01271="
    view.bids.add(100, (head, b"1.0\x01", b"", b""))
    view.bids.queues[100] = [Order(b"%c" % (65 + place), size, 0, place) for place, size in enumerate(sizes)]
    total = f"0.{sum(sizes):08d}\x01".encode()
    view.bids.levels[100] = (head, total, b"", b"")
    return view, head


class Orders:
    """A client's Level 3 book of one symbol, kept by the rules of the reference and nothing of the venue's own code."""

    def __init__(self, instrument, depth):
        self.instrument, self.depth = instrument, depth or 10**9
        self.orders = {}  # By id: side, price, size, time of joining.

    def apply(self, body):
        """Apply one message; return its actions by id."""
        message = split(b"8=FIX.4.4\x0135=%b\x01%bM1%b" % (body.msg_type, body.before, body.after))
        snapshot = body.msg_type == b"W"
        actions = []
        for entry in message.group(tags.MD_ENTRY_TYPE if snapshot else tags.MD_UPDATE_ACTION, OUTSIDE):
            side, name = entry[tags.MD_ENTRY_TYPE], entry[tags.MD_ENTRY_ID]
            price, _ = values.scaled(entry[tags.MD_ENTRY_PX], self.instrument.price_precision)
            size, _ = values.scaled(entry[tags.MD_ENTRY_SIZE], self.instrument.size_precision)
            action = entry.get(tags.MD_UPDATE_ACTION, b"0")
            assert (name in self.orders) == (action != b"0"), "new is new, and what is changed or deleted is held"
            if action == b"2":
                assert self.orders.pop(name)[:2] == (side, price)
            else:
                assert size > 0
                self.orders[name] = (side, price, size, entry[tags.MD_ENTRY_TIME_QUEUE])
            actions.append((action, size))
        assert all(len(self.levels(side)) <= self.depth for side in (b"0", b"1")), "nothing has to be cut"
        if not snapshot and self.depth >= 10:
            assert message.integer(tags.CHECKSUM_ORDER_BOOK) == self.checksum()
        return actions

    def levels(self, side):
        """Prices and their orders' sizes, best first, each level in the order of its queue."""
        found = {}
        for of, price, size, _ in sorted(self.orders.values(), key=lambda it: it[3]):
            if of == side:
                found.setdefault(price, []).append(size)
        return sorted(found.items(), reverse=side == b"0")

    def checksum(self):
        """As the guide of the WebSocket's level3 has it."""
        best = [*self.levels(b"1")[:10], *self.levels(b"0")[:10]]
        return zlib.crc32("".join(f"{price}{size}" for price, sizes in best for size in sizes).encode())

    def totals(self, side):
        """Prices and the sums of their orders, best first."""
        return [(price, sum(sizes)) for price, sizes in self.levels(side)]


def test_the_published_vector():
    """The checksum of a book whose orders are those of the guide."""
    vectors = json.loads((DATA / "checksum-vectors.json").read_text())["vectors"]
    vector = next(it for it in vectors if it["id"] == "ws-v2-level3")
    precision = (vector["price_precision"], vector["qty_precision"])
    view = OrderBookView("BTC/USD", Shape(0, orders=True), Random(1), precision, 0)  # noqa: S311 - a market
    for side, sign, rows in ((view.offers, -1, vector["asks"]), (view.bids, 1, vector["bids"])):
        for place, (price, size) in enumerate(rows):
            key = sign * values.scaled(price.encode(), precision[0])[0]
            if key not in side.queues:
                side.add(key, (b"", b"1.0\x01", b"", b""))
                side.queues[key] = []
            side.queues[key].append(Order(b"O%d" % place, values.scaled(size.encode(), precision[1])[0], 0, place))

    assert view.checksum() == b"%d" % vector["published_crc32"] == b"1063832831"


@pytest.mark.parametrize("depth", [0, 1, 10, 25])
@pytest.mark.parametrize("symbol", ["BTC/USD", "ETH/USD"])
def test_orders_add_up_to_the_levels_of_the_same_instant(market, symbol, depth):
    """At every moment at which both were told everything; and every checksum of Level 3 agrees on the way."""
    instrument = instrument_of(market, symbol)
    orders, deep, book = Orders(instrument, depth), Orders(instrument, 0), Book(instrument, depth or 1000)

    def told(body):
        (book.snapshot if body.msg_type == b"W" else book.refresh)(decoded(body, instrument))

    streams = (
        (stream(market, symbol, Shape(depth, orders=True)), orders.apply),
        (stream(market, symbol, Shape(0, orders=True)), deep.apply),
        (stream(market, symbol, Shape(depth)), told),
    )
    ahead = [next(bodies) for bodies, _ in streams]
    for moment in islice(stream(market, symbol, Shape(0)), 1200):
        for place, (bodies, apply) in enumerate(streams):
            while ahead[place].offset_ns <= moment.offset_ns:
                apply(ahead[place])
                ahead[place] = next(bodies)
        assert (orders.totals(b"0"), orders.totals(b"1")) == (list(book.bids.levels()), list(book.offers.levels()))

    seen = depth or 10**9
    assert (orders.levels(b"0"), orders.levels(b"1")) == (deep.levels(b"0")[:seen], deep.levels(b"1")[:seen])


def test_every_kind_of_change_happens(market):
    """Orders join, change, are gone with size 0, and leave the depth with the size that they still have."""
    orders, seen, queues = Orders(instrument_of(market, "BTC/USD"), 10), set(), set()
    for body in islice(stream(market, "BTC/USD", Shape(10, orders=True)), 3000):
        before = {name: it[3] for name, it in orders.orders.items()}
        seen |= {(action, size > 0) for action, size in orders.apply(body)}
        queues |= {
            before[name] < it[3] for name, it in orders.orders.items() if name in before and before[name] != it[3]
        }

    assert seen == {(b"0", True), (b"1", True), (b"2", False), (b"2", True)}
    assert queues == {True}  # Who grew went to the end of the queue.


def test_evictions_can_be_silent(market):
    """No order is deleted with a size left; what the client cuts itself is what is no longer told."""
    text = b"".join(it.after for it in islice(stream(market, "BTC/USD", Shape(10, "silent", orders=True)), 2000))
    told_of = text.split(b"279=2\x01")[1:]

    assert told_of
    assert all(b"\x01271=0.0\x01" in it for it in told_of)


def test_a_trade_takes_from_the_front_of_the_queue():
    """What it leaves of the first order stays where it was; a cancel may meet any."""
    view, head = one_level(1, 2, 3)
    out = []

    view.bids.take(100, (head, b"0.00000004\x01", b"", b""), out)

    assert [(it.order_id, it.size, it.queued_ns) for it in view.bids.queues[100]] == [(b"B", 1, 1), (b"C", 3, 2)]
    assert [it[:5] + it[12:18] for it in out] == [b"279=2278=A\x01", b"279=1278=B\x01"]


def test_a_queue_is_bounded():
    """However often a level grows, its orders are so many and no more."""
    view, head = one_level(1)
    for total in range(1, 2000):
        view.bids.set(100, (head, b"%d.0\x01" % total, b"", b""), [])

    assert len(view.bids.queues[100]) <= LEVEL_ORDERS_LIMIT
    assert sum(it.size for it in view.bids.queues[100]) == 1999 * 10**8
    times = [it.queued_ns for it in view.bids.queues[100]]
    assert times == sorted(set(times))


def test_the_same_seed_is_the_same_bytes():
    """Orders, ids and times; two symbols share no id."""
    one, two, other = (
        list(islice(stream(SyntheticMarket(2, seed=1), symbol, Shape(10, orders=True)), 300))
        for symbol in ("BTC/USD", "BTC/USD", "ETH/USD")
    )

    assert one == two
    ids = [
        {it for it in b"".join(body.after for body in bodies).split(b"\x01") if it[:4] == b"278="}
        for bodies in (one, other)
    ]
    assert ids[0].isdisjoint(ids[1])


def test_ids_count_upwards_and_never_meet():
    """In the venue's form."""
    ids = [order_id(number) for number in (1, 2, 32, 2**80 - 1)]

    assert ids == ["OAAAAA-AAAAA-AAAAAB", "OAAAAA-AAAAA-AAAAAC", "OAAAAA-AAAAA-AAAABA", "O77777-77777-777777"]


# On the wire.


def test_a_level_3_subscription(market):
    """W and X with an id, 5060 and 5273 in each entry, times as in the reference, and 5041 behind the group."""
    peer = Peer(market, level_3=True)
    assert peer.say(REQUEST.format(depth=10)) == []

    snapshot, *refreshes = peer.play(50)

    entry = [tag for tag, _ in snapshot.fields[10:17]]
    assert entry == [269, 278, 270, 271, 273, 5060, 5273]
    assert snapshot.get(5041) is None
    assert snapshot.text(5060).startswith("2026-02-03T10:24:")
    assert len(snapshot.text(5060)) == len("2026-02-03T10:24:34.650069468Z")
    assert snapshot.text(5060)[11:23] == snapshot.text(273)
    assert all(it.fields[-2][0] == 5041 for it in refreshes)
    assert not any((269, b"2") in it.fields for it in refreshes)


def test_fields_of_an_order_stay_with_it_when_shuffled(market):
    """The switch that moves every field that may move keeps 5060 and 5273 in their entry."""
    plain, moved = Peer(market, level_3=True), Peer(market, level_3=True, field_order=7)
    for peer in (plain, moved):
        peer.say(REQUEST.format(depth=10))

    for before, after in zip(plain.play(100), moved.play(100), strict=True):
        delimiter = 279 if before.msg_type == b"X" else 269
        outside = {55, 262, 268, 5041, 8, 9, 10, 34, 35, 49, 52, 56}
        assert list(before.group(delimiter, outside)) == list(after.group(delimiter, outside))


@pytest.mark.parametrize(
    ("served", "switches", "request_text", "answer_text"),
    [
        ("market", {}, REQUEST, "58=Level 3 not available 262=M1 281=B"),
        ("recording", {"level_3": True}, REQUEST, "58=Level 3 not available 262=M1 281=B"),
        ("market", {"level_3": True}, REQUEST.replace("267=2", "267=3") + " 269=2",
         "58=Trade not available on this request 262=M1 281=C"),
    ],
)  # fmt: skip
def test_level_3_that_cannot_be_had(market, served, switches, request_text, answer_text):
    """B by default and of recorded levels, C together with trades."""
    source = market if served == "market" else recording.load([recording.SHIPPED / "ethusd-d25.fix.gz"])
    peer = Peer(source, **switches)

    (answer,) = peer.say(request_text.format(depth=10))

    assert told(answer) == f"35=Y {answer_text}"


def test_a_changed_precision_of_orders(market):
    """5041 pads each order of the queue to the precision that the list has now."""
    before = instrument_of(market, "ETH/USD")
    peer = Peer(market, level_3=True)
    peer.acceptor.listing.update("ETH/USD", price_precision=before.price_precision + 1, size_precision=9)
    shape = peer.acceptor.settings.shape(10, peer.acceptor.listing.precision("ETH/USD"), orders=True)
    orders = Orders(instrument_of(market, "ETH/USD", price_precision=before.price_precision + 1, size_precision=9), 10)

    for body in islice(stream(market, "ETH/USD", shape), 500):
        orders.apply(body)

    assert orders.orders
