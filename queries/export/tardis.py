"""Tardis CSV: `incremental_book_L2`, `book_snapshot_N`, `trades` and `quotes`, gzipped as their downloads are.

Layer: queries, export. One class a data type.
Source: https://docs.tardis.dev/downloadable-csv-files: columns, microseconds since the epoch, an amount of 0 removes a
    level, `is_snapshot` rows after others mean that the book is to be forgotten first.

Prices and amounts are decimals made from the integers, with as many decimals as the venue has. Before each new snapshot
and at the end of a session every level is removed by a row of amount 0, so readers that heed `is_snapshot` and those
that do not have the same book; each file begins with the book as it stood, as a snapshot.
"""

import gzip
from collections.abc import Iterator
from itertools import chain
from typing import Final, NamedTuple

from capture.book.levels import PriceLevel
from capture.wire.values import unscaled
from queries.export.book_messages import OFFER, Book, Kind, book_messages
from queries.export.outputs import Outputs, csv_cell, headed, write_lines
from queries.export.source import EXCHANGE, QUOTE_COLUMNS, SymbolDay, exchange_ns
from queries.text import shown

SUFFIX: Final = ".csv.gz"
DEPTH: Final = 25
DEPTH_LIMIT: Final = 1000
_MICROSECOND_NS: Final = 1000
_SIDES: Final = ("bid", "ask")
_TAKERS: Final = {1: "buy", 2: "sell"}


class Incremental:
    """`incremental_book_L2`: one row a level set or removed."""

    name = "tardis-incremental"
    suffix = SUFFIX
    depth: int | None = None
    data_type = "incremental_book_L2"
    header = "exchange,symbol,timestamp,local_timestamp,is_snapshot,side,price,amount"

    def write(self, day: SymbolDay, outputs: Outputs) -> int:
        """Write a day; return how many rows."""
        return _write(day, outputs, self.data_type, self.header, self._lines(day))

    def _lines(self, day: SymbolDay) -> Iterator[str]:
        begin = _begin(day)
        for message in book_messages(day):
            price_scale, size_scale = message.price_scale, message.size_scale
            snapshot = "true" if message.kind is Kind.OPENING or message.kind is Kind.SNAPSHOT else "false"
            middle = f",{message.receive_ns // _MICROSECOND_NS},{snapshot},"
            for side, price, size, at_ns in message.entries:
                amount = unscaled(size, size_scale) if size else "0"
                stamp = at_ns // _MICROSECOND_NS
                yield f"{begin}{stamp}{middle}{_SIDES[side]},{unscaled(price, price_scale)},{amount}"


class Snapshots:
    """`book_snapshot_N`: the best N levels of each side, after each message that changed any of them."""

    name = "tardis-snapshot"
    suffix = SUFFIX
    depth: int | None = DEPTH

    def write(self, day: SymbolDay, outputs: Outputs) -> int:
        """Write a day; return how many rows."""
        places = range(day.depth)
        columns = (f"{side}[{place}].{what}" for place in places for side in ("asks", "bids") for what in _LEVEL)
        header = ",".join(("exchange", "symbol", "timestamp", "local_timestamp", *columns))
        return _write(day, outputs, f"book_snapshot_{day.depth}", header, self._lines(day))

    def _lines(self, day: SymbolDay) -> Iterator[str]:
        begin, book, before = _begin(day), Book(), None
        known: dict[PriceLevel, str] = {}  # The cells of the levels of the last row: few of them change at a time.
        for message in book_messages(day):
            scales = book.price_scale, book.size_scale
            book.apply(message)
            if scales != (book.price_scale, book.size_scale):
                known, before = {}, None
            best = [side.best(day.depth) for side in book.sides]
            if best == before:
                continue
            before = best
            bids, asks = ([known.get(level) or _cells(level, book) for level in side] for side in best)
            known = dict(zip(chain(*best), chain(bids, asks), strict=True))
            bids += [_NO_LEVEL] * (day.depth - len(bids))
            asks += [_NO_LEVEL] * (day.depth - len(asks))
            times = f"{message.exchange_ns // _MICROSECOND_NS},{message.receive_ns // _MICROSECOND_NS}"
            yield ",".join((f"{begin}{times}", *chain.from_iterable(zip(asks, bids, strict=True))))


