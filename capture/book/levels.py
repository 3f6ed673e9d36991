# cython: language_level=3, annotation_typing=False
"""The levels of a book, and the checksum over its top: what both lanes keep and change.

Layer: book, lowest. Knows integers only; neither messages nor precisions. Plain Python that Cython compiles, by the
types in the .pxd beside it.
Source: design section 3; venue reference section 5. `checksum.book_checksum` says the same plainly, and is held equal.
Left to others: what an entry does (`book`, `kernel`).
"""

from array import array
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import cython

# States of a book; `book.BookState` names them.
AWAITING_SNAPSHOT: Final = 0
LIVE: Final = 1
SUSPECT: Final = 2

_MASK = cython.declare(cython.uint, 0xFFFFFFFF)
_NONE = cython.declare(cython.uint, 0)
_NULL = cython.declare(cython.longlong, -(2**63))
_MOST = cython.declare(cython.longlong, 2**63 - 1)
_TOP = cython.declare(cython.int, 10)  # As `checksum.CHECKSUM_LEVELS`.
_LEVEL_BYTES = cython.declare(cython.int, 38)  # Two int64 in digits.
_TEXT_BYTES = cython.declare(cython.int, 10 * 38)  # Ten levels of them.


def _crc_table() -> "array[int]":
    """Return eight tables of 256: CRC32 of zlib, PNG and Ethernet, eight bytes at a time."""
    table = array("I", bytes(4 * 8 * 256))
    for byte in range(256):
        value = byte
        for _ in range(8):
            value = (value >> 1) ^ (0xEDB88320 if value & 1 else 0)
        table[byte] = value
    for place in range(256, 8 * 256):
        before = table[place - 256]
        table[place] = (before >> 8) ^ table[before & 0xFF]
    return table


_TEXT = cython.declare(cython.uchar[::1], bytearray(38))  # Of one level at a time; it ends with the buffer.
_PAIRS = cython.declare(cython.uchar[::1], bytearray(b"".join(b"%02d" % pair for pair in range(100))))
_CRC = cython.declare(cython.uint[::1], _crc_table())


class PriceLevel(NamedTuple):
    """One price level. Units: integers scaled by the instrument's precisions."""

    price: int
    size: int


