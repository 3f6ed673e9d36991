r"""Bytes in any cut to frames, and what lay between them.

Layer: wire. Knows the three fields that frame a message, BeginString(8), BodyLength(9) and CheckSum(10), and no other.
Source: FIX 4.4 volume 1, "Message format"; cases FRM-1 to FRM-11 of the session layer.
Left to others: what a frame says (`wire.message`), and what a skipped stretch means (`session`).

What comes out is a function of the bytes alone, never of the cuts. Three rules make it so and keep it linear:

- A frame is whole when BodyLength leads exactly to `10=ddd<SOH>` and the sum is right.
- A candidate within which `<SOH>8=FIX` occurs is garbled: SOH cannot stand inside a value, so that is the next
  message's beginning and the length was wrong. A wrong length therefore costs its own message only, and is noticed
  as soon as the next one begins, not when the claimed bytes have come in.
- A frame of the right length with a wrong sum is skipped whole, so that no byte is summed twice.
"""

import re
from collections.abc import Iterator
from copy import copy
from dataclasses import dataclass
from typing import Final

FRAME_BYTES_LIMIT: Final = 16 * 1024 * 1024
_HEADER_BYTES_LIMIT: Final = 48  # `8=FIX.4.4|9=` and any length that makes sense, with room for longer versions.
_TRAILER_BYTES: Final = 7  # 10=ddd and SOH
_BEGIN: Final = b"8=FIX"
_NEXT_BEGIN: Final = b"\x018=FIX"
_HEADER: Final = re.compile(rb"8=FIX[^\x01=]{0,16}\x019=(\d{1,12})\x01(?=35=)")
# What may become a header with the bytes that follow: any beginning of one that reaches the end of what is there.
_BEGUN: Final = re.compile(
    rb"8(?:=(?:F(?:I(?:X[^\x01=]{0,16}(?:\x01(?:9(?:=(?:\d{1,12}(?:\x01(?:35?)?)?)?)?)?)?)?)?)?)?\Z"
)
_TRAILER: Final = re.compile(rb"10=(\d{3})\x01")


@dataclass(frozen=True, slots=True)
class Frame:
    """A message's bytes, from BeginString(8) to the SOH after CheckSum(10), and where its first byte stood.

    stream_offset: bytes since the connection began.
    """

    data: bytes
    stream_offset: int


@dataclass(frozen=True, slots=True)
class Skipped:
    """A stretch of bytes that belonged to no good frame, and why its first byte was passed over."""

    stream_offset: int
    count: int
    reason: str


class FrameTooLong(Exception):
    """A BodyLength(9) past the limit: nothing after it can be trusted, the session ends."""

    def __init__(self, *, body_length: int) -> None:
        super().__init__(f"BodyLength(9) is {body_length}, the limit is {FRAME_BYTES_LIMIT}")
        self.body_length = body_length