def _cells(level: PriceLevel, book: Book) -> str:
    return f"{unscaled(level.price, book.price_scale)},{unscaled(level.size, book.size_scale)}"


_LEVEL: Final = ("price", "amount")
_NO_LEVEL: Final = ","


class Trades:
    """`trades`: one row a trade, `side` that of the taker."""

    name = "tardis-trades"
    suffix = SUFFIX
    depth: int | None = None
    header = "exchange,symbol,timestamp,local_timestamp,id,side,price,amount"

    def write(self, day: SymbolDay, outputs: Outputs) -> int:
        """Write a day; return how many rows."""
        return _write(day, outputs, "trades", self.header, self._lines(day))

    def _lines(self, day: SymbolDay) -> Iterator[str]:
        begin = _begin(day)
        for it in day.trades():
            price, amount = unscaled(it.price, it.price_scale), unscaled(it.size, it.size_scale)
            times = f"{it.exchange_ns // _MICROSECOND_NS},{it.receive_ns // _MICROSECOND_NS}"
            side = _TAKERS.get(it.aggressor, "unknown")
            yield f"{begin}{times},{csv_cell(shown(it.entry_id or ''))},{side},{price},{amount}"


class Quotes:
    """`quotes`: the top of book, whenever a price or size of it changed; a side without a level is empty."""

    name = "tardis-quotes"
    suffix = SUFFIX
    depth: int | None = None
    header = "exchange,symbol,timestamp,local_timestamp,ask_amount,ask_price,bid_price,bid_amount"

    def write(self, day: SymbolDay, outputs: Outputs) -> int:
        """Write a day; return how many rows."""
        return _write(day, outputs, "quotes", self.header, self._lines(day))

    def _lines(self, day: SymbolDay) -> Iterator[str]:
        begin = _begin(day)
        for row in day.tuples("quotes", QUOTE_COLUMNS):
            quote = _Quote(*row)
            cells = (
                (quote.offer_size, quote.size_scale),
                (quote.offer_price, quote.price_scale),
                (quote.bid_price, quote.price_scale),
                (quote.bid_size, quote.size_scale),
            )
            texts = ("" if number is None else unscaled(number, scale) for number, scale in cells)
            at_ns = exchange_ns(None, quote.sending_ms, quote.receive_ns)
            times = f"{at_ns // _MICROSECOND_NS},{quote.receive_ns // _MICROSECOND_NS}"
            yield f"{begin}{times},{','.join(texts)}"


class _Quote(NamedTuple):
    receive_ns: int
    sending_ms: int | None
    session_id: str
    msg_seq_num: int
    bid_price: int | None
    bid_size: int | None
    offer_price: int | None
    offer_size: int | None
    price_scale: int
    size_scale: int


assert _Quote._fields == QUOTE_COLUMNS, "a quote has the columns asked for"
assert _SIDES[OFFER] == "ask", "sides stand by their number"


def _begin(day: SymbolDay) -> str:
    return f"{EXCHANGE},{csv_cell(shown(day.symbol))},"


def _write(day: SymbolDay, outputs: Outputs, data_type: str, header: str, lines: Iterator[str]) -> int:
    """Write one gzipped file, whose bytes follow from its rows alone; return how many rows."""
    file = outputs.file(f"{EXCHANGE}_{data_type}_{day.date}_{day.name}{SUFFIX}")
    with gzip.GzipFile(filename="", mode="wb", fileobj=file, compresslevel=6, mtime=0) as packed:
        return write_lines(packed, headed(header, lines)) - 1
