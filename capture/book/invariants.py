"""The invariants of a book, and how a broken one is told.

Layer: book, lowest. Data only; both lanes count by these numbers.
Source: design section 6.
"""

from enum import IntEnum
from typing import Final, NamedTuple

VIOLATIONS_LIMIT: Final = 4  # Of one message, that are told one by one; all are counted.


class Invariant(IntEnum):
    """What does not hold."""

    LEVEL_TWICE = 0  # In one snapshot.
    LEVEL_NOT_HELD = 1  # Deleted, though it should have been in sight.
    OFF_TICK = 2
    OFF_LOT = 3
    CROSSED = 4
    BEYOND_PRECISION = 5
    ORDER_TWICE = 6  # These three are of Level 3.
    ORDER_NOT_HELD = 7
    TOO_MUCH = 8


_TEXTS: Final = {
    Invariant.LEVEL_TWICE: "level {0} twice in a snapshot",
    Invariant.LEVEL_NOT_HELD: "delete of a level not held: {0}",
    Invariant.OFF_TICK: "price {0} is no multiple of the tick {1}",
    Invariant.OFF_LOT: "size {0} is no multiple of the lot {1}",
    Invariant.CROSSED: "crossed: bid {0}, offer {1}",
    Invariant.BEYOND_PRECISION: "a value has more decimals than the instrument's precision",
    Invariant.ORDER_TWICE: "order {2} twice in a snapshot",
    Invariant.ORDER_NOT_HELD: "delete of an order not held: {2} at {0}",
    Invariant.TOO_MUCH: "more than {0} orders, or more than {1} in all of them",
}


class Violation(NamedTuple):
    """One broken invariant. Units: scaled integers, as in the book. name: of an order."""

    invariant: Invariant
    first: int = 0
    second: int = 0
    name: str = ""

    def __str__(self) -> str:
        return _TEXTS[self.invariant].format(self.first, self.second, self.name)
