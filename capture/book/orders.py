"""One symbol's book of Level 3: every order, in the queue of its price.

Layer: book. Knows decoded entries, no fields and no session.
Source: venue reference 4.5, 4.6, 4.8 and 5.1, last point. Unproven: the pages leave most of Level 3 open, and no
recording of it was there to hold this against (decision 17).
Left to others: as `book.book`, whose rules hold but where this says otherwise.

What a price holds is the sum of its queue, and these sums are kept as the levels of any book: the top of book, the cut
to depth, what is crossed and what is out of sight follow from them. An order is known by MDEntryID(278). At its price
it stands by MDEntryTimeQueue(5273), those of one instant by arrival; one that came without it joins at the end.
"""

from bisect import bisect_left, insort
from collections.abc import Iterator
from operator import attrgetter
from typing import ClassVar, Final

from capture.book.book import Book, Change
from capture.book.checksum import CHECKSUM_LEVELS, orders_checksum
from capture.book.invariants import Invariant, Violation
from capture.book.levels import BookCore, BookSide
from capture.columns import Action, Side
from capture.market.decoder import TRADE, Decoded, Entry
from capture.market.instruments import Instrument
from capture.wire.values import SCALED_LIMIT

ORDERS_LIMIT: Final = 200_000  # Of one book; some 60 MB. Past it the book is given up.

_QUEUE_NS: Final = attrgetter("queue_ns")


class Order:
    """One order. size: scaled. queue_ns: what it stands in the queue by."""

    __slots__ = ("order_id", "price", "queue_ns", "side", "size")

    def __init__(self, order_id: str, side: int, price: int, size: int, queue_ns: int) -> None:
        self.order_id, self.side, self.price, self.size, self.queue_ns = order_id, side, price, size, queue_ns


class Queues:
    """The orders of one side by their price, first in the queue first. levels: their sums. size: of all of them."""

    def __init__(self, levels: BookSide) -> None:
        self.levels = levels
        self.size = 0
        self._by_price: dict[int, list[Order]] = {}
        self._sums: dict[int, int] = {}

    def __getitem__(self, price: int) -> list[Order]:
        """Return the queue at a price that holds one."""
        return self._by_price[price]

    def clear(self) -> None:
        """Forget every order."""
        self.levels.clear()
        self.size = 0
        self._by_price.clear()
        self._sums.clear()

    def end_ns(self, price: int) -> int:
        """Return what the last order at a price stands by, or what stands before all where there is none."""
        queue = self._by_price.get(price)
        return queue[-1].queue_ns if queue else -SCALED_LIMIT

    def join(self, order: Order) -> None:
        """Put an order into the queue of its price, behind those of its instant."""
        insort(self._by_price.setdefault(order.price, []), order, key=_QUEUE_NS)
        self._add(order.price, order.size)

    def resize(self, order: Order, size: int) -> None:
        """Give an order another size; it keeps its place."""
        self._add(order.price, size - order.size)
        order.size = size

    def leave(self, order: Order) -> None:
        """Take an order out of its queue."""
        queue = self._by_price[order.price]
        place = bisect_left(queue, order.queue_ns, key=_QUEUE_NS)
        while queue[place] is not order:
            place += 1
        del queue[place]
        if not queue:
            del self._by_price[order.price]
        self._add(order.price, -order.size)

    def cut(self, depth: int) -> Iterator[Order]:
        """Drop the worst prices beyond a depth; yield their orders, those of the worst price first."""
        for level in self.levels.cut(depth):
            self.size -= self._sums.pop(level.price)
            yield from self._by_price.pop(level.price)

    def best(self, count: int) -> list[tuple[int, list[int]]]:
        """Return up to `count` prices, best first, each with the sizes of its queue."""
        return [(level.price, [it.size for it in self._by_price[level.price]]) for level in self.levels.best(count)]

    def copies(self) -> Iterator[Order]:
        """Yield copies of all orders, queue by queue."""
        for queue in self._by_price.values():
            yield from (Order(it.order_id, it.side, it.price, it.size, it.queue_ns) for it in queue)

    def _add(self, price: int, size: int) -> None:
        total = self._sums.get(price, 0) + size
        self.size += size
        if total:
            self._sums[price] = total
            self.levels.set(price, total)
        else:
            del self._sums[price]
            self.levels.remove(price)


