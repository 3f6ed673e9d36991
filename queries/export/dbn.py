"""Databento's DBN, version 2: records of schema `mbp-10`, trades among them, packed by zstd.

Layer: queries, export.
Source: https://databento.com/docs/standards-and-conventions/databento-binary-encoding and
    https://databento.com/docs/schemas-and-data-formats/mbp-10; their decoder reads it (tests/peers).

Prices are int64 of 1e-9. Sizes are uint32, which DBN knows no fraction for: they count units of the last decimal that
the day's first message has, and `size_decimals` in the manifest says which. Where either does not fit, it is refused.
"""

import struct
import zlib
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Final

import zstandard

from queries.export.book_messages import BID, OFFER, Book, BookMessage, Entry, Kind, with_trades
from queries.export.numbers import at_scale
from queries.export.outputs import Outputs
from queries.export.source import SymbolDay, Trade

LEVELS: Final = 10
DATASET: Final = "KRAKEN.FIX"
VERSION: Final = 2
UNDEFINED_PRICE: Final = 2**63 - 1
PRICE_SCALE: Final = 9
SIZE_LIMIT: Final = 2**32 - 1
_PRICE: Final = "a DBN price is a whole number of 1e-9 in an int64"
_SIZE: Final = "a DBN size is a uint32 of the day's smallest unit"
_SYMBOL_BYTES: Final = 71
_MBP_10: Final = 2  # Schema.
_RAW_SYMBOL, _INSTRUMENT_ID = 1, 0  # SType.
_RTYPE: Final = 10
_LAST, _SNAPSHOT, _BY_PRICE, _MAYBE_BAD = 128, 32, 16, 4  # Flags.
_HEAD: Final = struct.Struct("<BBHIQqIccBBQiI")
_LEVEL: Final = struct.Struct("<qqIIII")
_RECORD_BYTES: Final = _HEAD.size + LEVELS * _LEVEL.size
_SIDES: Final = (b"B", b"A")
_TAKERS: Final = {1: b"B", 2: b"A"}
_NO_SIDE: Final = b"N"
_NO_LEVEL: Final = (UNDEFINED_PRICE, 0)
_FLAGS_AT: Final = struct.Struct("<BBHIQqIcc").size
_INT32: Final = 2**31 - 1

assert _RECORD_BYTES == 368, "as the standard has it"


class Dbn:
    """`mbp-10` records of a day."""

    name = "dbn"
    suffix = ".dbn.zst"
    depth: int | None = None

    def write(self, day: SymbolDay, outputs: Outputs) -> int:
        """Write a day; return how many records. Errors: DoesNotFit."""
        file = outputs.file(f"kraken-{day.date.replace('-', '')}.mbp-10.{day.name}{self.suffix}")
        count = 0
        packer = zstandard.ZstdCompressor(level=3).stream_writer(file, closefd=False)  # type: ignore[arg-type]
        with packer:
            packer.write(metadata(day))
            for record in _Records(day).packed():
                packer.write(record)
                count += 1
        return count


def metadata(day: SymbolDay) -> bytes:
    """Return what stands before the records of a day."""
    first = date.fromisoformat(day.date)
    number, following = (int(f"{it:%Y%m%d}") for it in (first, first + timedelta(days=1)))
    symbol = _cell(day.symbol if _fits(day.symbol) else day.name)
    fixed = struct.pack(
        "<16sHQQQBBBH53x",
        DATASET.encode(),
        _MBP_10,
        day.bounds.start_ns,
        min(day.bounds.end_ns, 2**64 - 1),
        0,  # No limit of records.
        _RAW_SYMBOL,
        _INSTRUMENT_ID,
        0,  # No ts_out.
        _SYMBOL_BYTES,
    )
    mapped = struct.pack("<II", number, following) + _cell(str(instrument_id(day.symbol)))
    lists = struct.pack("<II", 0, 1) + symbol + struct.pack("<II", 0, 0)
    mappings = struct.pack("<I", 1) + symbol + struct.pack("<I", 1) + mapped
    body = fixed + lists + mappings
    return b"DBN" + struct.pack("<BI", VERSION, len(body)) + body


def instrument_id(symbol: str) -> int:
    """Return the number of a symbol: its CRC32, so that days of several symbols can be merged."""
    return zlib.crc32(symbol.encode("utf-8", "surrogatepass"))