@cython.final
@cython.cclass
class BookSide:
    """The levels of one side: keys and sizes in turn in one array, keys ascending.

    A bid's key is its price, an offer's its price negated, so that the best level is the last one on both sides:
    changes happen near the top, and there an array is cheap to change. Beside each level stand the CRC32 of its digits
    and, above its 32 bits, how many these are; zero until they are asked for.
    """

    def __init__(self, side: int) -> None:
        self._sign = -1 if side else 1
        self.count = 0
        self._capacity = 16
        self._levels = array("q", bytes(16 * 16))
        self._sums = array("q", bytes(8 * 16))
        self._crc = 0
        self._text_bytes = 0
        self._changed = True

    def __len__(self) -> int:
        return self.count

    def set(self, price: int, size: int) -> bool:
        """Set the size of a level, making it where it is new; return whether it was held before."""
        return bool(self._set(price, size))

    def remove(self, price: int) -> bool:
        """Remove a level; return whether it was held."""
        return bool(self._remove(price))

    def cut(self, depth: int) -> list[PriceLevel]:
        """Drop the worst levels beyond a depth; return them, worst first."""
        excess = max(self.count - depth, 0)
        dropped = [
            PriceLevel(self._levels[2 * index] * self._sign, self._levels[2 * index + 1]) for index in range(excess)
        ]
        self._drop(excess)
        return dropped

    def clear(self) -> None:
        """Forget every level."""
        self.count = 0
        self._changed = True

    def best(self, count: int) -> list[PriceLevel]:
        """Return up to `count` levels, best first."""
        held = self.count
        return [
            PriceLevel(self._levels[2 * index] * self._sign, self._levels[2 * index + 1])
            for index in range(held - 1, max(held - count, 0) - 1, -1)
        ]

    def levels(self) -> Iterator[PriceLevel]:
        """Return every level, best first."""
        return iter(self.best(self.count))

    @cython.locals(
        index=cython.Py_ssize_t,
        place=cython.Py_ssize_t,
        held=cython.Py_ssize_t,
        prices=cython.longlong[::1],
        sizes=cython.longlong[::1],
    )
    def columns(self) -> "tuple[array[int], array[int]]":
        """Return the prices of every level, best first, and their sizes."""
        held = self.count
        both = array("q", bytes(8 * held)), array("q", bytes(8 * held))
        prices, sizes = both
        place = 2 * held
        for index in range(held):
            place -= 2
            prices[index] = self._levels[place] * self._sign
            sizes[index] = self._levels[place + 1]
        return both

    def worst_price(self) -> int | None:
        """Return the price of the worst level held, or None."""
        return self._levels[0] * self._sign if self.count else None

    def best_price(self) -> int | None:
        """Return the price of the best level held, or None."""
        return self._levels[2 * self.count - 2] * self._sign if self.count else None

    def is_beyond_worst(self, price: int) -> bool:
        """Return whether a price would stand behind every level held."""
        return self.count == 0 or price * self._sign < self._levels[0]

    def total(self) -> int:
        """Return the sizes of the ten best levels together, at most what an int64 holds."""
        return int(self._total())

    @cython.locals(other="BookSide", index=cython.Py_ssize_t)
    def take_over(self, other: "BookSide") -> None:
        """Hold the levels that another side holds."""
        self.count = 0
        for index in range(other.count):
            self._insert(index, other._levels[2 * index], other._levels[2 * index + 1])
        self._changed = True

    @cython.locals(key=cython.longlong, index=cython.Py_ssize_t)
    def _set(self, price: int, size: int) -> bool:
        key = price * self._sign
        index = self._find(key)
        if index < self.count and self._levels[2 * index] == key:
            self._levels[2 * index + 1] = size
            self._sums[index] = 0
            if index >= self.count - _TOP:
                self._changed = True
            return True
        self._insert(index, key, size)
        return False

    @cython.locals(key=cython.longlong, index=cython.Py_ssize_t, place=cython.Py_ssize_t)
    def _remove(self, price: int) -> bool:
        key = price * self._sign
        index = self._find(key)
        if index == self.count or self._levels[2 * index] != key:
            return False
        if index >= self.count - _TOP:
            self._changed = True
        self.count -= 1
        for place in range(2 * index, 2 * self.count):
            self._levels[place] = self._levels[place + 2]
        for place in range(index, self.count):
            self._sums[place] = self._sums[place + 1]
        return True

    @cython.locals(low=cython.Py_ssize_t, high=cython.Py_ssize_t, middle=cython.Py_ssize_t, step=cython.Py_ssize_t)
    def _find(self, key: int) -> int:
        """Return where a key stands or would: looked for from the best level on, in strides that double."""
        high = self.count
        step = 1
        low = high - 1
        while low >= 0 and self._levels[2 * low] >= key:
            high = low
            low -= step
            step += step
        low = low + 1 if low >= 0 else 0
        while low < high:
            middle = (low + high) >> 1
            if self._levels[2 * middle] < key:
                low = middle + 1
            else:
                high = middle
        return low

    @cython.locals(place=cython.Py_ssize_t)
    def _insert(self, index: int, key: int, size: int) -> int:
        if self.count == self._capacity:
            self._grow()
        place = self.count
        while place > index:
            self._sums[place] = self._sums[place - 1]
            place -= 1
        self._sums[index] = 0
        place = 2 * self.count + 1
        index += index
        while place > index + 1:
            self._levels[place] = self._levels[place - 2]
            place -= 1
        self._levels[index], self._levels[index + 1] = key, size
        self.count += 1
        if index >= 2 * (self.count - _TOP):
            self._changed = True
        return 0

    def _grow(self) -> None:
        """Make room for half as many levels more: a book at its depth rarely needs more than one above it."""
        self._capacity += self._capacity // 2
        levels, sums = array("q", bytes(16 * self._capacity)), array("q", bytes(8 * self._capacity))
        for place in range(2 * self.count):
            levels[place] = self._levels[place]
        for place in range(self.count):
            sums[place] = self._sums[place]
        self._levels, self._sums = levels, sums

    @cython.locals(place=cython.Py_ssize_t)
    def _drop(self, excess: int) -> None:
        """Drop so many of the worst levels."""
        if excess <= 0:
            return
        self.count -= excess
        for place in range(2 * self.count):
            self._levels[place] = self._levels[place + 2 * excess]
        for place in range(self.count):
            self._sums[place] = self._sums[place + excess]
        if self.count < _TOP:
            self._changed = True

    @cython.locals(index=cython.Py_ssize_t, lowest=cython.Py_ssize_t, total=cython.longlong)
    def _total(self) -> int:
        total = 0
        lowest = self.count - _TOP if self.count > _TOP else 0
        for index in range(lowest, self.count):
            if self._levels[2 * index + 1] > _MOST - total:
                return _MOST
            total += self._levels[2 * index + 1]
        return total

    @cython.locals(
        index=cython.Py_ssize_t,
        lowest=cython.Py_ssize_t,
        crc=cython.uint,
        size=cython.int,
        known=cython.longlong,
        table=cython.int,
    )
    def _sum(self) -> None:
        """Take the CRC32 of the best ten levels: price and size in digits, best first.

        A message changes a level or two. The others' CRCs are known, and each moves the one of the levels before it by
        its bytes, as in `BookCore._checksum`.
        """
        crc = 0
        self._text_bytes = 0
        index = self.count
        lowest = index - _TOP if index > _TOP else 0
        while index > lowest:
            index -= 1
            known = self._sums[index]
            if known == 0:
                known = _level_sum(self._levels[2 * index] * self._sign, self._levels[2 * index + 1])
                self._sums[index] = known
            size = cython.cast(cython.int, known >> 32)
            self._text_bytes += size
            table = 1024 * size
            crc = (
                _STEPS[table + (crc & 255)]
                ^ _STEPS[table + 256 + (crc >> 8 & 255)]
                ^ _STEPS[table + 512 + (crc >> 16 & 255)]
                ^ _STEPS[table + 768 + (crc >> 24)]
                ^ cython.cast(cython.uint, known & _MASK)
            )
        self._crc = crc
        self._changed = False


