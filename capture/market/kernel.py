# cython: language_level=3, annotation_typing=False
"""The fast lane's first half: bytes of one connection to decoded snapshots and refreshes, as columns.

Layer: market, beside `decoder`, whose results it must give wherever it gives any. No I/O, no clock. Plain Python that
Cython compiles; it allocates nothing for a message.
Source: design section 3; FIX 4.4 volume 1; venue reference 4.5 to 4.7.
Left to others: whatever is not a good W or X in its turn, of a subscription it was told of (`wire.framer`, `session`,
`decoder`); what entries do to a book (`book.kernel`).

A call takes one frame after the other: BodyLength(9) and CheckSum(10) right, the CompIDs, MsgSeqNum(34) the next one,
SendingTime(52) of today and near, no PossDupFlag(43), entries that read. It stops before the first frame of which any
of that cannot be said. The slow lane then judges that frame; so nothing here needs to know what is wrong with one.
"""

from array import array
from typing import Any, Final

import cython

MESSAGES_LIMIT: Final = 4096  # Decoded in one call.
ENTRIES_LIMIT: Final = 16_384  # Of all of them together; a message of more is not for this lane.
SUBSCRIPTIONS_LIMIT: Final = 65_536  # Of one connection; those after it go by the slow lane.
_SUBSCRIPTIONS_MIN: Final = 256
_KNOWN_BYTES: Final = 64  # Of one subscription, a cache line: a head, then MDReqID(262) and Symbol(55).
_HEAD_BYTES: Final = 9  # Bytes of either, both precisions, whether enabled, whether there at all; index in 3 bytes.

_DIGITS_LIMIT = cython.declare(cython.int, 18)
_NULL = cython.declare(cython.longlong, -(2**63))
_DAY_MS = cython.declare(cython.longlong, 86_400_000)
_AHEAD_MS = cython.declare(cython.longlong, 5_000)  # As `decoder.ENTRY_AHEAD_LIMIT_MS`; a test holds them equal.
_FNV_BASIS = cython.declare(cython.uint, 2166136261)
_FNV_PRIME = cython.declare(cython.uint, 16777619)
_MASK = cython.declare(cython.uint, 0xFFFFFFFF)
_KNOWN = cython.declare(cython.Py_ssize_t, 64)  # As _KNOWN_BYTES and _HEAD_BYTES, for the compiler.
_HEAD = cython.declare(cython.Py_ssize_t, 9)
_SOH = cython.declare(cython.int, 1)
_MESSAGES = cython.declare(cython.int, 4096)
_ENTRIES = cython.declare(cython.int, 16_384)

# What a call stopped at.
PARTIAL: Final = 0  # No more bytes, or not all of a frame's.
FULL: Final = 1  # No room for more messages: call again once these are applied.
FOREIGN: Final = 2  # A frame, or what should be one, that is not this lane's.

_BEGIN: Final = b"8=FIX.4.4\x019="


class Staged:
    """Messages decoded and not yet applied, as columns; the same arrays are used again and again.

    Shapes: message n has the entries from `entry_end[n - 1]` (0 for the first) to `entry_end[n]`.
    Units: prices and sizes scaled by the instrument's precisions; times in ms since the epoch; offsets into the buffer.
    """

    def __init__(self) -> None:
        self.begin = array("i", bytes(4 * MESSAGES_LIMIT))
        self.size = array("i", bytes(4 * MESSAGES_LIMIT))
        self.subscription = array("i", bytes(4 * MESSAGES_LIMIT))
        self.snapshot = array("b", bytes(MESSAGES_LIMIT))  # 1 for 35=W.
        self.seq = array("q", bytes(8 * MESSAGES_LIMIT))
        self.sending_ms = array("q", bytes(8 * MESSAGES_LIMIT))
        self.checksum = array("q", bytes(8 * MESSAGES_LIMIT))  # 5041; null where absent.
        self.entry_end = array("i", bytes(4 * MESSAGES_LIMIT))
        self.update = array("b", bytes(ENTRIES_LIMIT))  # MDUpdateAction(279)
        self.entry_type = array("b", bytes(ENTRIES_LIMIT))  # MDEntryType(269)
        self.price = array("q", bytes(8 * ENTRIES_LIMIT))
        self.entry_size = array("q", bytes(8 * ENTRIES_LIMIT))
        self.entry_ms = array("q", bytes(8 * ENTRIES_LIMIT))  # Null where absent.
        self.id_begin = array("i", bytes(4 * ENTRIES_LIMIT))  # MDEntryID(278) of a trade; elsewhere of no meaning.
        self.id_size = array("i", bytes(4 * ENTRIES_LIMIT))
        self.order_type = array("b", bytes(ENTRIES_LIMIT))
        self.aggressor_side = array("b", bytes(ENTRIES_LIMIT))


