"""One side of a book."""

import pytest

from capture.book.levels import BookSide, PriceLevel
from capture.columns import Side


def side_of(side: Side, *prices: int) -> BookSide:
    """A side with a level of size 1 at each price."""
    book_side = BookSide(side)
    for price in prices:
        book_side.set(price, 1)
    return book_side


def prices(book_side: BookSide) -> list[int]:
    """The prices held, best first."""
    return [level.price for level in book_side.levels()]


@pytest.mark.parametrize(("side", "best_first"), [(Side.BID, [30, 20, 10]), (Side.OFFER, [10, 20, 30])])
def test_levels_come_best_first(side: Side, best_first: list[int]) -> None:
    """The best bid is the highest, the best offer the lowest, in whatever order they came."""
    it = side_of(side, 20, 10, 30)

    assert prices(it) == best_first
    assert (it.best_price(), it.worst_price()) == (best_first[0], best_first[-1])
    assert it.best(2) == [PriceLevel(price, 1) for price in best_first[:2]]
    assert it.best(10) == list(it.levels())
    assert len(it) == 3


def test_set_says_whether_the_level_was_held() -> None:
    """Setting a level makes or replaces it, and tells which."""
    it = BookSide(Side.BID)

    assert not it.set(10, 1)
    assert it.set(10, 5)
    assert list(it.levels()) == [PriceLevel(10, 5)]


def test_remove_takes_only_its_own_level() -> None:
    """Removing takes the one level away, and tells whether it was there."""
    it = side_of(Side.OFFER, 10, 20, 30)

    assert it.remove(20)
    assert not it.remove(20)
    assert not it.remove(40)
    assert prices(it) == [10, 30]


@pytest.mark.parametrize(
    ("side", "kept", "dropped"), [(Side.BID, [40, 30], [10, 20]), (Side.OFFER, [10, 20], [40, 30])]
)
def test_cut_drops_the_worst(side: Side, kept: list[int], dropped: list[int]) -> None:
    """Cutting leaves the best levels and returns the others, worst first."""
    it = side_of(side, 10, 20, 30, 40)

    assert [level.price for level in it.cut(2)] == dropped
    assert prices(it) == kept
    assert it.cut(2) == []


@pytest.mark.parametrize(("side", "beyond", "within"), [(Side.BID, 9, 11), (Side.OFFER, 31, 29)])
def test_beyond_the_worst_is_behind_every_level(side: Side, beyond: int, within: int) -> None:
    """A price behind the worst level is beyond it; the worst itself and what is nearer is not."""
    it = side_of(side, 10, 20, 30)
    worst = it.worst_price()

    assert worst is not None
    assert it.is_beyond_worst(beyond)
    assert not it.is_beyond_worst(worst)
    assert not it.is_beyond_worst(within)


def test_empty_side_has_no_prices() -> None:
    """A side with nothing on it has neither best nor worst, and any price is beyond it."""
    it = side_of(Side.BID, 10)
    it.clear()

    assert (len(it), it.best_price(), it.worst_price(), it.best(10)) == (0, None, None, [])
    assert it.is_beyond_worst(10)


def test_a_total_stays_within_an_int64() -> None:
    """Sizes that no market has together are told as the most that a column holds, in either form."""
    it = BookSide(Side.BID)
    for price in range(1, 13):
        it.set(price, 10**18 - 1)

    assert it.total() == 2**63 - 1
