"""A Level 3 book: the orders of which each level of a synthetic stream consists, and the messages about them.

Layer: venue. Source: venue reference 4.5 and 4.6, the Level 3 fields; 5.1, last point; decision 0007.
Left to others: what happens to levels (`venue.flow`), what is seen of a Level 2 book (`venue.view`).

Levels are told as to a Level 2 view, and every change of one is a change of its orders: what a level grows by joins
its queue, what a trade takes is taken from the front, and what else it loses is cancelled anywhere in it. The orders'
own chance is drawn whether they are seen or not, so that they are the same at every depth.
"""

import zlib
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from random import Random
from typing import Final

from capture.book.checksum import CHECKSUM_LEVELS
from capture.venue.flow import trimmed
from capture.venue.order_ids import order_id
from capture.venue.source import Shape
from capture.venue.view import CHANGE, DELETE, NEW, BookView, Level, SideView
from capture.wire import values

LEVEL_ORDERS_LIMIT: Final = 32  # In one queue; past it the last order grows.
_SPLIT_MOST: Final = 3  # Orders that a new level begins with.
_AMENDED: Final = 1 / 8  # Chance that a level grows by an order in it, which then goes to the end of the queue.
_BEFORE_NS: Final = 10 * values.SECOND_NS  # Orders of the first snapshot joined since so long before it,
_STEP_NS: Final = 1_000_000  # so long after each other at most.
_GONE: Final = b"0.0"


@dataclass(slots=True)
class Order:
    """One order of a queue. size: scaled. updated_ns: of its last change. queued_ns: when it joined the queue."""

    order_id: bytes
    size: int
    updated_ns: int
    queued_ns: int


class OrderBookView(BookView):
    """Both sides as queues of orders.

    began_ns: time of day, or since the epoch, of offset 0. precision: decimals of price and size as the instrument has
    them.
    """

    __slots__ = ("_began_ns", "_count", "_high", "_last_ns", "draw")

    def __init__(self, symbol: str, shape: Shape, random: Random, precision: tuple[int, int], began_ns: int) -> None:
        super().__init__(symbol, shape)
        pads = shape.precision or precision
        wider = (pads[0] - precision[0], pads[1] - precision[1])
        self.bids = OrderSide(self, shape, precision[1], wider)
        self.offers = OrderSide(self, shape, precision[1], wider)
        self.draw = random.random
        self._began_ns = began_ns
        self._last_ns = began_ns - _BEFORE_NS
        self._high = zlib.crc32(symbol.encode()) << 40  # No two symbols have an order of one id.
        self._count = 0

    @property
    def now_ns(self) -> int:
        """The time of what happens now."""
        return self._began_ns + self.at_ns

    def joined(self, size: int, *, long_ago: bool = False) -> Order:
        """Return a new order at the end of time: no two join a queue in the same nanosecond."""
        self._count += 1
        queued_ns = self.next_ns(long_ago=long_ago)
        return Order(order_id(self._high + self._count).encode(), size, queued_ns, queued_ns)

    def next_ns(self, *, long_ago: bool = False) -> int:
        """Return a time above every one before it. long_ago: before the stream began, as long as there is room."""
        if long_ago:
            self._last_ns += 1 + int(self.draw() * _STEP_NS)
        else:
            self._last_ns = max(self.now_ns, self._last_ns + 1)
        return self._last_ns


