"""A book of orders against the simplest there is: one dictionary, sorted anew whenever somebody asks."""

import zlib
from typing import NamedTuple

from feeds import FeedPlay
from fix import BTC, decoded, listing, refresh, snapshot
from hypothesis import HealthCheck, given, settings
from hypothesis.strategies import SearchStrategy, booleans, builds, integers, lists, none, one_of, sampled_from, tuples

from capture.book.book import Change
from capture.book.orders import OrderBook
from capture.columns import Action, Side, Verdict
from capture.market.requests import LEVEL_3
from capture.wire import values

DEPTH = 12  # Ten at least, or there is no checksum.
E8 = 10**8


class Step(NamedTuple):
    """One entry: what to do to which order, where, with how much, and when it joined, if that is told."""

    update: str
    side: str
    price: int
    size: int
    order_id: str
    joined: int | None

    def __str__(self) -> str:
        joined = "" if self.joined is None else f" {self.joined}"
        return f"{self.update} {self.side} {values.unscaled(self.price, 1)} {self.size} {self.order_id}{joined}"


class Held(NamedTuple):
    """One order of the model. joined: as told, or of the last in its queue then; arrival: counts what joined."""

    side: str
    price: int
    size: int
    joined: int
    arrival: int


class Model:
    """Orders by id."""

    def __init__(self) -> None:
        self.orders: dict[str, Held] = {}
        self.arrivals = 0

    def apply(self, steps: list[Step]) -> None:
        for step in steps:
            held = self.orders.pop(step.order_id, None)
            if step.update == "delete" or not step.size:
                continue
            joined, arrival = step.joined, self.arrivals
            stays = held is not None and (held.side, held.price) == (step.side, step.price)
            if held is not None and stays and joined in {None, held.joined}:
                joined, arrival = held.joined, held.arrival
            if joined is None:
                joined = max((it.joined for it in self.queue(step.side, step.price)), default=-1)
            self.arrivals += 1
            self.orders[step.order_id] = Held(step.side, step.price, step.size, joined, arrival)
        for side in ("bid", "offer"):
            for price in self.prices(side)[DEPTH:]:
                self.orders = {name: it for name, it in self.orders.items() if (it.side, it.price) != (side, price)}

    def prices(self, side: str) -> list[int]:
        return sorted({it.price for it in self.orders.values() if it.side == side}, reverse=side == "bid")

    def queue(self, side: str, price: int) -> list[Held]:
        found = [it for it in self.orders.values() if (it.side, it.price) == (side, price)]
        return sorted(found, key=lambda it: (it.joined, it.arrival))

    def levels(self, side: str) -> list[tuple[int, int]]:
        return [(price, sum(it.size for it in self.queue(side, price)) * E8) for price in self.prices(side)]

    def checksum(self) -> int:
        digits = [
            f"{it.price}{it.size * E8}"
            for side in ("offer", "bid")
            for price in self.prices(side)[:10]
            for it in self.queue(side, price)
        ]
        return zlib.crc32("".join(digits).encode())


def steps(*, most: int = 12) -> SearchStrategy[list[Step]]:
    """Entries about few orders at few prices, so that they meet."""
    step = builds(
        Step,
        sampled_from(["new", "new", "change", "delete"]),
        sampled_from(["bid", "offer"]),
        integers(1, 16),
        integers(0, 3),
        sampled_from("ABCDEFGHIJKLMNOPQRSTUVWXYZ"),
        one_of(none(), integers(0, 4)),
    )
    return lists(step, max_size=most)


def whole(entries: list[Step]) -> list[Step]:
    """What of these a snapshot can hold."""
    return [step._replace(update="new") for step in entries if step.size]


def snapshot_of(entries: list[Step]) -> str:
    """The text of a snapshot."""
    return snapshot(*(str(step).partition(" ")[2] for step in entries))


@settings(deadline=None)
@given(messages=lists(tuples(booleans(), steps()), max_size=12))
def test_book_is_the_dictionary(messages: list[tuple[bool, list[Step]]]) -> None:
    """After each message orders, queues and sums are those of the naive book, and so is the checksum."""
    book, model = OrderBook(BTC, DEPTH), Model()
    book.snapshot(decoded(snapshot(), level=LEVEL_3))

    for anew, entries in messages:
        if anew:
            model.orders.clear()
            model.apply(whole(entries))
            book.snapshot(decoded(snapshot_of(whole(entries)), level=LEVEL_3))
        else:
            model.apply(entries)
            text = refresh(*map(str, entries), checksum=model.checksum())
            applied = book.refresh(decoded(text, level=LEVEL_3))
            assert applied.verdict is (Verdict.VERIFIED if entries else Verdict.NOT_DUE)

        assert book.orders.keys() == model.orders.keys()
        for side, levels, queues in zip(("bid", "offer"), (book.bids, book.offers), book.queues, strict=True):
            assert list(levels.levels()) == model.levels(side)
            for price in model.prices(side):
                assert [it.size for it in queues[price]] == [it.size * E8 for it in model.queue(side, price)]
        assert book.checksum() == model.checksum()


@settings(deadline=None)
@given(messages=lists(steps(), max_size=12))
def test_rows_rebuild_the_orders(messages: list[list[Step]]) -> None:
    """Whoever applies the rows, with no rule of their own, gets the same orders: cuts are rows like any other."""
    book = OrderBook(BTC, DEPTH)
    changes = book.snapshot(decoded(snapshot("bid 0.5 1 A 1", "offer 9.0 1 B 1"), level=LEVEL_3)).changes
    for entries in messages:
        changes += book.refresh(decoded(refresh(*map(str, entries)), level=LEVEL_3)).changes

    rebuilt: dict[str, Change] = {}
    for change in changes:
        rebuilt.pop(change.order_id, None)
        if change.size and change.action is not Action.EVICT:
            rebuilt[change.order_id] = change

    assert {name: (it.side, it.price, it.size) for name, it in rebuilt.items()} == {
        name: (Side(it.side), it.price, it.size) for name, it in book.orders.items()
    }


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(messages=lists(steps(most=4), min_size=1, max_size=10), place=integers(0, 9), extra=steps(most=4))
def test_a_follower_goes_on_alike(messages: list[list[Step]], place: int, extra: list[Step]) -> None:
    """A copy of a feed with a book of orders, taken between any two messages, makes the same rows from there on."""
    play = FeedPlay()
    play.open(listed=listing("BTC/USD"))
    play.subscribe("M1", depth=DEPTH, level=LEVEL_3)
    play.venue(snapshot_of(whole(extra)))

    for number, entries in enumerate(messages):
        if number == place % len(messages):
            play.follow()
        play.venue(play.proven(*map(str, entries)))

    play.close()
    rows = play.rows("order_changes")  # Which are the follower's, or this fails.
    assert {row["order_id"] for row in rows} >= {step.order_id for entries in messages for step in entries}
