"""A part of the journal from one block on, message by message or in stretches: both directions of one connection.

Layer: journal, above `blocks` and `packets`. Memory is bounded by one message and one window.
Source: design section 4; `messages.segment_offset` of the lake names the block to begin at.
Left to others: what the messages say (`storage.incidents.evidence`).

Unlike `reader` it begins in mid-segment without reading what stands before, goes on into the next segment, and may read
a segment that is being written. Stretches are not parsed, so that whoever looks for a few messages among very many can
look through them at the speed of memory.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from capture.sinks import Position
from capture.wire.framer import Frame, Framer, FrameTooLong
from storage.journal.blocks import Source, Torn, find_block, segment_bytes, walk
from storage.journal.cuts import last_message_end
from storage.journal.format import Direction, Fault, Packet
from storage.journal.packets import FIN, RST, SYN, decode_packet
from storage.journal.segments import segment_name, segment_paths

MESSAGE_BYTES_LIMIT: Final = 2**25  # Of a message that does not end; then the excerpt ends.
_BEGIN: Final = b"8=FIX"
_ALIGNMENT: Final = 4  # Of blocks.


class Stretch(NamedTuple):
    """Whole messages of one direction, the last of which a block completed.

    begin: the block that holds their first byte; every message but the first begins in the block `end`.
    at_ns: of that block.
    """

    at_ns: int
    is_sent: bool
    data: bytes
    begin: Position
    end: Position


class Excerpted(NamedTuple):
    """One message. position: of the block that holds its first byte. at_ns: of the block that completed it."""

    at_ns: int
    is_sent: bool
    frame: bytes
    position: Position


def messages(stretch: Stretch) -> Iterator[Excerpted]:
    """Yield the good messages of a stretch; what is garbled was nobody's."""
    try:
        for item in Framer().feed(stretch.data):
            if isinstance(item, Frame):
                position = stretch.end if item.stream_offset else stretch.begin
                yield Excerpted(stretch.at_ns, stretch.is_sent, item.data, position)
    except FrameTooLong:
        return


def distance(root: Path, begin: Position, end: Position) -> int:
    """Return how many bytes of journal lie between two blocks."""
    between = [it for it in segment_paths(root) if begin.segment <= segment_name(it) < end.segment]
    return sum(map(segment_bytes, between)) + end.offset - begin.offset


def before(root: Path, position: Position, size: int) -> Position:
    """Return a block of the same segment that lies so many bytes before another, or a little less."""
    path = next((it for it in segment_paths(root) if segment_name(it) == position.segment), None)
    if path is None or position.offset <= size:
        return Position(position.segment, 0)
    with Source(path) as source:
        start = position.offset - size
        return Position(position.segment, find_block(source, start - start % _ALIGNMENT))


class Excerpt(Iterator[Stretch]):
    """The stretches of a connection from a block on, at most so many bytes of journal; then `ended` says why.

    What the first block holds of a message that began before it is passed over.
    Errors: JournalUnreadable.
    """

    def __init__(self, root: Path, begin: Position, *, bytes_limit: int | None = None) -> None:
        self.ended = "the journal ends there"
        self._over = False
        self._left, self._bytes_limit = bytes_limit, bytes_limit
        self._directions = {Direction.INBOUND: _Stream(), Direction.OUTBOUND: _Stream()}
        paths = [it for it in segment_paths(root) if segment_name(it) >= begin.segment]
        self._stretches = self._read(paths, begin)

    def __next__(self) -> Stretch:
        return next(self._stretches)

    def _end(self, reason: str) -> None:
        self.ended, self._over = reason, True

    def _read(self, paths: list[Path], begin: Position) -> Iterator[Stretch]:
        if not paths or segment_name(paths[0]) != begin.segment:
            self._end(f"segment {begin.segment} is not in the journal")
        for path in paths:
            with Source(path) as source:
                for offset, size, found in walk(source, begin.offset if path is paths[0] else 0):
                    if self._left is not None:
                        self._left -= size
                    if self._left is not None and self._left < 0:
                        self._end(f"no more than {self._bytes_limit} bytes of journal are read for it")
                    elif isinstance(found, Fault):
                        self._end(f"{path.name}: the block at {offset} is damaged: {found.what}")
                    elif isinstance(found, Torn):
                        self._end("the journal ends there")
                    if self._over:
                        return
                    if isinstance(found, Packet):
                        yield from self._packet(Position(segment_name(path), offset), found)

    def _packet(self, position: Position, packet: Packet) -> Iterator[Stretch]:
        tcp = decode_packet(packet.data, packet.direction)
        if tcp is None or not tcp.payload:
            begun = any(stream.begun for stream in self._directions.values())
            if tcp is not None and (tcp.flags & (FIN | RST) or (tcp.flags & SYN and begun)):
                self._end("the connection ends there")
            return
        stream = self._directions[packet.direction]
        whole = stream.feed(tcp.payload, position)
        if whole is not None:
            yield Stretch(packet.at_ns, packet.direction is Direction.OUTBOUND, *whole, position)
        elif stream.held_bytes > MESSAGE_BYTES_LIMIT:
            self._end(f"a message of more than {MESSAGE_BYTES_LIMIT} bytes")


class _Stream:
    """One direction: what has come of a message that is not whole yet, and the block in which it began."""

    def __init__(self) -> None:
        self._held = b""
        self._begin: Position | None = None
        self.begun = False

    @property
    def held_bytes(self) -> int:
        return len(self._held)

    def feed(self, payload: bytes, position: Position) -> tuple[bytes, Position] | None:
        """Return the whole messages that a block completes and where they begin, if it completes any."""
        data = self._held + payload
        begin = self._begin if self._held and self._begin is not None else position
        if not self.begun:
            at = data.find(_BEGIN)
            if at < 0:  # Its first bytes may be the last of this block.
                self._held = data[-len(_BEGIN) + 1 :]
                self._begin = begin if len(self._held) > len(payload) else position
                return None
            if at >= len(self._held):
                begin = position
            data, self.begun = data[at:], True
        end = last_message_end(data, 0, len(data))
        whole = end < len(data) or _is_end(data)
        self._held = data[end:] if whole else data
        self._begin = position if whole else begin
        return (data[:end], begin) if whole and end else None


def _is_end(data: bytes) -> bool:
    """Return whether a message ends where the data ends."""
    return data[-8:-4] == b"\x0110=" and data[-1:] == b"\x01" and data[-4:-1].isdigit()