class OrderSide(SideView):
    """One side: what a Level 2 view knows of it, and the queue of each level, by its key."""

    __slots__ = ("_book", "_decimals", "_pads", "queues")

    def __init__(self, book: OrderBookView, shape: Shape, decimals: int, wider: tuple[int, int]) -> None:
        super().__init__(shape)
        self.queues: dict[int, list[Order]] = {}
        self._book = book
        self._decimals = decimals
        self._pads = (b"0" * wider[0], b"0" * wider[1])

    def clear(self) -> None:
        """Forget every level."""
        super().clear()
        self.queues.clear()

    def add(self, key: int, level: Level) -> None:
        """Take a level of the first snapshot."""
        super().add(key, level)
        self.queues[key] = [self._book.joined(size, long_ago=True) for size in self._split(self._total(level))]

    def set(self, key: int, level: Level, out: list[bytes], action: bytes | None = None) -> None:
        """Set a level's total, and append what is seen of its orders."""
        self._change(key, level, out, taken=False)

    def take(self, key: int, level: Level, out: list[bytes]) -> None:
        """Lower a level to what a trade leaves of it."""
        self._change(key, level, out, taken=True)

    def remove(self, key: int, time: bytes, out: list[bytes], size: bytes = b"0.0\x01") -> bool:
        """Remove a level with all its orders, and append them and those that come into view; False: not held."""
        level = self.levels.get(key)
        if level is None:
            return False
        queue = self.queues.pop(key)
        aggregated: list[bytes] = []  # What a Level 2 view says: that the level is gone, and which comes into view.
        super().remove(key, time, aggregated)
        if aggregated:
            out.extend([self._told(DELETE, level, it, now=True, size=_GONE) for it in queue])
            if len(aggregated) > 1:
                out.extend(self._all(NEW, self.keys[-self._depth]))
        return True

    def seen(self) -> Iterator[bytes]:
        """Yield the entries of a snapshot, best level first, each in the order of its queue."""
        for key in reversed(self.keys[-self._depth :]):
            yield from self._all(b"", key)

    def checked(self) -> bytes:
        """Return this side's part of what 5041 is the CRC of: each order of the ten best levels, in queue order."""
        if self._top is None:
            best = self.keys[-CHECKSUM_LEVELS:]
            parts = []
            for key in reversed(best):
                price = b"%d%b" % (abs(key), self._pads[0])
                parts += [b"%b%d%b" % (price, it.size, self._pads[1]) for it in self.queues[key]]
            self._top = b"".join(parts)
        return self._top

    def _change(self, key: int, level: Level, out: list[bytes], *, taken: bool) -> None:
        book, keys = self._book, self.keys
        pushed = -1
        index = bisect_left(keys, key)
        if key in self.levels:
            entries = self._moved(key, level, taken=taken)
        else:
            keys.insert(index, key)
            pushed = len(keys) - 1 - self._depth
            self.queues[key] = [book.joined(size) for size in self._split(self._total(level))]
            self.levels[key] = level
            entries = self._all(NEW, key)
        from_best = len(keys) - 1 - index
        if from_best < CHECKSUM_LEVELS:
            self._top = None
        if from_best >= self._depth:
            return
        evicted = self._all(DELETE, keys[pushed], now=True) if pushed >= 0 and self._announce else []
        out.extend((*evicted, *entries) if self._delete_first else (*entries, *evicted))

    def _moved(self, key: int, level: Level, *, taken: bool) -> list[bytes]:
        """Bring a queue to a level's new total; return the entries about it."""
        before, self.levels[key] = self.levels[key], level
        more = self._total(level) - self._total(before)
        return self._grown(key, level, more) if more > 0 else self._shrunk(key, level, -more, taken=taken)

    def _grown(self, key: int, level: Level, more: int) -> list[bytes]:
        book, queue = self._book, self.queues[key]
        amended = book.draw() < _AMENDED
        if not amended and len(queue) < LEVEL_ORDERS_LIMIT:
            queue.append(book.joined(more))
            return [self._told(NEW, level, queue[-1])]
        order = queue.pop(int(book.draw() * len(queue)))
        order.size += more
        order.updated_ns = order.queued_ns = book.next_ns()
        queue.append(order)
        return [self._told(CHANGE, level, order)]

    def _shrunk(self, key: int, level: Level, less: int, *, taken: bool) -> list[bytes]:
        book, queue = self._book, self.queues[key]
        entries = []
        while less:
            place = 0 if taken else int(book.draw() * len(queue))
            order = queue[place]
            if order.size <= less:
                less -= order.size
                del queue[place]
                entries.append(self._told(DELETE, level, order, now=True, size=_GONE))
            else:
                order.size -= less
                order.updated_ns = book.now_ns
                less = 0
                entries.append(self._told(CHANGE, level, order))
        assert queue, "a level that stands has an order"
        return entries

    def _split(self, total: int) -> list[int]:
        """Return the sizes of the orders that a level begins with."""
        count = min(1 + int(self._book.draw() * _SPLIT_MOST), total)
        cuts = sorted({1 + int(self._book.draw() * (total - 1)) for _ in range(count - 1)})
        return [after - before for before, after in zip((0, *cuts), (*cuts, total), strict=True)]

    def _total(self, level: Level) -> int:
        number, _ = values.scaled(level[1][:-1], self._decimals)
        return number

    def _all(self, action: bytes, key: int, *, now: bool = False) -> list[bytes]:
        level = self.levels[key]
        return [self._told(action, level, it, now=now) for it in self.queues[key]]

    def _told(self, action: bytes, level: Level, order: Order, *, now: bool = False, size: bytes = b"") -> bytes:
        """Return one order as an entry. now: it is told of what happens now, and not of what happened to it last."""
        head = level[0]
        price = head[head.index(b"\x01270=") + 1 :]
        size = size or trimmed(order.size, self._decimals)
        time, updated = _times(self._book.now_ns if now else order.updated_ns)
        queued = _times(order.queued_ns)[1]
        return b"%b%b278=%b\x01%b%b\x01273=%b\x015060=%b\x015273=%b\x01" % (
            action, head[: head.index(b"278=")], order.order_id, price, size, time, updated, queued,
        )  # fmt: skip


@lru_cache(maxsize=256)
def _second(second: int) -> tuple[bytes, bytes]:
    at = datetime.fromtimestamp(second, UTC)
    return at.strftime("%H:%M:%S").encode("ascii"), at.strftime("%Y-%m-%dT%H:%M:%S").encode("ascii")


def _times(at_ns: int) -> tuple[bytes, bytes]:
    """Return a time as MDEntryTime(273) has it, and as ISO 8601 with nanoseconds."""
    second, rest = divmod(at_ns, values.SECOND_NS)
    clock, whole = _second(second)
    return b"%b.%03d" % (clock, rest // values.MILLISECOND_NS), b"%b.%09dZ" % (whole, rest)
