"""One side of a book: price levels sorted with the best at the end.

Layer: book. Knows integers only; neither messages nor precisions.
Source: design section 3: changes happen near the top of the book, so the top is where an array is cheap to change.
"""

from bisect import bisect_left
from collections.abc import Iterator
from typing import NamedTuple

from capture.columns import Side


class PriceLevel(NamedTuple):
    """One price level. Units: integers scaled by the instrument's precisions."""

    price: int
    size: int


class BookSide:
    """The levels of one side.

    Two parallel arrays, keys ascending: a bid's key is its price, an offer's its price negated, so that the best
    level is the last one on both sides.
    """

    __slots__ = ("_keys", "_sign", "_sizes")

    def __init__(self, side: Side) -> None:
        self._sign = 1 if side is Side.BID else -1
        self._keys: list[int] = []
        self._sizes: list[int] = []

    def __len__(self) -> int:
        return len(self._keys)

    def set(self, price: int, size: int) -> bool:
        """Set the size of a level, making it where it is new; return whether it was held before."""
        key = price * self._sign
        index = bisect_left(self._keys, key)
        if index < len(self._keys) and self._keys[index] == key:
            self._sizes[index] = size
            return True
        self._keys.insert(index, key)
        self._sizes.insert(index, size)
        return False

    def remove(self, price: int) -> bool:
        """Remove a level; return whether it was held."""
        key = price * self._sign
        index = bisect_left(self._keys, key)
        if index == len(self._keys) or self._keys[index] != key:
            return False
        del self._keys[index], self._sizes[index]
        return True

    def cut(self, depth: int) -> list[PriceLevel]:
        """Drop the worst levels beyond a depth; return them, worst first."""
        excess = len(self._keys) - depth
        if excess <= 0:
            return []
        dropped = [
            PriceLevel(key * self._sign, size)
            for key, size in zip(self._keys[:excess], self._sizes[:excess], strict=True)
        ]
        del self._keys[:excess], self._sizes[:excess]
        return dropped

    def clear(self) -> None:
        """Forget every level."""
        self._keys.clear()
        self._sizes.clear()

    def best(self, count: int) -> list[PriceLevel]:
        """Return up to `count` levels, best first."""
        keys, sizes = self._keys[-count:], self._sizes[-count:]
        return [PriceLevel(key * self._sign, size) for key, size in zip(reversed(keys), reversed(sizes), strict=True)]

    def levels(self) -> Iterator[PriceLevel]:
        """Yield every level, best first."""
        for key, size in zip(reversed(self._keys), reversed(self._sizes), strict=True):
            yield PriceLevel(key * self._sign, size)

    def worst_price(self) -> int | None:
        """Return the price of the worst level held, or None."""
        return self._keys[0] * self._sign if self._keys else None

    def best_price(self) -> int | None:
        """Return the price of the best level held, or None."""
        return self._keys[-1] * self._sign if self._keys else None

    def is_beyond_worst(self, price: int) -> bool:
        """Return whether a price would stand behind every level held."""
        return not self._keys or price * self._sign < self._keys[0]
