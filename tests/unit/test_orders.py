"""What entries do to a book of orders: where Level 3 is other than Level 2."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fix import BTC, QUEUE_NS, UPDATE_NS, decoded, refresh, snapshot

from capture.book import orders
from capture.book.book import Applied, BookState, Change
from capture.book.orders import OrderBook
from capture.columns import Action, Side, Verdict
from capture.market.requests import LEVEL_3, UNCUT

# Two orders at the best bid, A before B whatever the order in which they are told.
ORDERS = ("offer 101.0 1 X 5", "offer 102.0 2 Y 6", "bid 100.0 3 B 9", "bid 100.0 1 A 2", "bid 99.0 2 C 1")
E8 = 10**8
VECTORS: list[dict[str, Any]] = json.loads((Path(__file__).parents[1] / "data" / "checksum-vectors.json").read_text())[
    "vectors"
]


def book(*entries: str, depth: int = 10) -> OrderBook:
    """A book of orders after a snapshot."""
    it = OrderBook(BTC, depth)
    it.snapshot(decoded(snapshot(*(entries or ORDERS)), level=LEVEL_3))
    return it


def refreshed(it: OrderBook, *entries: str, checksum: int | None = None) -> Applied:
    """Apply a refresh."""
    return it.refresh(decoded(refresh(*entries, checksum=checksum), level=LEVEL_3))


def bids(it: OrderBook) -> dict[int, list[str]]:
    """The ids of each bid's queue, first in the queue first, best price first."""
    return {level.price: [order.order_id for order in it.queues[0][level.price]] for level in it.bids.levels()}


