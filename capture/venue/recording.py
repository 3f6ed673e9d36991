"""FIX recordings to what a venue can serve again: instruments, and each symbol's messages without their header.

Layer: venue. Source: venue reference 4.2, 4.5, 4.6; the recordings' own README for how they were made.
Left to others: numbers, times and MDReqID(262) of whoever is served (`venue.acceptor`).

A recorded body is served as the bytes that were recorded: only the header and 262 are put anew, on bytes, with
BodyLength(9) and CheckSum(10) to match. Nothing is parsed and built again, so nothing can come out otherwise. At less
depth than recorded, or under a switch, it is the view of the full book that is served (`venue.view`).
"""

import gzip
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from capture.errors import MisuseError, ValueMalformed, WireError
from capture.market.requests import DEPTHS, FULL_DEPTH
from capture.venue.source import Body, Shape
from capture.venue.view import derived
from capture.wire import tags, values
from capture.wire.framer import Framer, Skipped
from capture.wire.message import Field, Message, split

RECORDING_BYTES_LIMIT: Final = 2 * 1024**3
SHIPPED: Final = Path(__file__).with_name("recordings")
_READ_BYTES: Final = 1 << 20
_HEADER: Final = frozenset(
    {
        tags.BEGIN_STRING, tags.BODY_LENGTH, tags.MSG_TYPE, tags.MSG_SEQ_NUM, tags.SENDER_COMP_ID,
        tags.TARGET_COMP_ID, tags.SENDING_TIME, tags.POSS_DUP_FLAG, tags.ORIG_SENDING_TIME, tags.CHECK_SUM,
    }
)  # fmt: skip
_INSTRUMENT_TAGS: Final = frozenset(
    {
        tags.SYMBOL, tags.MIN_TRADE_VOL, tags.QTY_PRECISION, tags.QTY_MIN, tags.QTY_MAX, tags.MINIMUM_COST,
        tags.PRICE_PRECISION, tags.TICK_SIZE, tags.ASSET_PAIR_STATUS,
    }
)  # fmt: skip


class RecordingUnusable(MisuseError):
    """A file that a venue cannot serve."""

    exit_code = 78

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(f"{path}: {problem}; use raw FIX bytes of a 35=y, 35=W and 35=X, plain or gzipped")
        self.path, self.problem = path, problem


@dataclass(slots=True)
class Stream:
    """One symbol's messages in their order, the first of them a snapshot."""

    symbol: str
    messages: list[Body] = field(default_factory=list)
    levels_most: int = 0
    began_ns: int = 0  # SendingTime(52) of its first message.

    @property
    def depth(self) -> int:
        """The least depth that shows every level that was recorded."""
        return next((depth for depth in DEPTHS if depth >= self.levels_most), DEPTHS[-1])


@dataclass(slots=True)
class Recordings:
    """Everything a venue serves: instrument fields and messages by symbol, in the order of the recordings."""

    instruments: dict[str, tuple[Field, ...]] = field(default_factory=dict)
    streams: dict[str, Stream] = field(default_factory=dict)

    def add_instruments(self, message: Message) -> None:
        """Take the instruments of a list (35=y), each in its newest version."""
        fields: list[Field] = []
        for tag, value in (*message.fields, (tags.SYMBOL, b"")):
            if tag == tags.SYMBOL and fields:
                self.instruments[fields[0][1].decode()] = tuple(fields)
                fields = []
            if tag == tags.SYMBOL or (fields and tag in _INSTRUMENT_TAGS):
                fields.append((tag, value))

    def duration_ns(self) -> int:
        """Return how long the longest stream lasts."""
        return max((it.messages[-1].offset_ns for it in self.streams.values() if it.messages), default=0)

    @property
    def has_orders(self) -> bool:
        """See Source: what was recorded are levels."""
        return False

    @property
    def symbols(self) -> Collection[str]:
        """Symbols that were recorded."""
        return self.streams.keys()

    def bodies(self, symbol: str, shape: Shape) -> Iterator[Body]:
        """Return one symbol's messages as recorded, or as seen in another shape."""
        stream = self.streams[symbol]
        if shape.is_plain and (shape.depth or FULL_DEPTH) >= stream.depth:
            return iter(stream.messages)
        if (shape.depth or FULL_DEPTH) > stream.depth:
            # Who asks for more than was recorded would not cut there: to it these levels are gone, and it must be told.
            shape = replace(shape, evicted="announced")
        return derived(stream.messages, symbol, shape, precision_of(self.instruments[symbol]))


