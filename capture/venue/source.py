"""What a venue serves: instruments, and for each symbol and depth the bodies of its messages.

Layer: venue. Implemented by recordings (`venue.recording`) and by a synthetic market (`venue.market`).
Source: venue reference 4.5 and 4.6.
Left to others: numbers, times and MDReqID(262) of whoever is served (`venue.acceptor`).
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol, Self

from capture.market.requests import DEPTHS
from capture.wire.message import Field

VENUE_DEPTHS: Final = (0, 1, *DEPTHS)  # MarketDepth(264) as the venue offers it; 0 is all that there is.


class Body(NamedTuple):
    """One W or X without its header: the bytes around the value of MDReqID(262).

    offset_ns: venue time since the stream began. byte_sum: of `before` and `after`, for CheckSum(10).
    """

    offset_ns: int
    msg_type: bytes
    before: bytes
    after: bytes
    byte_sum: int
    has_book: bool
    has_trades: bool

    @classmethod
    def of(
        cls, offset_ns: int, msg_type: bytes, before: bytes, after: bytes, *, has_book: bool, has_trades: bool
    ) -> Self:
        """Return a body with its sum."""
        return cls(offset_ns, msg_type, before, after, sum(before) + sum(after), has_book, has_trades)


@dataclass(frozen=True, slots=True)
class Shape:
    """In which form a stream is wanted.

    depth: MarketDepth(264). precision: decimals of price and size for 5041 where they differ from the source's own.
    orders: Level 3, an entry for each order.
    The others are switches of the venue, see `venue.settings`.
    """

    depth: int
    evicted: str = "announced"
    evicted_order: str = "delete-first"
    checksum: str = "message"
    depth_1_checksum: bool = True
    trades_first: bool = True
    precision: tuple[int, int] | None = None
    orders: bool = False

    @property
    def is_plain(self) -> bool:
        """Whether nothing but the depth differs from the default, so that recorded bytes can go out as they are."""
        return self == Shape(self.depth)


class Source(Protocol):
    """A market that can be served any number of times; each stream begins with a snapshot and is the same each time."""

    @property
    def instruments(self) -> Mapping[str, tuple[Field, ...]]:
        """The fields of each instrument as the list (35=y) has them, Symbol(55) first."""

    @property
    def has_orders(self) -> bool:
        """Whether it can be served as Level 3, order by order."""

    @property
    def symbols(self) -> Collection[str]:
        """Symbols with a stream."""

    def bodies(self, symbol: str, shape: Shape) -> Iterator[Body]:
        """Return one symbol's stream from its beginning, in order of `offset_ns`."""