class OrderBook(Book):
    """A book of orders; apply snapshots and refreshes in the order of their MsgSeqNum(34). It has no fast lane."""

    evictions_are_told: ClassVar[bool] = False

    def __init__(self, instrument: Instrument, depth: int) -> None:
        super().__init__(instrument, depth)
        self.orders: dict[str, Order] = {}
        self.queues = (Queues(self.bids), Queues(self.offers))

    def take_over(self, other: BookCore) -> None:
        """Be in the state that another book of orders is in."""
        assert isinstance(other, OrderBook), "a book of orders follows its like"
        super().take_over(other)
        self._clear()
        for side in other.queues:
            for order in side.copies():
                self.orders[order.order_id] = order
                self.queues[order.side].join(order)

    def checksum(self) -> int:
        """Return the CRC32 of the orders as they stand."""
        bids, offers = self.queues
        return orders_checksum(offers.best(CHECKSUM_LEVELS), bids.best(CHECKSUM_LEVELS))

    def _refusal(self, decoded: Decoded) -> Violation | None:
        bids, offers = self.queues
        size = sum([it.size for it in decoded.entries if it.entry_type != TRADE], bids.size + offers.size)
        if size > SCALED_LIMIT or len(self.orders) + len(decoded.entries) > ORDERS_LIMIT:
            return super()._refusal(decoded) or Violation(Invariant.TOO_MUCH, ORDERS_LIMIT, SCALED_LIMIT)
        return super()._refusal(decoded)

    def _clear(self) -> None:
        self.orders.clear()
        for side in self.queues:
            side.clear()

    def _set(self, entry: Entry) -> bool:
        """Set an order. It keeps its place unless it is told another price or another time of joining."""
        held = self.orders.get(entry.entry_id)
        queues = self.queues[entry.entry_type]
        if held is not None:
            same_price = (held.side, held.price) == (entry.entry_type, entry.price)
            if same_price and entry.queue_ns in {None, held.queue_ns}:
                queues.resize(held, entry.size)
                return True
            self.queues[held.side].leave(held)
        queue_ns = queues.end_ns(entry.price) if entry.queue_ns is None else entry.queue_ns
        order = self.orders[entry.entry_id] = Order(entry.entry_id, entry.entry_type, entry.price, entry.size, queue_ns)
        queues.join(order)
        return held is not None

    def _remove(self, entry: Entry) -> bool:
        """Remove an order wherever it stands, whatever else the entry says of it."""
        order = self.orders.pop(entry.entry_id, None)
        if order is not None:
            self.queues[order.side].leave(order)
        return order is not None

    def _cut(self) -> Iterator[Change]:
        scales = (self.price_scale, self.size_scale)
        for side, kind in zip(self.queues, Side, strict=True):
            for order in side.cut(self.depth):
                del self.orders[order.order_id]
                yield Change(-1, kind, Action.EVICT, order.price, 0, *scales, None, order.size, order.order_id)

    def _change(self, index: int, entry: Entry, action: Action, size: int, remaining_size: int | None) -> Change:
        change = super()._change(index, entry, action, size, remaining_size)
        return change._replace(order_id=entry.entry_id, update_ns=entry.update_ns, queue_ns=entry.queue_ns)

    def _twice(self, entry: Entry) -> Violation:
        return Violation(Invariant.ORDER_TWICE, entry.price, name=entry.entry_id)

    def _not_held(self, entry: Entry) -> Violation:
        return Violation(Invariant.ORDER_NOT_HELD, entry.price, name=entry.entry_id)