@cython.final
@cython.cclass
class MarketDecoder:
    """Decodes the market data of one connection after another. Tell it `expect`, `register` and `today`; then `decode`.

    stopped: what the last call stopped at. next_seq: MsgSeqNum(34) expected, before a call and after what it decoded.
    earliest_ms, latest_ms: what SendingTime(52) may be, both included.
    """

    def __init__(self) -> None:
        staged = Staged()
        self.staged = staged
        self._begin, self._size = staged.begin, staged.size
        self._subscription, self._snapshot, self._seq = staged.subscription, staged.snapshot, staged.seq
        self._sending_ms, self._checksum, self._entry_end = staged.sending_ms, staged.checksum, staged.entry_end
        self._update, self._entry_type = staged.update, staged.entry_type
        self._price, self._entry_size, self._entry_ms = staged.price, staged.entry_size, staged.entry_ms
        self._id_begin, self._id_size = staged.id_begin, staged.id_size
        self._order_type, self._aggressor_side = staged.order_type, staged.aggressor_side
        self._price_decimals, self._size_decimals = _small(ENTRIES_LIMIT), _small(ENTRIES_LIMIT)
        self._price_digits, self._size_digits = _small(ENTRIES_LIMIT), _small(ENTRIES_LIMIT)
        self._powers = array("q", (int("1".ljust(digits, "0")) for digits in range(1, 20)))
        self._template = bytearray(_BEGIN)
        self._buffer = self._nothing = bytearray(1)
        self._date = bytearray(9)
        self.stopped = PARTIAL
        self.next_seq = 1
        self.earliest_ms = self.latest_ms = self._midnight_ms = 0
        self.expect(b"", b"")

    def expect(self, sender: bytes, target: bytes) -> None:
        """Begin a connection: SenderCompID(49) and TargetCompID(56) of what is to come; no subscription is known."""
        self._sender, self._target = bytearray(sender), bytearray(target)
        self._registered: list[tuple[bytes, bytes]] = []
        self._room(_SUBSCRIPTIONS_MIN)

    def _room(self, subscriptions: int) -> None:
        """Have room for so many subscriptions, a power of two, those already known among them."""
        self._known = bytearray(_KNOWN_BYTES * 4 * subscriptions)
        self._mask = 4 * subscriptions - 1
        self._slots = array("i", bytes(4 * subscriptions))
        self._count = 0
        for md_req_id, symbol in self._registered:
            self._add(md_req_id, symbol)
        self._capacity = subscriptions

    def today(self, date: bytes, midnight_ms: int) -> None:
        """Say which date SendingTime(52) bears, `YYYYMMDD-`, and when that day began."""
        self._date = bytearray(date)
        self._midnight_ms = midnight_ms

    def register(self, md_req_id: bytes, symbol: bytes) -> int:
        """Make a subscription known, disabled; return its index, from zero on, or -1 where it has no room here."""
        index = self._count
        if index >= SUBSCRIPTIONS_LIMIT or _HEAD_BYTES + len(md_req_id) + len(symbol) > _KNOWN_BYTES:
            return -1
        if index == self._capacity:
            heads = [bytes(self._known[at : at + _HEAD_BYTES]) for at in (_KNOWN_BYTES * slot for slot in self._slots)]
            self._room(2 * index)
            for known, head in enumerate(heads):
                self.enable(known, head[2], head[3], bool(head[4]))
        self._registered.append((md_req_id, symbol))
        self._add(md_req_id, symbol)
        return int(index)

    @cython.locals(at=cython.Py_ssize_t, index=cython.int, slot=cython.uint, byte=cython.int)
    def _add(self, md_req_id: bytes, symbol: bytes) -> None:
        index = self._count
        head = bytes((len(md_req_id), len(symbol), 0, 0, 0, 1, index & 255, index >> 8 & 255, index >> 16))
        record = bytearray(head + md_req_id + symbol)
        self._buffer = record
        slot = self._hash(_HEAD, len(md_req_id)) & self._mask
        self._buffer = self._nothing
        while self._known[_KNOWN * slot + 5]:
            slot = (slot + 1) & self._mask
        at = _KNOWN * slot
        for byte in record:
            self._known[at] = byte
            at += 1
        self._slots[index] = slot
        self._count = index + 1

    @cython.locals(index=cython.int, at=cython.Py_ssize_t)
    def enable(self, index: int, price_scale: int, size_scale: int, on: bool) -> None:
        """Say by which precisions a subscription's messages are read, and whether they are this lane's at all."""
        at = _KNOWN * self._slots[index]
        self._known[at + 2], self._known[at + 3], self._known[at + 4] = price_scale, size_scale, 1 if on else 0

    def decode(self, buffer: bytearray, at: int, end: int) -> int:
        """Decode the frames from `at` on until one is not this lane's; return how many are in `staged`.

        The next frame begins where the last of them ends. `stopped` says why it is not among them.
        """
        self._buffer = buffer
        try:
            return int(self._decode(at, end))
        finally:
            self._buffer = self._nothing  # A buffer that is looked at cannot grow.

    @cython.locals(
        count=cython.int,
        entries=cython.int,
        after=cython.int,
        body=cython.Py_ssize_t,
        length=cython.Py_ssize_t,
        trailer=cython.Py_ssize_t,
        place=cython.Py_ssize_t,
        total=cython.uint,
        byte=cython.int,
        seq=cython.longlong,
    )
    def _decode(self, at: int, end: int) -> int:
        count = 0
        entries = 0
        seq = self.next_seq
        self.stopped = FOREIGN
        while True:
            if count == _MESSAGES or _ENTRIES - entries < 64:
                self.stopped = FULL
                break
            if end - at < 24:
                self.stopped = PARTIAL
                break
            place = 0
            while place < 12 and self._buffer[at + place] == self._template[place]:
                place += 1
            if place < 12:
                break
            body = at + 12
            length = 0
            while body < at + 20 and 48 <= self._buffer[body] <= 57:
                length = length * 10 + self._buffer[body] - 48
                body += 1
            if self._buffer[body] != _SOH or body == at + 12:
                break
            body += 1
            trailer = body + length
            if trailer + 7 > end:
                self.stopped = PARTIAL
                break
            # 35=W or 35=X, and 10=ddd where BodyLength(9) says.
            if length < 8 or self._buffer[body] != 51 or self._buffer[body + 1] != 53 or self._buffer[body + 2] != 61:
                break
            byte = self._buffer[body + 3]
            if (byte != 87 and byte != 88) or self._buffer[body + 4] != _SOH:
                break
            if (
                self._buffer[trailer - 1] != _SOH
                or self._buffer[trailer] != 49
                or self._buffer[trailer + 1] != 48
                or self._buffer[trailer + 2] != 61
                or self._buffer[trailer + 6] != _SOH
                or not 48 <= self._buffer[trailer + 3] <= 57
                or not 48 <= self._buffer[trailer + 4] <= 57
                or not 48 <= self._buffer[trailer + 5] <= 57
            ):
                break
            total = 0
            for place in range(at, trailer):
                total += self._buffer[place]
            if (total & 255) != (
                (self._buffer[trailer + 3] - 48) * 100
                + (self._buffer[trailer + 4] - 48) * 10
                + (self._buffer[trailer + 5] - 48)
            ):
                break
            after = self._fields(body + 5, trailer, byte == 88, count, entries, seq)
            if after < 0:
                if after == -2 and entries > 0:
                    self.stopped = FULL
                break
            entries = after
            self._begin[count] = at
            self._size[count] = trailer + 7 - at
            self._snapshot[count] = 1 if byte == 87 else 0
            self._seq[count] = seq
            self._entry_end[count] = entries
            count += 1
            seq += 1
            at = trailer + 7
        self.next_seq = seq
        return count

    @cython.locals(
        entry=cython.int,
        tag=cython.int,
        value=cython.Py_ssize_t,
        size=cython.Py_ssize_t,
        header=cython.int,
        seen=cython.int,
        delimiter=cython.int,
        announced=cython.longlong,
        checksum=cython.longlong,
        sending_ms=cython.longlong,
        digits=cython.int,
        id_at=cython.Py_ssize_t,
        id_size=cython.Py_ssize_t,
        symbol_at=cython.Py_ssize_t,
        symbol_size=cython.Py_ssize_t,
        known=cython.Py_ssize_t,
        byte=cython.int,
    )
    def _fields(self, at: int, end: int, incremental: bool, count: int, first: int, seq: int) -> int:
        """Read the fields of one frame; return where its entries end.

        -1 where it is not this lane's, -2 where there is no room for its entries.
        """
        entry = first - 1
        header = 0  # A bit for each field outside the entries that was seen.
        seen = 0  # A bit for each field of the present entry.
        delimiter = 279 if incremental else 269
        announced = -1
        checksum = _NULL
        sending_ms = 0
        id_at = id_size = symbol_at = symbol_size = 0
        while at < end:
            byte = self._buffer[at]
            if not 49 <= byte <= 57:
                return -1
            tag = byte - 48
            at += 1
            while at < end and 48 <= self._buffer[at] <= 57 and tag < 100_000:
                tag = tag * 10 + self._buffer[at] - 48
                at += 1
            if at >= end or self._buffer[at] != 61 or tag >= 100_000:
                return -1
            value = at + 1
            at = value
            while self._buffer[at] != _SOH:  # One ends the frame.
                at += 1
            size = at - value
            at += 1
            if tag == delimiter:
                if entry >= first and (seen & 7) != 7:  # Type, price or size of the entry before was not there.
                    return -1
                entry += 1
                if entry >= _ENTRIES:
                    return -2
                if size != 1:
                    return -1
                seen = 0
                self._entry_ms[entry] = _NULL
                self._id_size[entry] = 0
                self._order_type[entry] = 0
                self._aggressor_side[entry] = 0
                self._update[entry] = 0
                byte = self._buffer[value] - 48
                if incremental:
                    if not 0 <= byte <= 2:
                        return -1
                    self._update[entry] = byte
                else:
                    if not 0 <= byte <= 1:
                        return -1
                    self._entry_type[entry] = byte
                    seen = 1
            elif tag == 270 or tag == 271:
                if entry < first:
                    return -1
                digits = self._decimal(value, size)
                if digits < 0:
                    return -1
                if tag == 270:
                    if seen & 2:
                        return -1
                    seen |= 2
                    self._price[entry], self._price_decimals[entry] = self._parsed, self._decimals
                    self._price_digits[entry] = digits
                else:
                    if seen & 4:
                        return -1
                    seen |= 4
                    self._entry_size[entry], self._size_decimals[entry] = self._parsed, self._decimals
                    self._size_digits[entry] = digits
            elif tag == 273:
                if entry < first or seen & 8 or not self._time_of_day(value, size):
                    return -1
                seen |= 8
                self._entry_ms[entry] = self._parsed
            elif tag == 269:  # Of a refresh: of a snapshot it is the delimiter.
                if entry < first or seen & 1 or size != 1 or not 48 <= self._buffer[value] <= 50:
                    return -1
                seen |= 1
                self._entry_type[entry] = self._buffer[value] - 48
            elif tag == 278:
                if entry < first or seen & 16 or size > 4096:
                    return -1
                seen |= 16
                self._id_begin[entry], self._id_size[entry] = value, size
            elif tag == 40:
                if entry < first or seen & 32:
                    return -1
                seen |= 32
                if size == 1 and 48 <= self._buffer[value] <= 57:
                    self._order_type[entry] = self._buffer[value] - 48
            elif tag == 2446:
                if entry < first or seen & 64:
                    return -1
                seen |= 64
                if size == 1 and 48 <= self._buffer[value] <= 57:
                    self._aggressor_side[entry] = self._buffer[value] - 48
            elif tag == 5041:
                if not self._integer(value, size):
                    return -1
                checksum = self._parsed
            elif tag == 55:
                if header & 1 or size == 0:
                    return -1
                header |= 1
                symbol_at, symbol_size = value, size
            elif tag == 262:
                if header & 2 or size == 0:
                    return -1
                header |= 2
                id_at, id_size = value, size
            elif tag == 268:
                if header & 4 or not self._integer(value, size):
                    return -1
                header |= 4
                announced = self._parsed
            elif tag == 34:
                if header & 8 or entry >= first or not self._integer(value, size) or self._parsed != seq:
                    return -1
                header |= 8
            elif tag == 52:
                if header & 16 or entry >= first or not self._sending(value, size):
                    return -1
                header |= 16
                sending_ms = self._parsed
            elif tag == 49:
                if header & 32 or entry >= first or not self._same(value, size, self._sender):
                    return -1
                header |= 32
            elif tag == 56:
                if header & 64 or entry >= first or not self._same(value, size, self._target):
                    return -1
                header |= 64
            elif tag < 11 or tag == 35 or tag == 43 or tag == 122:
                return -1
        if header != 127 or announced != entry + 1 - first:
            return -1
        if entry >= first and (seen & 7) != 7:
            return -1
        known = self._find(id_at, id_size, symbol_at, symbol_size)
        if known < 0 or not self._known[known + 4]:
            return -1
        if not self._finish(known, first, entry + 1, sending_ms):
            return -1
        self._subscription[count] = self._known[known + 6] | self._known[known + 7] << 8 | self._known[known + 8] << 16
        self._sending_ms[count] = sending_ms
        self._checksum[count] = checksum
        return entry + 1

    @cython.locals(
        entry=cython.int,
        latest=cython.longlong,
        at_ms=cython.longlong,
        midnight=cython.longlong,
        price=cython.longlong,
        size=cython.longlong,
        price_scale=cython.int,
        size_scale=cython.int,
        more=cython.int,
        place=cython.Py_ssize_t,
    )
    def _finish(self, known: int, first: int, end: int, sending_ms: int) -> bool:
        """Scale prices and sizes by the subscription's precisions, and date the entries' times."""
        price_scale, size_scale = self._known[known + 2], self._known[known + 3]
        midnight = self._midnight_ms
        latest = sending_ms + _AHEAD_MS
        for entry in range(first, end):
            price, more = self._price[entry], price_scale - self._price_decimals[entry]
            while more < 0 and price % 10 == 0:
                price //= 10
                more += 1
            if more < 0 or self._price_digits[entry] + more > _DIGITS_LIMIT:
                return False
            price *= self._powers[more]
            if price <= 0:
                return False
            self._price[entry] = price
            size, more = self._entry_size[entry], size_scale - self._size_decimals[entry]
            while more < 0 and size % 10 == 0:
                size //= 10
                more += 1
            if more < 0 or self._size_digits[entry] + more > _DIGITS_LIMIT:
                return False
            self._entry_size[entry] = size * self._powers[more]
            at_ms = self._entry_ms[entry]
            if at_ms != _NULL:
                at_ms += midnight + _DAY_MS
                while at_ms > latest:
                    at_ms -= _DAY_MS
                self._entry_ms[entry] = at_ms
            if self._entry_type[entry] == 2:
                for place in range(self._id_begin[entry], self._id_begin[entry] + self._id_size[entry]):
                    if not 32 <= self._buffer[place] < 127:
                        return False
        return True

    @cython.locals(end=cython.Py_ssize_t, number=cython.longlong, byte=cython.int)
    def _integer(self, at: int, size: int) -> bool:
        """Read an integer into `_parsed`; return whether it is one."""
        if size < 1 or size > _DIGITS_LIMIT:
            return False
        number = 0
        end = at + size
        while at < end:
            byte = self._buffer[at] - 48
            if not 0 <= byte <= 9:
                return False
            number = number * 10 + byte
            at += 1
        self._parsed = number
        return True

    @cython.locals(
        end=cython.Py_ssize_t, point=cython.Py_ssize_t, number=cython.longlong, digits=cython.int, byte=cython.int
    )
    def _decimal(self, at: int, size: int) -> int:
        """Read digits, and a point and digits where there is one, into `_parsed` and `_decimals`.

        Return how many digits there were, or -1 where it is anything else, or too long for an int64.
        """
        if size < 1 or size > _DIGITS_LIMIT + 1:
            return -1
        number = 0
        digits = 0
        end = at + size
        point = -1
        while at < end:
            byte = self._buffer[at] - 48
            if 0 <= byte <= 9:
                number = number * 10 + byte
                digits += 1
            elif byte == -2 and point < 0 and digits > 0:
                point = at
            else:
                return -1
            at += 1
        if digits > _DIGITS_LIMIT or point == end - 1:
            return -1
        self._parsed = number
        self._decimals = 0 if point < 0 else end - point - 1
        return digits

    @cython.locals(place=cython.int, hours=cython.int, minutes=cython.int, seconds=cython.int, millis=cython.int)
    def _time_of_day(self, at: int, size: int) -> bool:
        """Read HH:MM:SS or HH:MM:SS.sss into `_parsed` as ms since midnight; return whether it is one."""
        if size != 12 and size != 8:
            return False
        if self._buffer[at + 2] != 58 or self._buffer[at + 5] != 58:
            return False
        hours, minutes, seconds = self._two_digits(at), self._two_digits(at + 3), self._two_digits(at + 6)
        millis = 0
        if size == 12:
            place = self._buffer[at + 11] - 48
            millis = self._two_digits(at + 9)
            if self._buffer[at + 8] != 46 or millis < 0 or not 0 <= place <= 9:
                return False
            millis = 10 * millis + place
        if hours < 0 or minutes < 0 or seconds < 0:
            return False
        if hours > 23 or minutes > 59 or seconds > 60:
            return False
        self._parsed = ((hours * 60 + minutes) * 60 + seconds) * 1000 + millis
        return True

    @cython.locals(tens=cython.int, ones=cython.int)
    def _two_digits(self, at: int) -> int:
        """Return the number that two digits are, or -1 where they are none."""
        tens, ones = self._buffer[at] - 48, self._buffer[at + 1] - 48
        return 10 * tens + ones if 0 <= tens <= 9 and 0 <= ones <= 9 else -1

    @cython.locals(place=cython.int, at_ms=cython.longlong)
    def _sending(self, at: int, size: int) -> bool:
        """Read SendingTime(52) of today into `_parsed` as ms since the epoch; return whether it is one, and near."""
        if size != 21 and size != 17:
            return False
        for place in range(9):
            if self._buffer[at + place] != self._date[place]:
                return False
        if not self._time_of_day(at + 9, size - 9):
            return False
        at_ms = self._midnight_ms + self._parsed
        self._parsed = at_ms
        return self.earliest_ms <= at_ms <= self.latest_ms

    @cython.locals(slot=cython.uint, known=cython.Py_ssize_t, at=cython.Py_ssize_t, place=cython.Py_ssize_t)
    def _find(self, id_at: int, id_size: int, symbol_at: int, symbol_size: int) -> int:
        """Return where what is known of the subscription with this MDReqID(262) and Symbol(55) stands, or -1."""
        slot = self._hash(id_at, id_size) & self._mask
        while True:  # Three slots of four are free at least.
            known = _KNOWN * slot
            if not self._known[known + 5]:
                return -1
            if self._known[known] == id_size and self._known[known + 1] == symbol_size:
                at = known + _HEAD
                place = 0
                while place < id_size and self._known[at + place] == self._buffer[id_at + place]:
                    place += 1
                if place == id_size:
                    at += id_size
                    place = 0
                    while place < symbol_size and self._known[at + place] == self._buffer[symbol_at + place]:
                        place += 1
                    if place == symbol_size:
                        return known
            slot = (slot + 1) & self._mask

    @cython.locals(place=cython.Py_ssize_t)
    def _same(self, at: int, size: int, expected: Any) -> bool:
        if size != len(expected):
            return False
        for place in range(size):
            if self._buffer[at + place] != expected[place]:
                return False
        return True

    @cython.locals(place=cython.Py_ssize_t, number=cython.uint)
    def _hash(self, at: int, size: int) -> int:
        """Return FNV-1a of some bytes, folded: texts that differ in one digit only must not crowd."""
        number = _FNV_BASIS
        for place in range(at, at + size):
            number = ((number ^ self._buffer[place]) * _FNV_PRIME) & _MASK
        return number ^ (number >> 15)


def _small(count: int) -> "array[int]":
    return array("b", bytes(count))