def _fits(symbol: str) -> bool:
    return symbol.isascii() and symbol.isprintable() and 0 < len(symbol) < _SYMBOL_BYTES


def _cell(text: str) -> bytes:
    return text.encode("ascii").ljust(_SYMBOL_BYTES, b"\0")


class _Records:
    """Makes records."""

    def __init__(self, day: SymbolDay) -> None:
        self._day = day
        self._book = Book()
        self._id = instrument_id(day.symbol)
        self._size_scale: int | None = None
        self._levels = self._packed_levels()

    def packed(self) -> Iterator[bytes]:
        for it in with_trades(self._day):
            if self._size_scale is None and it.size_scale:
                self._size_scale = self._day.notes["size_decimals"] = it.size_scale
            if isinstance(it, Trade):
                price, size = self._price(it.price, it.price_scale), self._size(it.size, it.size_scale)
                taker = _TAKERS.get(it.aggressor, _NO_SIDE)
                flags = _LAST | _BY_PRICE
                yield self._record(it, it.exchange_ns, price, size, b"T", taker, 0, flags)
                continue
            records = list(self._message(it))
            if records:
                last = bytearray(records[-1])
                last[_FLAGS_AT] |= _LAST
                yield from records[:-1]
                yield bytes(last)

    def _message(self, message: BookMessage) -> Iterator[bytes]:
        flags = _BY_PRICE | (_MAYBE_BAD if message.is_suspect else 0)
        if message.kind is not Kind.CHANGES:
            begins = message.kind is not Kind.END
            flags |= _SNAPSHOT if begins else 0
            self._book.begin(message.price_scale, message.size_scale)
            self._levels = self._packed_levels()
            yield self._record(message, message.exchange_ns, UNDEFINED_PRICE, 0, b"R", _NO_SIDE, 0, flags)
            if not begins:
                return
        self._book.fit(message.price_scale, message.size_scale)
        for entry in message.entries:
            yield from self._entry(message, entry, flags)

    def _entry(self, message: BookMessage, entry: Entry, flags: int) -> Iterator[bytes]:
        """Do an entry to the book; yield its record if it is among the best levels before or after."""
        side = self._book.sides[entry.side]
        before = side.best(LEVELS)
        self._book.set(entry)
        after = side.best(LEVELS)
        if before == after:
            return
        self._levels = self._packed_levels()
        held, stands = ({it.price: place for place, it in enumerate(levels)} for levels in (before, after))
        price = self._price(entry.price, message.price_scale)
        if entry.price in stands:
            action, place, size = (b"M" if entry.price in held else b"A"), stands[entry.price], entry.size
        else:
            place = held[entry.price]
            action, size = b"C", before[place].size
        amount = self._size(size, message.size_scale)
        yield self._record(message, entry.exchange_ns, price, amount, action, _SIDES[entry.side], place, flags)

    def _record(
        self,
        it: BookMessage | Trade,
        at_ns: int,
        price: int,
        size: int,
        action: bytes,
        side: bytes,
        depth: int,
        flags: int,
    ) -> bytes:
        delta = max(min(it.receive_ns - it.exchange_ns, _INT32), -_INT32)
        seq = it.msg_seq_num % 2**32
        words = _RECORD_BYTES // 4
        head = _HEAD.pack(
            words, _RTYPE, 0, self._id, at_ns, price, size, action, side, flags, depth, it.receive_ns, delta, seq
        )
        return head + self._levels

    def _packed_levels(self) -> bytes:
        bids, asks = (
            [
                (self._price(it.price, self._book.price_scale), self._size(it.size, self._book.size_scale))
                for it in self._book.sides[side].best(LEVELS)
            ]
            for side in (BID, OFFER)
        )
        packed = b""
        for place in range(LEVELS):
            bid_price, bid_size = bids[place] if place < len(bids) else _NO_LEVEL
            ask_price, ask_size = asks[place] if place < len(asks) else _NO_LEVEL
            packed += _LEVEL.pack(bid_price, ask_price, bid_size, ask_size, 0, 0)
        return packed

    def _price(self, price: int, scale: int) -> int:
        return at_scale(price, scale, PRICE_SCALE, limit=UNDEFINED_PRICE, what=_PRICE)

    def _size(self, size: int, scale: int) -> int:
        return at_scale(size, scale, self._size_scale or 0, limit=SIZE_LIMIT, what=_SIZE)
