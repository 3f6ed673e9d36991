"""A small matching engine: what an order takes from a book, and where the rest of it stands.

Layer: venue. Knows prices, sizes and whose they are; no message.
Source: venue reference 6.3 (price, then time; self-trade prevention cancels the newest).
Left to others: orders, reports and rules of admission (`venue.exchange`).

The book is that of a recording's first snapshot, and it stands still: what is taken is gone, nothing is added but the
clients' own orders. Enough to be filled, in parts and over several levels, and the same every time.
"""

from bisect import insort_right
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from capture.trading.orders import Side, decimal
from capture.venue.recording import Stream
from capture.wire import tags

ZERO = Decimal(0)


@dataclass(slots=True)
class Standing:
    """An offer to trade that stands in a book. order_id, sender: of a client's order; empty for the market's own."""

    price: Decimal
    size: Decimal
    order_id: str = ""
    sender: bytes = b""


class Fill(NamedTuple):
    """One trade: at the price of what stood there."""

    price: Decimal
    size: Decimal
    maker_order_id: str


class MatchingBook:
    """Both sides of one symbol, best price first, and first come first at one price."""

    def __init__(self, bids: Iterable[Standing] = (), offers: Iterable[Standing] = ()) -> None:
        self._sides: dict[Side, list[Standing]] = {Side.BUY: [], Side.SELL: []}
        for side, standing in ((Side.BUY, bids), (Side.SELL, offers)):
            for it in standing:
                self.rest(side, it)

    def take(self, side: Side, size: Decimal, limit: Decimal | None, sender: bytes) -> tuple[list[Fill], Decimal]:
        """Take what the other side has up to a price; return the fills, and the size that is left.

        It stops before an order of the same sender, which it would trade with.
        """
        opposite = self._sides[Side.SELL if side is Side.BUY else Side.BUY]
        fills: list[Fill] = []
        while size and opposite and _crosses(side, limit, opposite[0].price) and opposite[0].sender != sender:
            best = opposite[0]
            traded = min(size, best.size)
            fills.append(Fill(best.price, traded, best.order_id))
            size -= traded
            best.size -= traded
            if not best.size:
                del opposite[0]
        return fills, size

    def available(self, side: Side, limit: Decimal | None, sender: bytes) -> Decimal:
        """Return how much an order could take; for fill-or-kill."""
        total = ZERO
        for it in self._sides[Side.SELL if side is Side.BUY else Side.BUY]:
            if not _crosses(side, limit, it.price) or it.sender == sender:
                break
            total += it.size
        return total

    def meets_own(self, side: Side, limit: Decimal | None, sender: bytes) -> bool:
        """Whether the best of the other side is an order of the same sender that this one would trade with."""
        opposite = self._sides[Side.SELL if side is Side.BUY else Side.BUY]
        return bool(opposite) and opposite[0].sender == sender and _crosses(side, limit, opposite[0].price)

    def rest(self, side: Side, standing: Standing) -> None:
        """Let an order stand, behind what stands at its price."""
        sign = -1 if side is Side.BUY else 1
        insort_right(self._sides[side], standing, key=lambda it: sign * it.price)

    def remove(self, side: Side, order_id: str) -> None:
        """Take a client's order out."""
        self._sides[side] = [it for it in self._sides[side] if it.order_id != order_id]

    def best(self, side: Side) -> Decimal | None:
        """Return the best price of a side, None where it is empty."""
        standing = self._sides[side]
        return standing[0].price if standing else None


def book_of(stream: Stream) -> MatchingBook:
    """Return the book of a recording's first snapshot."""
    first = stream.messages[0]
    sides: dict[bytes, list[Standing]] = {b"0": [], b"1": []}
    entry: dict[bytes, bytes] = {}
    end = b"%d" % tags.MD_ENTRY_TYPE
    for pair in (*first.after.split(tags.SOH), end + b"="):
        tag, _, value = pair.partition(b"=")
        if tag == end and entry.get(end) in sides:
            sides[entry[end]].append(Standing(decimal(entry[b"270"]), decimal(entry[b"271"])))
        if tag == end:
            entry = {}
        entry.setdefault(tag, value)
    return MatchingBook(bids=sides[b"0"], offers=sides[b"1"])


def _crosses(side: Side, limit: Decimal | None, price: Decimal) -> bool:
    return limit is None or (price <= limit if side is Side.BUY else price >= limit)