def levels(it: OrderBook) -> list[tuple[int, int]]:
    """The sums of the bids' queues as price in tenths and whole size."""
    return [(level.price, level.size // E8) for level in it.bids.levels()]


def told(applied: Applied) -> list[str]:
    """The invariants that broke, in words."""
    return list(map(str, applied.violations))


@pytest.mark.parametrize("reverse", [False, True])
def test_published_vector(reverse: bool) -> None:
    """The book of the venue's level3 guide, told in its order or the other way round, has the published checksum."""
    (vector,) = [it for it in VECTORS if it["id"] == "ws-v2-level3"]
    entries = [
        f"{side} {price} {size} {side}{place} {place}"
        for side, listed in (("offer", vector["asks"]), ("bid", vector["bids"]))
        for place, (price, size) in enumerate(listed)
    ]

    it = book(*(reversed(entries) if reverse else entries), depth=UNCUT)

    assert it.checksum() == vector["published_crc32"] == 1063832831
    removed = refreshed(it, "delete bid 44939.4 0 bid3 3", checksum=1)
    assert removed.verdict is Verdict.MISMATCH
    back = refreshed(it, "new bid 44939.4 0.14296323 bid3 3", checksum=1063832831)
    assert back.verdict is Verdict.VERIFIED, "by its time of joining it stands where it stood"


def test_snapshot_is_every_order_in_its_queue() -> None:
    """Orders at one price stand by their time of joining, and a level is their sum."""
    it = book()

    assert bids(it) == {1000: ["A", "B"], 990: ["C"]}
    assert levels(it) == [(1000, 4), (990, 2)]
    assert it.state is BookState.LIVE


def test_orders_of_one_instant_stand_by_arrival() -> None:
    """Equal times of joining leave the order in which they were told."""
    it = book("bid 100.0 1 B 7", "bid 100.0 1 A 7", "bid 100.0 1 C 6")

    assert bids(it) == {1000: ["C", "B", "A"]}


def test_order_without_a_time_joins_at_the_end() -> None:
    """Without MDEntryTimeQueue(5273) an order stands behind those that are there, and before those that come later."""
    it = book("bid 100.0 1 A 7", "bid 100.0 1 B")

    refreshed(it, "new bid 100.0 1 C 8", "new bid 100.0 1 D", "new bid 99.0 1 E", "new bid 99.0 1 F")

    assert bids(it) == {1000: ["A", "B", "C", "D"], 990: ["E", "F"]}


@pytest.mark.parametrize(
    ("entry", "expected", "sums"),
    [
        ("change bid 100.0 7 A 2", {1000: ["A", "B"], 990: ["C"]}, [(1000, 10), (990, 2)]),  # Keeps its place.
        ("change bid 100.0 7 A", {1000: ["A", "B"], 990: ["C"]}, [(1000, 10), (990, 2)]),  # Says nothing of it.
        ("new bid 100.0 7 A 2", {1000: ["A", "B"], 990: ["C"]}, [(1000, 10), (990, 2)]),  # Lenient.
        ("change bid 100.0 1 A 12", {1000: ["B", "A"], 990: ["C"]}, [(1000, 4), (990, 2)]),  # Joined anew.
        ("change bid 99.0 1 A 2", {1000: ["B"], 990: ["C", "A"]}, [(1000, 3), (990, 3)]),  # Another price.
        ("change bid 99.0 1 A 0", {1000: ["B"], 990: ["A", "C"]}, [(1000, 3), (990, 3)]),  # The same, by its time.
        ("change bid 99.5 1 A", {1000: ["B"], 995: ["A"], 990: ["C"]}, [(1000, 3), (995, 1), (990, 2)]),
        ("change bid 99.0 5 Z 4", {1000: ["A", "B"], 990: ["C", "Z"]}, [(1000, 4), (990, 7)]),  # Unknown: inserted.
        ("change bid 100.0 0 A 2", {1000: ["B"], 990: ["C"]}, [(1000, 3), (990, 2)]),  # No size: removed.
        ("delete bid 99.0 0 C 1", {1000: ["A", "B"]}, [(1000, 4)]),  # Its level goes with it.
        ("delete bid 100.0 2.874 A", {1000: ["B"], 990: ["C"]}, [(1000, 3), (990, 2)]),  # Whatever 271 says.
        ("delete offer 50.0 0 A", {1000: ["B"], 990: ["C"]}, [(1000, 3), (990, 2)]),  # By its id alone.
    ],
)
def test_entry_does_what_the_venue_says(
    entry: str, expected: dict[int, list[str]], sums: list[tuple[int, int]]
) -> None:
    """An order keeps its place unless its price or its time of joining changes."""
    it = book()

    applied = refreshed(it, entry)

    assert (bids(it), levels(it)) == (expected, sums)
    assert it.orders.keys() == {"X", "Y", *(name for queue in expected.values() for name in queue)}
    assert applied.violations == []


def test_an_order_may_change_sides() -> None:
    """An order that is told on the other side leaves its own."""
    it = book()

    refreshed(it, "change offer 103.0 1 A 2")

    assert bids(it) == {1000: ["B"], 990: ["C"]}
    assert [level.price for level in it.offers.levels()] == [1010, 1020, 1030]


def test_change_row_says_what_was_told() -> None:
    """A row bears the order's id and times as sent; a deleted order holds nothing, what it was sent with is kept."""
    it = book()

    applied = refreshed(it, "change bid 100.0 7 A 2", "delete bid 100.0 2.874 B", "delete bid 99.0 0 C 1")

    entry_ms = applied.changes[0].entry_ms
    assert applied.changes == [
        Change(0, Side.BID, Action.CHANGE, 1000, 7 * E8, 1, 8, entry_ms, None, "A", UPDATE_NS, QUEUE_NS + 2),
        Change(1, Side.BID, Action.DELETE, 1000, 0, 1, 8, entry_ms, 287_400_000, "B", None, None),
        Change(2, Side.BID, Action.DELETE, 990, 0, 1, 8, entry_ms, None, "C", UPDATE_NS, QUEUE_NS + 1),
    ]


def test_cut_is_by_price_and_after_the_whole_message() -> None:
    """264 counts prices: with the worst of too many all its orders go, each a row of its own, first in queue first."""
    it = book(depth=2)

    applied = refreshed(it, "new bid 100.5 1 D 3", "new bid 98.0 1 E 4", "delete bid 98.0 0 E 4", "new bid 99.0 1 F 5")

    assert bids(it) == {1005: ["D"], 1000: ["A", "B"]}
    assert it.orders.keys() == {"X", "Y", "A", "B", "D"}
    assert applied.changes[4:] == [
        Change(-1, Side.BID, Action.EVICT, 990, 0, 1, 8, None, 2 * E8, "C", None, None),
        Change(-1, Side.BID, Action.EVICT, 990, 0, 1, 8, None, 1 * E8, "F", None, None),
    ]
    assert applied.violations == []


def test_full_depth_is_not_cut() -> None:
    """Rule 3: 264=0 cuts nothing of Level 3."""
    entries = [f"bid {price / 10:.1f} 1 O{price} {price}" for price in range(1000, 3500)]

    it = book(*entries, depth=UNCUT)

    assert len(it.bids) == len(it.orders) == 2500


def test_empty_snapshot_clears_the_book() -> None:
    """A snapshot of nothing leaves no order, told by one row without an id; refreshes go on."""
    it = book()

    applied = it.snapshot(decoded(snapshot(), level=LEVEL_3))
    refreshed(it, "new bid 100.0 1 A 2")

    assert [(change.action, change.side, change.order_id) for change in applied.changes] == [(Action.CLEAR, None, "")]
    assert bids(it) == {1000: ["A"]}


@pytest.mark.parametrize("entry", ["delete bid 99.5 0 Z 1", "delete bid 50.0 0 Z 1", "delete bid 100.0 3 Z 1"])
def test_unknown_delete_is_a_violation(entry: str) -> None:
    """A delete of an order that would be held if it existed breaks an invariant, with a size too."""
    applied = refreshed(book(), entry)

    price = round(float(entry.split()[2]) * 10)
    assert told(applied) == [f"delete of an order not held: Z at {price}"]
    assert len(applied.changes) == 1


@pytest.mark.parametrize(
    "entries", [("delete bid 98.0 0 Z 1",), ("delete bid 100.0 0 A", "delete bid 100.0 0 B", "delete bid 98.0 0 Z")]
)
def test_unknown_delete_behind_the_cut_is_none(entries: tuple[str, ...]) -> None:
    """Behind the worst of a side that was full when the message began, an order may have been cut here."""
    assert refreshed(book(depth=2), *entries).violations == []


def test_order_twice_in_a_snapshot_is_a_violation() -> None:
    """A snapshot that names an order twice is odd; the last one counts, wherever it stands."""
    it = OrderBook(BTC, 10)

    applied = it.snapshot(decoded(snapshot("bid 100.0 1 A 1", "bid 99.0 2 A 1"), level=LEVEL_3))

    assert told(applied) == ["order A twice in a snapshot"]
    assert bids(it) == {990: ["A"]}


def test_crossed_book_tick_and_lot_are_held() -> None:
    """The invariants of levels hold for orders: not crossed, each price of the tick, each size of the lot."""
    instrument = replace(BTC, tick=5, lot=1000)
    it = OrderBook(instrument, 10)
    entries = ("offer 100.5 1 X 1", "bid 100.3 0.00000500 A 1", "bid 100.5 1 B 1")

    applied = it.snapshot(decoded(snapshot(*entries), instrument, level=LEVEL_3))

    assert told(applied) == [
        "price 1003 is no multiple of the tick 5",
        "size 500 is no multiple of the lot 1000",
        "crossed: bid 1005, offer 1005",
    ]


def test_suspect_book_is_left_alone() -> None:
    """A suspect book of orders takes no refresh until its next snapshot."""
    it = book()
    it.suspect()

    applied = refreshed(it, "delete bid 100.0 0 A 2", checksum=it.checksum())

    assert bids(it) == {1000: ["A", "B"], 990: ["C"]}
    assert (applied.verdict, applied.changes[0].order_id) == (Verdict.UNVERIFIED, "A")


def test_more_decimals_than_the_precision_are_never_applied() -> None:
    """As of Level 2: its message becomes rows, the book suspect."""
    it = book()

    applied = refreshed(it, "new bid 98.05 1 Z 3")

    assert (it.state, "Z" in it.orders) == (BookState.SUSPECT, False)
    assert told(applied) == ["a value has more decimals than the instrument's precision"]


def test_a_book_of_too_many_orders_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory is bounded: past the limit nothing more is applied, and the book is suspect until a snapshot that fits."""
    monkeypatch.setattr(orders, "ORDERS_LIMIT", 6)
    it = book()
    assert refreshed(it, "new bid 98.0 1 D 3").violations == []

    applied = refreshed(it, "new bid 97.0 1 E 4")

    assert (it.state, len(it.orders), applied.verdict) == (BookState.SUSPECT, 6, Verdict.UNVERIFIED)
    assert told(applied) == ["more than 6 orders, or more than 9223372036854775807 in all of them"]
    it.snapshot(decoded(snapshot(*ORDERS, "bid 1.0 1 V 1", "bid 1.0 1 W 1"), level=LEVEL_3))
    assert (it.state, len(it.orders)) == (BookState.SUSPECT, 0)
    it.snapshot(decoded(snapshot(*ORDERS), level=LEVEL_3))
    assert it.state is BookState.LIVE


def test_sums_that_no_column_holds_are_refused() -> None:
    """Sizes that add up past an int64 are applied to nothing; one less is summed exactly."""
    it = book("bid 100.0 92233720368.54775806 A 1")
    assert told(refreshed(it, "new bid 100.0 0.00000001 B 1")) == []
    assert [level.size for level in it.bids.levels()] == [2**63 - 1]

    applied = refreshed(it, "new offer 101.0 0.00000001 C 1")

    assert it.state is BookState.SUSPECT
    assert len(told(applied)) == 1


def test_another_book_takes_over_orders_and_their_places() -> None:
    """A copy stands as the book does, and what happens to one is not seen in the other."""
    it = book()
    refreshed(it, "new bid 100.0 1 D", checksum=1)

    twin = OrderBook(BTC, 10)
    twin.take_over(it)
    refreshed(it, "change bid 100.0 9 A 2", "delete bid 100.0 0 B 9")

    assert bids(twin) == {1000: ["A", "B", "D"], 990: ["C"]}
    assert levels(twin) == [(1000, 5), (990, 2)]
    assert (twin.state, twin.proven, twin.good_ns) == (BookState.LIVE, False, it.good_ns)
    refreshed(twin, "change bid 100.0 9 A 2", "delete bid 100.0 0 B 9")
    assert twin.checksum() == it.checksum()
