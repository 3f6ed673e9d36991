"""hftbacktest: one `.npz` of events, depth and trades together, that its `BacktestAsset.data` takes as it is.

Layer: queries, export.
Source: hftbacktest 2.4, `hftbacktest/types.py` (event_dtype and the flags) and `data/validation.py`: exch_ts is never
    after local_ts, and rows stand in the order of both. https://hftbacktest.readthedocs.io/en/latest/data.html

Prices and sizes are doubles there: each is the one whose shortest decimal is our number, or the export is refused.
exch_ts has the venue's milliseconds, which may come out of order or later than the receive time by the clocks: such a
time is moved, forwards to that of the row before or back to the receive time, and the manifest counts the rows and
says how far the farthest was moved. So every row is an event of both sides, in one order.
"""

import io
import struct
from collections.abc import Iterator
from typing import IO, Final
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from queries.export.book_messages import BID, SIDES, Book, BookMessage, Kind, with_trades
from queries.export.numbers import exact_float
from queries.export.outputs import Outputs
from queries.export.source import SymbolDay, Trade
from storage.files import HASH_BYTES

DEPTH_EVENT: Final = 1
TRADE_EVENT: Final = 2
DEPTH_CLEAR_EVENT: Final = 3
DEPTH_SNAPSHOT_EVENT: Final = 4
EXCH_EVENT: Final = 1 << 31
LOCAL_EVENT: Final = 1 << 30
BUY_EVENT: Final = 1 << 29
SELL_EVENT: Final = 1 << 28

FIELDS: Final = (
    ("ev", "<u8"), ("exch_ts", "<i8"), ("local_ts", "<i8"), ("px", "<f8"), ("qty", "<f8"), ("order_id", "<u8"),
    ("ival", "<i8"), ("fval", "<f8"),
)  # fmt: skip
_EVENT: Final = struct.Struct("<QqqddQqd")
_BOTH: Final = EXCH_EVENT | LOCAL_EVENT
_SIDES: Final = (BUY_EVENT, SELL_EVENT)
_TAKERS: Final = {1: BUY_EVENT, 2: SELL_EVENT}
_EVENTS: Final = {
    Kind.OPENING: DEPTH_SNAPSHOT_EVENT,
    Kind.SNAPSHOT: DEPTH_SNAPSHOT_EVENT,
    Kind.CHANGES: DEPTH_EVENT,
}
_MEMBER: Final = "data.npy"
_ALIGNED: Final = 64  # The length of a header, as NumPy writes it.


class HftBacktest:
    """Events of a day for hftbacktest 2."""

    name = "hftbacktest"
    suffix = ".npz"
    depth: int | None = None

    def write(self, day: SymbolDay, outputs: Outputs) -> int:
        """Write a day; return how many events. Errors: DoesNotFit."""
        count = 0
        spool = outputs.scratch() / _MEMBER  # The header says how many rows follow, which is known at the end.
        with spool.open("w+b") as rows:
            for event in _Events(day).packed():
                rows.write(event)
                count += 1
            rows.seek(0)
            _pack(outputs.file(f"{day.name}_{day.date.replace('-', '')}{self.suffix}"), count, rows)
        return count


class _Events:
    """Makes events, with times that never run backwards."""

    def __init__(self, day: SymbolDay) -> None:
        self._day = day
        self._last_ns = 0

    def packed(self) -> Iterator[bytes]:
        book = Book()
        for it in with_trades(self._day):
            if isinstance(it, Trade):
                price, size = exact_float(it.price, it.price_scale), exact_float(it.size, it.size_scale)
                event = _BOTH | TRADE_EVENT | _TAKERS.get(it.aggressor, 0)
                yield _EVENT.pack(
                    event, self._moved(it.exchange_ns, it.receive_ns), it.receive_ns, price, size, 0, 0, 0.0
                )
                continue
            if it.kind is Kind.END:
                yield from self._clear(book, it)
            else:
                yield from self._levels(it)
            book.apply(it)

    def _levels(self, message: BookMessage) -> Iterator[bytes]:
        kind = _BOTH | _EVENTS[message.kind]
        receive_ns = message.receive_ns
        for side, price, size, at_ns in message.entries:
            px, qty = exact_float(price, message.price_scale), exact_float(size, message.size_scale)
            yield _EVENT.pack(kind | _SIDES[side], self._moved(at_ns, receive_ns), receive_ns, px, qty, 0, 0, 0.0)

    def _clear(self, book: Book, message: BookMessage) -> Iterator[bytes]:
        """Yield for each side that holds any level that it is cleared down to the worst of them."""
        for side in SIDES:
            worst = book.sides[side].worst_price()
            if worst is not None:
                event = _BOTH | DEPTH_CLEAR_EVENT | _SIDES[side]
                at_ns = self._moved(message.exchange_ns, message.receive_ns)
                px = exact_float(worst, book.price_scale)
                yield _EVENT.pack(event, at_ns, message.receive_ns, px, 0.0, 0, 0, 0.0)

    def _moved(self, exchange_ns: int, receive_ns: int) -> int:
        at_ns = max(min(exchange_ns, receive_ns), self._last_ns)
        if at_ns != exchange_ns:
            notes = self._day.notes
            notes["exch_ts_moved"] += 1
            notes["exch_ts_moved_ns_max"] = max(notes["exch_ts_moved_ns_max"], abs(at_ns - exchange_ns))
        self._last_ns = at_ns
        return at_ns


assert _SIDES[BID] == BUY_EVENT, "sides stand by their number"


def npy_header(count: int) -> bytes:
    """Return the header of a NumPy file of so many events. Source: numpy.lib.format, version 1.0."""
    text = f"{{'descr': {list(FIELDS)!r}, 'fortran_order': False, 'shape': ({count},), }}".encode("ascii")
    text += b" " * (-(len(text) + 11) % _ALIGNED) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text


def _pack(file: object, count: int, rows: io.BufferedRandom) -> None:
    """Write the archive, whose bytes follow from the rows alone."""
    member = ZipInfo(_MEMBER)
    member.compress_type = ZIP_DEFLATED
    with ZipFile(file, "w", ZIP_DEFLATED) as archive, archive.open(member, "w", force_zip64=True) as into:  # type: ignore[call-overload]
        _copy(npy_header(count), rows, into)


def _copy(header: bytes, rows: IO[bytes], into: IO[bytes]) -> None:
    into.write(header)
    while data := rows.read(HASH_BYTES):
        into.write(data)
