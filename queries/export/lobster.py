"""LOBSTER: a message file and an order book file, line by line of the same moment.

Layer: queries, export.
Source: https://lobsterdata.com/info/DataStructure.php: types 1 submission, 2 partial cancellation, 3 deletion,
    5 execution that leaves the visible book as it is, 7 halt; prices times 10000, empty levels at 9999999999 and
    -9999999999.

Levels are known here, not orders: each line is of a price level as a whole, and Order ID is 0. A level that grew is a
submission of the difference, one that shrank a partial cancellation. Trades are type 5 for that reason: what they took
from the book is a cancellation by then, and type 4 would take it twice.
"""

from collections.abc import Iterator
from typing import Final

from capture.wire.values import unscaled
from queries.export.book_messages import BID, OFFER, Book, BookMessage, Entry, Kind, with_trades
from queries.export.numbers import at_scale
from queries.export.outputs import Outputs, write_lines
from queries.export.source import MILLISECOND_NS, SymbolDay, Trade
from queries.times import as_ns

DEPTH: Final = 10
PRICE_SCALE: Final = 4
EMPTY_PRICE: Final = 9_999_999_999
_WHAT: Final = f"a LOBSTER price is a whole number of 1/10000 below {EMPTY_PRICE}"
_SUBMISSION, _CANCELLATION, _DELETION, _EXECUTION, _HALT = 1, 2, 3, 5, 7
_BUY, _SELL = 1, -1
_HALTED, _RESUMED = -1, 1
_DIRECTIONS: Final = {BID: _BUY, OFFER: _SELL}
_RESTING: Final = {1: _SELL, 2: _BUY, 0: 0}  # The other side than the taker's.
_SECOND_NS: Final = 10**9


class Lobster:
    """The pair of files of a day."""

    name = "lobster"
    suffix = ".csv"
    depth: int | None = DEPTH

    def write(self, day: SymbolDay, outputs: Outputs) -> int:
        """Write a day; return how many lines each file has. Errors: DoesNotFit."""
        midnight_ns = as_ns(f"{day.date}T00:00Z")
        window = "_".join(str((at_ns - midnight_ns) // MILLISECOND_NS) for at_ns in day.bounds)
        begin = f"{day.name}_{day.date}_{window}"
        messages = outputs.file(f"{begin}_message_{day.depth}{self.suffix}")
        books = outputs.file(f"{begin}_orderbook_{day.depth}{self.suffix}")

        def lines() -> Iterator[str]:
            for message, book in _Lines(day, midnight_ns).pairs():
                books.write(book.encode())
                yield message

        return write_lines(messages, lines())


class _Lines:
    """Makes the lines of both files."""

    def __init__(self, day: SymbolDay, midnight_ns: int) -> None:
        self._day, self._midnight_ns = day, midnight_ns
        self._book = Book()
        self._sizes: tuple[dict[int, int], dict[int, int]] = ({}, {})
        self._line, self._halted = "", False

    def pairs(self) -> Iterator[tuple[str, str]]:
        self._line = self._book_line()
        for it in with_trades(self._day):
            seconds, ns = divmod(it.receive_ns - self._midnight_ns, _SECOND_NS)
            begin = f"{seconds}.{ns:09},"
            if isinstance(it, Trade):
                price = _price(it.price, it.price_scale)
                size = unscaled(it.size, it.size_scale)
                yield f"{begin}{_EXECUTION},0,{size},{price},{_RESTING.get(it.aggressor, 0)}", self._line
            else:
                yield from self._message(it, begin)

    def _message(self, message: BookMessage, begin: str) -> Iterator[tuple[str, str]]:
        scales = self._book.price_scale, self._book.size_scale
        if message.kind is Kind.END:
            self._halted = True
            yield f"{begin}{_HALT},0,0,{_HALTED},-1", self._line
        elif message.kind is not Kind.CHANGES:
            self._book.begin(message.price_scale, message.size_scale)
        self._book.fit(message.price_scale, message.size_scale)
        if scales != (message.price_scale, message.size_scale):
            self._sizes = ({}, {})
            for side, levels in enumerate(self._book.sides):
                self._sizes[side].update(levels.levels())
        for entry in message.entries:
            line = self._change(entry, begin, message)
            if line is not None:
                yield line, self._line
        if message.kind is Kind.SNAPSHOT and self._halted:
            self._halted = False
            yield f"{begin}{_HALT},0,0,{_RESUMED},-1", self._line

    def _change(self, entry: Entry, begin: str, message: BookMessage) -> str | None:
        """Do an entry to the book; return its line, or None where it is out of sight or changes nothing."""
        held, levels = self._sizes[entry.side], self._book.sides[entry.side]
        before = held.get(entry.price, 0)
        was = levels.best(self._day.depth)
        self._book.set(entry)
        if entry.size:
            held[entry.price] = entry.size
        else:
            held.pop(entry.price, None)
        if entry.size == before or levels.best(self._day.depth) == was:
            return None
        self._line = self._book_line()
        kind = _SUBMISSION if entry.size > before else _CANCELLATION if entry.size else _DELETION
        size = unscaled(abs(entry.size - before), message.size_scale)
        price = _price(entry.price, message.price_scale)
        return f"{begin}{kind},0,{size},{price},{_DIRECTIONS[entry.side]}"

    def _book_line(self) -> str:
        """Return the best levels: of each place the ask's price and size, then the bid's."""
        sides = []
        for side, empty in ((OFFER, EMPTY_PRICE), (BID, -EMPTY_PRICE)):
            levels = self._book.sides[side].best(self._day.depth)
            cells = [f"{_price(*self._priced(it.price))},{unscaled(it.size, self._book.size_scale)}" for it in levels]
            sides.append(cells + [f"{empty},0"] * (self._day.depth - len(cells)))
        return ",".join(f"{ask},{bid}" for ask, bid in zip(*sides, strict=True)) + "\n"

    def _priced(self, price: int) -> tuple[int, int]:
        return price, self._book.price_scale


def _price(price: int, scale: int) -> int:
    return at_scale(price, scale, PRICE_SCALE, limit=EMPTY_PRICE, what=_WHAT)