def precision_of(fields: Iterable[Field]) -> tuple[int, int]:
    """Return the decimals of price and size of an instrument."""
    first = dict(fields)
    return values.precision(first[tags.PRICE_PRECISION]), values.precision(first[tags.QTY_PRECISION])


def load(paths: Iterable[Path]) -> Recordings:
    """Return the recordings of several files as one market. Errors: RecordingUnusable, also for a symbol in two."""
    recordings = Recordings()
    for path in paths:
        _load_one(recordings, path)
    if not recordings.streams:
        raise MisuseError("no recording was given; name at least one FIX file")
    return recordings


def shipped() -> Recordings:
    """Return the real recordings that come with the package."""
    return load(sorted(SHIPPED.glob("*.fix.gz")))


def _load_one(recordings: Recordings, path: Path) -> None:
    known = set(recordings.streams)
    framer = Framer()
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            total = 0
            while data := file.read(_READ_BYTES):
                total += len(data)
                if total > RECORDING_BYTES_LIMIT:
                    raise RecordingUnusable(path, f"it is larger than {RECORDING_BYTES_LIMIT} bytes")
                for item in framer.feed(data):
                    if isinstance(item, Skipped):
                        raise RecordingUnusable(path, f"{item.reason} at byte {item.stream_offset}")
                    _add(recordings, split(item.data), known, path)
            for skipped in framer.end():
                raise RecordingUnusable(path, f"{skipped.reason} at byte {skipped.stream_offset}")
    except OSError as error:
        raise RecordingUnusable(path, error.strerror or str(error)) from None
    except WireError as error:
        raise RecordingUnusable(path, str(error)) from None
    if not set(recordings.streams) - known:
        raise RecordingUnusable(path, "it holds no 35=W")


def _add(recordings: Recordings, message: Message, known: set[str], path: Path) -> None:
    if message.msg_type == tags.SECURITY_LIST:
        recordings.add_instruments(message)
    elif message.msg_type in {tags.MARKET_DATA_SNAPSHOT, tags.MARKET_DATA_INCREMENTAL}:
        symbol = message.text(tags.SYMBOL)
        if symbol in known:
            raise RecordingUnusable(path, f"{symbol} is in another recording too")
        if symbol not in recordings.instruments:
            raise RecordingUnusable(path, f"{symbol} comes before any 35=y that describes it")
        stream = recordings.streams.setdefault(symbol, Stream(symbol))
        snapshot = message.msg_type == tags.MARKET_DATA_SNAPSHOT
        if not stream.messages and not snapshot:
            return  # Not servable: there is no book yet to which it could apply.
        if snapshot:
            stream.levels_most = max(stream.levels_most, levels_of(message))
        at_ns = values.timestamp_ns(message.need(tags.SENDING_TIME))
        if not stream.messages:
            stream.began_ns = at_ns
        stream.messages.append(body_of(message, max(at_ns - stream.began_ns, 0)))


def levels_of(message: Message) -> int:
    """Return how many levels the longer side of a snapshot has."""
    entry_types = _entry_types(message)
    return max(entry_types.count(b"0"), entry_types.count(b"1"))


def _entry_types(message: Message) -> list[bytes]:
    return [value for tag, value in message.fields if tag == tags.MD_ENTRY_TYPE]


def body_of(message: Message, offset_ns: int) -> Body:
    """Return a recorded W or X without its header, due so long after its stream began. Errors: ValueMalformed."""
    entry_types = _entry_types(message)
    body = [(tag, value) for tag, value in message.fields if tag not in _HEADER]
    place = next((place for place, (tag, _) in enumerate(body) if tag == tags.MD_REQ_ID), None)
    if place is None:
        raise ValueMalformed(expected="MDReqID(262)", received=b"")
    before = b"".join(b"%d=%b\x01" % it for it in body[:place]) + b"%d=" % tags.MD_REQ_ID
    after = b"\x01" + b"".join(b"%d=%b\x01" % it for it in body[place + 1 :])
    return Body.of(
        offset_ns,
        message.msg_type,
        before,
        after,
        has_book=b"2" not in entry_types or len(set(entry_types)) > 1,
        has_trades=b"2" in entry_types,
    )
