"""A book seen down to a depth: what each change of the full book looks like to who subscribed to less of it.

Layer: venue. Keeps entries as the bytes that they are on the wire; parses prices, never sizes.
Source: venue reference 4.6, "Meaning of delete" and "Levels coming into view"; section 7, rows 6 to 11.
Left to others: where the changes come from (`venue.recording`, `venue.market`).

One rule for both: a level that is pushed out of the view is announced as a delete that says what it still holds, in
the same message and before the level that pushed it; a level that comes into view is new, and bears its own old time.
"""

import zlib
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from typing import Final

from capture.book.checksum import CHECKSUM_LEVELS
from capture.market.requests import FULL_DEPTH
from capture.venue.source import Body, Shape
from capture.wire import tags, values
from capture.wire.message import Field, Message

NEW, CHANGE, DELETE = b"279=0\x01", b"279=1\x01", b"279=2\x01"
_ACTIONS: Final = {b"0": NEW, b"1": CHANGE, b"2": DELETE}
# What belongs to the message and not to an entry, wherever it stands.
_OUTSIDE: Final = frozenset({tags.MSG_TYPE, tags.MD_REQ_ID, tags.SYMBOL, tags.NO_MD_ENTRIES, tags.CHECKSUM_ORDER_BOOK})

# A level: its entry up to and with `271=`, its size and `273=…` as on the wire, and its part of the checksum.
Level = tuple[bytes, bytes, bytes, bytes]


class SideView:
    """One side of the full book and what is seen of it.

    Keys ascend to the best: a bid's is its price, an offer's its price negated. depth: levels in view.
    """

    __slots__ = ("_announce", "_delete_first", "_depth", "_top", "keys", "levels")

    def __init__(self, shape: Shape) -> None:
        self.keys: list[int] = []
        self.levels: dict[int, Level] = {}
        self._depth = shape.depth or FULL_DEPTH
        self._announce = shape.evicted == "announced"
        self._delete_first = shape.evicted_order == "delete-first"
        self._top: bytes | None = None

    def clear(self) -> None:
        """Forget every level."""
        self.keys.clear()
        self.levels.clear()
        self._top = None

    def add(self, key: int, level: Level) -> None:
        """Take a level of a snapshot."""
        if key not in self.levels:
            self.keys.insert(bisect_left(self.keys, key), key)
        self.levels[key] = level
        self._top = None

    def set(self, key: int, level: Level, out: list[bytes], action: bytes | None = None) -> None:
        """Set a level, and append what is seen of it; `action` is what to call it, by default what it is."""
        keys, levels = self.keys, self.levels
        pushed = -1
        if key in levels:
            index = bisect_left(keys, key)
        else:
            index = bisect_left(keys, key)
            keys.insert(index, key)
            pushed = len(keys) - 1 - self._depth
            action = action or NEW
        levels[key] = level
        from_best = len(keys) - 1 - index
        if from_best < CHECKSUM_LEVELS:
            self._top = None
        if from_best >= self._depth:
            return
        head, size, time, _ = level
        if pushed >= 0 and self._announce:
            gone_head, gone_size, _, _ = levels[keys[pushed]]
            evicted = b"%b%b%b%b" % (DELETE, gone_head, gone_size, time)
            entry = b"%b%b%b%b" % (action or NEW, head, size, time)
            out.extend((evicted, entry) if self._delete_first else (entry, evicted))
        else:
            out.append(b"%b%b%b%b" % (action or CHANGE, head, size, time))

    def take(self, key: int, level: Level, out: list[bytes]) -> None:
        """Lower a level to what a trade leaves of it; who sees levels alone sees a change."""
        self.set(key, level, out)

    def remove(self, key: int, time: bytes, out: list[bytes], size: bytes = b"0.0\x01") -> bool:
        """Remove a level, and append what is seen of it and of the one that comes into view; False: not held."""
        keys = self.keys
        level = self.levels.pop(key, None)
        if level is None:
            return False
        index = bisect_left(keys, key)
        from_best = len(keys) - 1 - index
        del keys[index]
        if from_best < CHECKSUM_LEVELS:
            self._top = None
        if from_best < self._depth:
            out.append(b"%b%b%b%b" % (DELETE, level[0], size, time))
            if len(keys) >= self._depth:
                head, old_size, old_time, _ = self.levels[keys[-self._depth]]
                out.append(b"%b%b%b%b" % (NEW, head, old_size, old_time))
        return True

    def cut(self) -> None:
        """Forget what is out of view: who subscribed to no more is never told of it again."""
        gone = len(self.keys) - self._depth
        if gone > 0:
            for key in self.keys[:gone]:
                del self.levels[key]
            del self.keys[:gone]

    def seen(self) -> Iterator[bytes]:
        """Yield the entries of a snapshot, best first."""
        for key in reversed(self.keys[-self._depth :]):
            head, size, time, _ = self.levels[key]
            yield b"%b%b%b" % (head, size, time)

    def checked(self) -> bytes:
        """Return this side's part of what 5041 is the CRC of; kept as long as the ten best levels stand."""
        if self._top is None:
            levels = self.levels
            best = self.keys[-CHECKSUM_LEVELS:]
            best.reverse()
            self._top = b"".join([levels[key][3] for key in best])
        return self._top