class Framer:
    """Cuts one connection's bytes into frames.

    Give each read to `feed` and handle what it yields before the next read; or, where a faster reader is to have the
    first look, `append` it, take from `next`, and `trim`. Memory is bounded by one frame of `FRAME_BYTES_LIMIT` and the
    read. At the end of the connection call `end`.

    buffer: what was not dealt with yet, from `at` on; `base` is the stream offset of its first byte.
    """

    __slots__ = ("_held", "_searched", "_skip_from", "_skip_reason", "at", "base", "buffer")

    def __init__(self) -> None:
        self.buffer = bytearray()
        self.at = 0
        self.base = 0
        self._searched = 0  # Stream offset up to which no message begins inside another; nothing is searched twice.
        self._skip_from: int | None = None
        self._skip_reason = ""
        self._held: Frame | None = None  # A frame that comes after the skipped stretch that it ended.

    def twin(self) -> "Framer":
        """Return another in the same state."""
        twin = copy(self)
        twin.buffer = bytearray(self.buffer)
        return twin

    @property
    def pending_bytes(self) -> int:
        """Bytes held back because their message is not whole yet."""
        return len(self.buffer) - self.at

    @property
    def between_frames(self) -> bool:
        """Whether a frame may begin at `at`: nothing is being skipped, and none waits to be taken."""
        return self._skip_from is None and self._held is None

    def append(self, data: bytes) -> None:
        """Take one read."""
        self.buffer += data

    def next(self) -> Frame | Skipped | None:
        """Return the next whole frame, or the skipped stretch right before it, or None: more bytes are needed.

        Errors: FrameTooLong; nothing comes after it.
        """
        if self._held is not None:
            frame, self._held = self._held, None
            return frame
        self.at, found = self._next(self.at)
        if found is None or self._skip_from is None:
            return found
        self._held = found
        return self._skipped(until=found.stream_offset)

    def taken(self, at: int) -> None:
        """Go on at a place of the buffer: the frames up to it were taken by another reader."""
        assert self.between_frames, "another reader has no business within a skipped stretch"
        self.at = at

    def trim(self) -> None:
        """Forget what was dealt with; after each read."""
        del self.buffer[: self.at]
        self.base += self.at
        self.at = 0

    def feed(self, data: bytes) -> Iterator[Frame | Skipped]:
        """Yield the frames that are whole now, each skipped stretch right before the frame that ends it.

        Errors: FrameTooLong; feed nothing more after it.
        """
        self.append(data)
        try:
            while (item := self.next()) is not None:
                yield item
        finally:
            self.trim()

    def end(self) -> Iterator[Skipped]:
        """Yield what was left when the connection ended: a skipped stretch, or a message cut short."""
        end = self.base + len(self.buffer)
        if self.pending_bytes and self._skip_from is None:
            self._skip(self.at, "the connection ended within a message")
        if self._skip_from is not None and end > self._skip_from:
            yield self._skipped(until=end)
        self.buffer.clear()
        self.at, self.base = 0, end

    def _skip(self, at: int, reason: str) -> None:
        if self._skip_from is None:
            self._skip_from, self._skip_reason = self.base + at, reason

    def _skipped(self, *, until: int) -> Skipped:
        assert self._skip_from is not None
        skipped = Skipped(self._skip_from, until - self._skip_from, self._skip_reason)
        self._skip_from = None
        return skipped

    def _next(self, at: int) -> tuple[int, Frame | None]:
        """Return where to go on and the next whole frame, or how far the buffer is done with and None."""
        buffer = self.buffer
        while True:
            header = _HEADER.search(buffer, at)
            begin = _begun(buffer, at) if header is None else header.start()
            if begin > at:
                at_message = buffer.startswith(_BEGIN, at)
                self._skip(at, "8, 9, 35 are not the first three fields" if at_message else "bytes between messages")
            if header is None:
                return begin, None
            after, frame = self._whole(begin, header.end(), int(header[1]))
            if frame is not None or after == begin:
                return after, frame
            at = after

    def _whole(self, begin: int, body: int, body_length: int) -> tuple[int, Frame | None]:
        """Return the frame at `begin` and its end; or (begin, None) to wait; or (where to look on, None)."""
        if body_length > FRAME_BYTES_LIMIT:
            raise FrameTooLong(body_length=body_length)
        buffer = self.buffer
        trailer = body + body_length
        end = trailer + _TRAILER_BYTES
        next_begin = buffer.find(_NEXT_BEGIN, max(body, self._searched - self.base), end)
        if next_begin >= 0:
            self._skip(begin, "BodyLength(9) reaches into the next message")
            return next_begin + 1, None
        self._searched = max(self._searched, self.base + min(end, len(buffer)) - len(_NEXT_BEGIN) + 1)
        if len(buffer) < end:
            return begin, None
        check_sum = _TRAILER.match(buffer, trailer)
        if check_sum is None or buffer[trailer - 1] != 1:
            self._skip(begin, "BodyLength(9) does not lead to CheckSum(10)")
            return begin + 1, None
        data = bytes(buffer[begin:end])
        if sum(data[:-_TRAILER_BYTES]) & 0xFF != int(check_sum[1]):
            self._skip(begin, "CheckSum(10) is wrong")
            return end, None
        return end, Frame(data, self.base + begin)


def _begun(buffer: bytearray, at: int) -> int:
    """Return where a header may have begun that the buffer's end cuts, else the buffer's length."""
    begun = _BEGUN.search(buffer, max(at, len(buffer) - _HEADER_BYTES_LIMIT))
    return len(buffer) if begun is None else begun.start()
