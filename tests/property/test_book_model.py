"""A book against the simplest book there is: a dictionary for each side."""

from typing import NamedTuple

from fix import BTC, decoded, refresh, snapshot
from hypothesis import given, settings
from hypothesis.strategies import SearchStrategy, booleans, builds, integers, lists, sampled_from, tuples

from capture.book.book import Book
from capture.book.checksum import book_checksum
from capture.columns import Action, Side, Verdict
from capture.wire import values

DEPTH = 12


class Step(NamedTuple):
    """One entry: what to do, on which side, where and with how much."""

    update: str
    side: str
    price: int
    size: int

    def __str__(self) -> str:
        return f"{self.update} {self.side} {values.unscaled(self.price, 1)} {self.size}"


class Model:
    """Two dictionaries, sorted anew whenever somebody asks."""

    def __init__(self) -> None:
        self.sides: dict[str, dict[int, int]] = {"bid": {}, "offer": {}}

    def apply(self, steps: list[Step]) -> None:
        for step in steps:
            if step.update == "delete" or not step.size:
                self.sides[step.side].pop(step.price, None)
            else:
                self.sides[step.side][step.price] = step.size
        for side in self.sides:
            self.sides[side] = dict(self.levels(side)[:DEPTH])

    def levels(self, side: str) -> list[tuple[int, int]]:
        return sorted(self.sides[side].items(), reverse=side == "bid")


def steps() -> SearchStrategy[list[Step]]:
    """Entries over few prices, so that they meet."""
    step = builds(
        Step,
        sampled_from(["new", "change", "delete"]),
        sampled_from(["bid", "offer"]),
        integers(1, 40),
        integers(0, 3),
    )
    return lists(step, max_size=12)


def held(book: Book) -> dict[str, list[tuple[int, int]]]:
    """The levels of both sides, sizes whole."""
    return {
        "bid": [(price, size // 10**8) for price, size in book.bids.levels()],
        "offer": [(price, size // 10**8) for price, size in book.offers.levels()],
    }


@settings(deadline=None)
@given(messages=lists(tuples(booleans(), steps()), max_size=12))
def test_book_is_the_dictionary(messages: list[tuple[bool, list[Step]]]) -> None:
    """After each message the levels are those of the naive book, and the checksum is that of its best ten."""
    book, model = Book(BTC, DEPTH), Model()
    book.snapshot(decoded(snapshot()))

    for whole, entries in messages:
        if whole:
            model.sides = {"bid": {}, "offer": {}}
            model.apply([step._replace(update="new") for step in entries if step.size])
            book.snapshot(decoded(snapshot(*(str(step).partition(" ")[2] for step in entries if step.size))))
        else:
            model.apply(entries)
            applied = book.refresh(decoded(refresh(*map(str, entries), checksum=1)))
            assert applied.verdict is (Verdict.MISMATCH if entries else Verdict.NOT_DUE)

        assert held(book) == {side: model.levels(side) for side in ("bid", "offer")}
        scaled = {side: [(price, size * 10**8) for price, size in model.levels(side)] for side in ("bid", "offer")}
        assert book.checksum() == book_checksum(scaled["offer"], scaled["bid"])


@settings(deadline=None)
@given(messages=lists(steps(), max_size=12))
def test_rows_rebuild_the_book(messages: list[list[Step]]) -> None:
    """Whoever applies the rows, with no rule of their own, gets the same book: cuts are rows like any other."""
    book = Book(BTC, DEPTH)
    changes = book.snapshot(decoded(snapshot("bid 0.5 1", "offer 9.0 1"))).changes
    for entries in messages:
        changes += book.refresh(decoded(refresh(*map(str, entries)))).changes

    rebuilt: dict[Side, dict[int, int]] = {Side.BID: {}, Side.OFFER: {}}
    for change in changes:
        assert change.side is not None
        if change.size and change.action is not Action.EVICT:
            rebuilt[change.side][change.price] = change.size
        else:
            rebuilt[change.side].pop(change.price, None)

    assert rebuilt[Side.BID] == dict(book.bids.levels())
    assert rebuilt[Side.OFFER] == dict(book.offers.levels())