class BookView:
    """Both sides, and the messages about them. at_ns: venue time since the stream began, kept by who tells changes."""

    __slots__ = ("_before", "_shape", "at_ns", "bids", "offers")

    def __init__(self, symbol: str, shape: Shape) -> None:
        self.bids, self.offers = SideView(shape), SideView(shape)
        self.at_ns = 0
        self._shape = shape
        self._before = b"55=%b\x01262=" % symbol.encode()

    def checksum(self) -> bytes:
        """Return the value of ChecksumOrderBook(5041), of the full book whatever is seen of it."""
        return b"%d" % zlib.crc32(self.offers.checked() + self.bids.checked())

    def snapshot(self, offset_ns: int) -> Body:
        """Return the whole view as a W."""
        entries = [*self.offers.seen(), *self.bids.seen()]
        after = b"\x01268=%d\x01%b" % (len(entries), b"".join(entries))
        return Body.of(offset_ns, tags.MARKET_DATA_SNAPSHOT, self._before, after, has_book=True, has_trades=False)

    def refresh(
        self,
        offset_ns: int,
        entries: list[bytes],
        checksum: bytes | None,
        *,
        has_book: bool = True,
        has_trades: bool = False,
    ) -> Body:
        """Return entries as an X, with 5041 as the switches want it."""
        shape = self._shape
        if shape.checksum == "omitted" or (shape.depth == 1 and not shape.depth_1_checksum):
            checksum = None
        summed = b"" if checksum is None else b"5041=%b\x01" % checksum
        if shape.checksum == "entry" and len(entries) > 1:
            entries = [entries[0] + summed, *entries[1:]]
            summed = b""
        after = b"\x01268=%d\x01%b%b" % (len(entries), b"".join(entries), summed)
        return Body.of(
            offset_ns, tags.MARKET_DATA_INCREMENTAL, self._before, after, has_book=has_book, has_trades=has_trades
        )


class FollowedBook:
    """The book of a recorded stream, to be shown whole at any moment of it.

    depth: levels that were subscribed, 0 for all; one that is pushed out of them is gone, whether that is said or not.
    precision: decimals of price and size as the stream's instrument has them.
    """

    __slots__ = ("_precision", "_shape", "_view")

    def __init__(self, symbol: str, depth: int, precision: tuple[int, int]) -> None:
        self._shape = Shape(depth or FULL_DEPTH, evicted="silent")
        self._view = BookView(symbol, self._shape)
        self._precision = precision

    def take(self, body: Body) -> None:
        """Take the next message of the stream, a snapshot first."""
        if not body.has_book:
            return
        message = Message(_fields(body), b"")
        if body.msg_type == tags.MARKET_DATA_SNAPSHOT:
            _show(self._view, message, self._precision[0], None)
        else:
            for entry in message.group(tags.MD_UPDATE_ACTION, _OUTSIDE):
                if entry[tags.MD_ENTRY_TYPE] != b"2":
                    _apply(self._view, entry, [], self._shape, self._precision[0], None)
        self._view.bids.cut()
        self._view.offers.cut()

    def snapshot(self, offset_ns: int) -> Body:
        """Return the book as it stands as a W."""
        return self._view.snapshot(offset_ns)