@cython.locals(
    begin=cython.int,
    number=cython.ulonglong,
    rest=cython.ulonglong,
    four=cython.uint,
    pair=cython.uint,
    half=cython.int,
    text=cython.p_uchar,
)
def _level_sum(price: int, size: int) -> int:
    """Return the CRC32 of a level's price and size in digits, and above its 32 bits how many bytes they are.

    The digits are written from the end on, four at a time.
    """
    if cython.compiled:  # noqa: SIM108 - a pointer here, an object there
        text = cython.address(_TEXT[0])  # Nothing interrupts this.
    else:
        text = bytearray(_LEVEL_BYTES)
    begin = _LEVEL_BYTES
    for half in range(2):
        number = price if half else size
        while number >= 10_000:
            rest = number // 10_000
            four = cython.cast(cython.uint, number - 10_000 * rest)
            pair = four // 100
            four -= 100 * pair
            begin -= 4
            text[begin] = _PAIRS[2 * pair]
            text[begin + 1] = _PAIRS[2 * pair + 1]
            text[begin + 2] = _PAIRS[2 * four]
            text[begin + 3] = _PAIRS[2 * four + 1]
            number = rest
        four = cython.cast(cython.uint, number)
        if four >= 100:
            pair = four // 100
            four -= 100 * pair
            begin -= 2
            text[begin] = _PAIRS[2 * four]
            text[begin + 1] = _PAIRS[2 * four + 1]
            four = pair
        begin -= 1
        text[begin] = _PAIRS[2 * four + 1]
        if four >= 10:
            begin -= 1
            text[begin] = _PAIRS[2 * four]
    return cython.cast(cython.longlong, _LEVEL_BYTES - begin) << 32 | _crc32(text, begin)


@cython.locals(crc=cython.uint, low=cython.uint, high=cython.uint)
def _crc32(text: Any, at: int) -> int:
    """Return the CRC32 of a text from a place to the end of its buffer, eight bytes at a time."""
    crc = _MASK
    while at + 8 <= _LEVEL_BYTES:
        low = crc ^ (
            text[at]
            | cython.cast(cython.uint, text[at + 1]) << 8
            | cython.cast(cython.uint, text[at + 2]) << 16
            | cython.cast(cython.uint, text[at + 3]) << 24
        )
        high = (
            text[at + 4]
            | cython.cast(cython.uint, text[at + 5]) << 8
            | cython.cast(cython.uint, text[at + 6]) << 16
            | cython.cast(cython.uint, text[at + 7]) << 24
        )
        crc = (
            _CRC[1792 + (low & 255)]
            ^ _CRC[1536 + (low >> 8 & 255)]
            ^ _CRC[1280 + (low >> 16 & 255)]
            ^ _CRC[1024 + (low >> 24)]
            ^ _CRC[768 + (high & 255)]
            ^ _CRC[512 + (high >> 8 & 255)]
            ^ _CRC[256 + (high >> 16 & 255)]
            ^ _CRC[high >> 24]
        )
        at += 8
    while at < _LEVEL_BYTES:
        crc = crc >> 8 ^ _CRC[(crc ^ text[at]) & 255]
        at += 1
    return crc ^ _MASK


@cython.locals(steps=cython.uint[::1], crc=cython.uint, place=cython.int)
def _steps() -> "array[int]":
    """Return what the CRC32 of a text becomes when the bytes of a level follow it.

    Shapes: for each count of bytes four tables of 256, of each byte of the CRC.
    """
    found = array("I", bytes(4 * 1024 * (_LEVEL_BYTES + 1)))
    steps = found
    for place in range(1024):
        steps[place] = (place & 255) << (place >> 8 << 3)
    for place in range(1024, 1024 * (_LEVEL_BYTES + 1)):
        crc = steps[place - 1024]
        steps[place] = (crc >> 8) ^ _CRC[crc & 255]
    return found


