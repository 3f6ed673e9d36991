"""Which application messages begin in which segment, counted from the bytes alone.

Layer: journal, above `reader`. Knows frames and MsgType(35); nothing of the session and nothing of the lake.
Left to others: holding it against the rows that were made (`storage.trim`).

It is told apart from what made the rows on purpose: the framer is the same, nothing after it is. A message that was
repeated, held and lost, or sent before its turn is counted here and has no row; a segment with one is not taken for
proven.
"""

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from operator import itemgetter
from pathlib import Path
from typing import Final

from capture.sinks import Position
from capture.wire import tags
from capture.wire.framer import Frame, Framer, FrameTooLong
from storage.journal.blocks import Source, sealed_size
from storage.journal.reader import Record, RecordKind, SegmentReader
from storage.journal.segments import segment_name, segment_paths

_MSG_TYPE_AT: Final = b"\x0135="


@dataclass(slots=True)
class Census:
    """One segment as it was counted.

    offsets: of the blocks in which application messages begin, in their order. begin_ns, end_ns: lowest and highest
    time of a record of it, or of one that completed a message that begins in it. last_ns: of its last record.
    following: the segments in which the same run goes on, by name, up to the first with an application message, and
    the time of the last record of each.
    """

    path: Path
    run: str = ""
    sealed: bool = False
    records: int = 0
    bytes: int = 0
    first_ns: int = 0
    last_ns: int = 0
    begin_ns: int = 2**63 - 1
    end_ns: int = 0
    offsets: list[int] = field(default_factory=list)
    following: dict[str, int] = field(default_factory=dict)


class _Stream:
    """The received bytes of one connection, across segments."""

    def __init__(self) -> None:
        self._framer = Framer()
        self._places: list[tuple[int, Position]] = []
        self._total = 0
        self._broken = False

    def feed(self, record: Record) -> Iterator[Position]:
        """Yield where the application messages begin that a record completes."""
        self._places.append((self._total, record.position))
        self._total += len(record.data)
        if self._broken:
            return
        try:
            for item in self._framer.feed(record.data):
                if isinstance(item, Frame) and _msg_type(item.data) not in tags.ADMIN_TYPES:
                    yield self._places[self._at(item.stream_offset)][1]
        except FrameTooLong:
            self._broken = True
        del self._places[: max(0, self._at(self._total - self._framer.pending_bytes))]

    def _at(self, stream_offset: int) -> int:
        return bisect_right(self._places, stream_offset, key=itemgetter(0)) - 1


def take_census(root: Path, last: str) -> Iterator[Census]:
    """Yield the segments up to one by name, each once all of its messages are told: with those following it read.

    Errors: as of `SegmentReader`; damage is not read past.
    """
    waiting: dict[str, Census] = {}
    stream = _Stream()
    for path in segment_paths(root):
        name = segment_name(path)
        present = Census(path)
        with Source(path) as source:
            present.sealed = sealed_size(source) is not None
            present.bytes = source.size
        for record in SegmentReader(path):
            if record.kind is RecordKind.OPENED:
                stream = _Stream()
            present.run = record.run
            present.first_ns = present.first_ns or record.at_ns
            present.last_ns = record.at_ns
            present.records += 1
            _reach(present, record.at_ns)
            if record.kind is RecordKind.RECEIVED:
                for position in stream.feed(record):
                    begun = present if position.segment == name else waiting.get(position.segment)
                    if begun is not None:
                        begun.offsets.append(position.offset)
                        _reach(begun, record.at_ns)
        goes_on = False
        for before in waiting.values():
            if before.run == present.run:
                before.following[name] = present.last_ns
                goes_on = not present.offsets
        if not goes_on:
            yield from waiting.values()
            waiting.clear()
            if name > last:
                return
        waiting[name] = present
    yield from waiting.values()


def _reach(census: Census, at_ns: int) -> None:
    census.begin_ns, census.end_ns = min(census.begin_ns, at_ns), max(census.end_ns, at_ns)


def _msg_type(frame: bytes) -> bytes:
    begin = frame.index(_MSG_TYPE_AT) + len(_MSG_TYPE_AT)
    return frame[begin : frame.index(tags.SOH, begin)]