def _show(view: BookView, message: Message, decimals: int, anew: tuple[int, int] | None) -> None:
    """Take a snapshot in place of what there was."""
    view.bids.clear()
    view.offers.clear()
    for entry in message.group(tags.MD_ENTRY_TYPE, _OUTSIDE):
        side, key = _place(view, entry, decimals)
        side.add(key, _level(entry, anew))


def derived(bodies: Iterable[Body], symbol: str, shape: Shape, precision: tuple[int, int]) -> Iterator[Body]:
    """Yield what a stream of the full book looks like in another shape; a message that shows nothing is not sent.

    precision: decimals of price and size as the stream's instrument has them.
    """
    view = BookView(symbol, shape)
    anew = shape.precision if shape.precision not in {None, precision} else None
    for body in bodies:
        if not body.has_book:
            yield body
            continue
        message = Message(_fields(body), b"")
        if body.msg_type == tags.MARKET_DATA_SNAPSHOT:
            _show(view, message, precision[0], anew)
            yield view.snapshot(body.offset_ns)
            continue
        out: list[bytes] = []
        trades = 0
        for entry in message.group(tags.MD_UPDATE_ACTION, _OUTSIDE):
            if entry[tags.MD_ENTRY_TYPE] == b"2":
                out.append(_text(entry))
                trades += 1
            else:
                _apply(view, entry, out, shape, precision[0], anew)
        if out:
            shown = len(out) > trades
            checksum = message.get(tags.CHECKSUM_ORDER_BOOK) if anew is None else view.checksum()
            yield view.refresh(
                body.offset_ns, out, checksum if shown else None, has_book=shown, has_trades=body.has_trades
            )


def _apply(
    view: BookView,
    entry: dict[int, bytes],
    out: list[bytes],
    shape: Shape,
    decimals: int,
    anew: tuple[int, int] | None,
) -> None:
    side, key = _place(view, entry, decimals)
    action = _ACTIONS[entry[tags.MD_UPDATE_ACTION]]
    level = _level(entry, anew)
    if action is not DELETE:
        side.set(key, level, out, action)
        return
    evicted = level[1] != b"0.0\x01"
    unseen: list[bytes] = []
    side.remove(key, level[2], unseen if evicted and shape.evicted == "silent" else out, level[1])


def _fields(body: Body) -> list[Field]:
    fields: list[Field] = [(tags.MSG_TYPE, body.msg_type)]
    for part in (body.before + b"0" + body.after)[:-1].split(tags.SOH):
        tag, _, value = part.partition(b"=")
        fields.append((int(tag), value))
    return fields


def _place(view: BookView, entry: dict[int, bytes], decimals: int) -> tuple[SideView, int]:
    price, _ = values.scaled(entry[tags.MD_ENTRY_PX], decimals)
    return (view.offers, -price) if entry[tags.MD_ENTRY_TYPE] == b"1" else (view.bids, price)


def _text(entry: dict[int, bytes]) -> bytes:
    return b"".join([b"%d=%b\x01" % it for it in entry.items()])


def _level(entry: dict[int, bytes], precision: tuple[int, int] | None) -> Level:
    head, rest = b"", b""
    for tag, value in entry.items():
        if tag in {tags.MD_ENTRY_TYPE, tags.MD_ENTRY_ID, tags.MD_ENTRY_PX}:
            head += b"%d=%b\x01" % (tag, value)
        elif tag not in {tags.MD_UPDATE_ACTION, tags.MD_ENTRY_SIZE}:
            rest += b"%d=%b\x01" % (tag, value)
    price_text, size_text = entry[tags.MD_ENTRY_PX], entry[tags.MD_ENTRY_SIZE]
    checked = b""
    if precision is not None:
        checked = b"%d%d" % (values.scaled(price_text, precision[0])[0], values.scaled(size_text, precision[1])[0])
    return head + b"271=", size_text + b"\x01", rest, checked