_STEPS = cython.declare(cython.uint[::1], _steps())


def _shifts() -> "array[int]":
    """Return what the CRC32 of a text becomes when so many bytes follow it: for each count, what each bit becomes."""
    shifts = array("I", (1 << bit for bit in range(32)))
    for place in range(32 * _TEXT_BYTES):
        crc = shifts[place]
        shifts.append((crc >> 8) ^ _CRC[crc & 255])
    return shifts


_SHIFTS = cython.declare(cython.uint[::1], _shifts())


@cython.locals(shifted=cython.uint, bit=cython.int)
def _shift(crc: int, count: int) -> int:
    """Return what a CRC32 becomes when so many bytes follow; the bits are taken each for itself, and all at once."""
    shifted = 0
    for bit in range(32):
        shifted ^= _SHIFTS[32 * count + bit] & (_NONE - (crc >> bit & 1))
    return shifted


@cython.cclass
class BookCore:
    """What both lanes know of one book.

    depth: levels kept a side. A book of fewer than ten levels a side by subscription cannot be verified.
    state: AWAITING_SNAPSHOT, LIVE or SUSPECT. proven: the last checksum due agreed, and nothing came after it that
    could not be checked. good_ns: receive time at which the book was last good. tick, lot: steps of price and size, 0
    for none. symbol_code: of the columns in use. rows: since the last key frame. last_ns, last_ms, last_seq: receive
    time, SendingTime(52) and MsgSeqNum(34) of the last message applied. proof: its witnesses.
    """

    def __init__(self, depth: int) -> None:
        self.bids, self.offers = BookSide(0), BookSide(1)
        self.depth = depth
        self.live = AWAITING_SNAPSHOT
        self.proven = False
        self.good_ns = _NULL
        self.tick = self.lot = 0
        self.price_scale = self.size_scale = 0
        self.symbol_code = -1
        self.rows = 0
        self.last_ns = self.last_ms = self.last_seq = 0
        self.proof = 0
        self._bid_price = self._bid_size = self._offer_price = self._offer_size = _NULL
        self._crc = 0

    def crc32(self) -> int:
        """Return the CRC32 of the best ten levels of each side."""
        return int(self._checksum())

    @cython.locals(other="BookCore")
    def take_over(self, other: "BookCore") -> None:
        """Be in the state that another book is in; depth, precisions and steps are one's own."""
        self.bids.take_over(other.bids)
        self.offers.take_over(other.offers)
        self.live, self.proven, self.proof, self.rows = other.live, other.proven, other.proof, other.rows
        self.good_ns, self.last_ns, self.last_ms, self.last_seq = (
            other.good_ns,
            other.last_ns,
            other.last_ms,
            other.last_seq,
        )
        self._bid_price, self._bid_size = other._bid_price, other._bid_size
        self._offer_price, self._offer_size = other._offer_price, other._offer_size

    def moved(self) -> bool:
        """Return whether the top of book is another than when this was last asked."""
        return bool(self._moved())

    def _checksum(self) -> int:
        """Return the CRC32 of offers, then bids; each side is looked at anew only where its best ten levels changed.

        The two are joined as zlib's crc32_combine does: bytes that follow a text move its CRC by their count alone, and
        their own CRC is added.
        """
        if self.offers._changed:
            self.offers._sum()
        elif not self.bids._changed:
            return self._crc
        if self.bids._changed:
            self.bids._sum()
        self._crc = _shift(self.offers._crc, self.bids._text_bytes) ^ self.bids._crc
        return self._crc

    @cython.locals(
        bid_price=cython.longlong, bid_size=cython.longlong, offer_price=cython.longlong, offer_size=cython.longlong
    )
    def _moved(self) -> bool:
        bid_price = bid_size = offer_price = offer_size = _NULL
        if self.bids.count:
            bid_price = self.bids._levels[2 * self.bids.count - 2]
            bid_size = self.bids._levels[2 * self.bids.count - 1]
        if self.offers.count:
            offer_price = -self.offers._levels[2 * self.offers.count - 2]
            offer_size = self.offers._levels[2 * self.offers.count - 1]
        if (
            bid_price == self._bid_price
            and bid_size == self._bid_size
            and offer_price == self._offer_price
            and offer_size == self._offer_size
        ):
            return False
        self._bid_price, self._bid_size = bid_price, bid_size
        self._offer_price, self._offer_size = offer_price, offer_size
        return True
