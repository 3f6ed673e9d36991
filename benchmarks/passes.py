"""A stretch of a market that can be sent over and over: bodies made once, headers put before them at line rate.

A pass begins with a snapshot of every book, which is legal at any time, so that the same bodies and the same 5041 apply
again. Only MsgSeqNum(34), SendingTime(52), BodyLength(9) and CheckSum(10) are new each time.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from operator import itemgetter
from typing import Final

from capture.venue.source import Body, Shape, Source
from capture.wire import tags, values
from capture.wire.message import Field

BLOCK_LIMIT: Final = 1000  # Messages of a block; its numbers differ in their last three digits only.
_BEGIN: Final = "8=FIX.4.4\x019="
_TRAILERS: Final = [f"10={total:03d}\x01" for total in range(256)]
_DIGITS: Final = [sum(b"%d" % number) for number in range(BLOCK_LIMIT)]  # Sums of their digits as bytes.
_PADDED: Final = [sum(b"%03d" % number) for number in range(BLOCK_LIMIT)]


@dataclass(frozen=True)
class Pass:
    """Bodies in the order in which they go out, each with its symbol; the snapshots first.

    verified: how many have a 5041. entries: of all of them.
    """

    instruments: Mapping[str, tuple[Field, ...]]
    bodies: Sequence[tuple[str, Body]]
    snapshots: int
    verified: int
    entries: int

    def counted(self, messages: int) -> tuple[int, int]:
        """Return how many of so many messages, pass after pass, have a 5041, and how many entries they have."""
        whole, rest = divmod(messages, len(self.bodies))
        begun = [body.after for _, body in self.bodies[:rest]]
        verified = sum(_has_checksum(after) for after in begun)
        return whole * self.verified + verified, whole * self.entries + sum(map(_entries, begun))


def gather(source: Source, shape: Shape, seconds: float) -> Pass:
    """Return what a source sends in so many seconds of its time; one stream at a time is alive."""
    until_ns = int(seconds * values.SECOND_NS)
    snapshots: list[tuple[str, Body]] = []
    refreshes: list[tuple[int, str, Body]] = []
    for symbol in sorted(source.symbols):
        stream = source.bodies(symbol, shape)
        snapshots.append((symbol, next(stream)))
        refreshes += [(it.offset_ns, symbol, it) for it in takewhile(lambda it: it.offset_ns <= until_ns, stream)]
    refreshes.sort(key=itemgetter(0))
    bodies = snapshots + [(symbol, body) for _, symbol, body in refreshes]
    verified = sum(_has_checksum(body.after) for _, body in bodies)
    entries = sum(_entries(body.after) for _, body in bodies)
    return Pass(source.instruments, bodies, len(snapshots), verified, entries)


def _has_checksum(after: bytes) -> bool:
    return b"\x015041=" in after


def _entries(after: bytes) -> int:
    return after.count(b"\x01269=")


class Snapshots:
    """The source of a venue that only has the snapshots of a pass; the rest comes by other means."""

    def __init__(self, of: Pass) -> None:
        self.instruments = of.instruments
        self.has_orders = False
        self._first = dict(of.bodies[: of.snapshots])

    @property
    def symbols(self) -> list[str]:
        """Every symbol of the pass."""
        return list(self._first)

    def bodies(self, symbol: str, shape: Shape) -> Iterator[Body]:
        """Return the snapshot alone."""
        return iter((self._first[symbol],))


class Stamper:
    """Puts headers before the bodies of a pass, for ever from its beginning to its end.

    As `capture.venue.stamp`, five times as fast: text that is the same in a block is formatted and summed once in it.
    md_req_ids: MDReqID(262) by symbol. begin: the place in the pass of the first message.
    """

    def __init__(
        self, of: Pass, md_req_ids: Mapping[str, bytes], sender: bytes, target: bytes, *, begin: int = 0
    ) -> None:
        self._count = len(of.bodies)
        self._at = begin
        self._comp_ids = sender.decode(), target.decode()
        self._types: list[str] = []
        self._tails: list[str] = []
        self._sums: list[int] = []
        for symbol, body in of.bodies:
            md_req_id = md_req_ids[symbol]
            self._types.append(body.msg_type.decode())
            self._tails.append((body.before + md_req_id + body.after).decode("latin-1"))
            self._sums.append(body.byte_sum + sum(md_req_id) + sum(body.msg_type))
        self._lengths = [len(tail) for tail in self._tails]
        self._length_sums: dict[int, int] = {}

    @property
    def place(self) -> int:
        """Where in the pass the next message stands."""
        return self._at

    def block(self, number: int, wall_ns: int, count_limit: int = BLOCK_LIMIT) -> list[str]:
        """Return the next messages, numbered from `number`, as latin-1 text: at least one, at most to the limit.

        A block ends with the pass, and where a number's thousands or its width change.
        """
        thousands, low = divmod(number, BLOCK_LIMIT)
        width = len(str(number))
        same_width = BLOCK_LIMIT if thousands else min(10**width, BLOCK_LIMIT)
        count = min(count_limit, same_width - low, self._count - self._at)
        sender, target = self._comp_ids
        sending = values.timestamp_text(wall_ns).decode()
        header = f"\x0149={sender}\x0152={sending}\x0156={target}\x01"
        extra = len("35=X\x0134=") + width + len(header)
        constant = sum(f"{_BEGIN}\x0135=\x0134={header}{thousands or ''}".encode("latin-1"))
        low_sums = _PADDED if thousands else _DIGITS
        begin, end = self._at, self._at + count
        lengths = [length + extra for length in self._lengths[begin:end]]
        length_sums = self._length_sums
        for length in lengths:
            if length not in length_sums:
                length_sums[length] = sum(b"%d" % length)
        self._at = end % self._count
        return [
            f"{_BEGIN}{length}\x0135={kind}\x0134={now}{header}{tail}"
            f"{_TRAILERS[(total + length_sums[length] + low_sum + constant) & 255]}"
            for length, kind, now, low_sum, tail, total in zip(
                lengths,
                self._types[begin:end],
                range(number, number + count),
                low_sums[low : low + count],
                self._tails[begin:end],
                self._sums[begin:end],
                strict=True,
            )
        ]


def snapshot_ids(frames: Sequence[bytes]) -> dict[str, bytes]:
    """Return MDReqID(262) by symbol out of the snapshots that a venue sent."""
    found: dict[str, bytes] = {}
    for frame in frames:
        fields = dict(field.split(b"=", 1) for field in frame[:512].split(tags.SOH)[:12] if b"=" in field)
        found[fields[b"55"].decode()] = fields[b"262"]
    return found
