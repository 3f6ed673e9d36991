"""Numbers used and frames kept, so that they can be sent again; here in memory.

Layer: session. No file: `capture.session_store` keeps the same on disk.
Source: FIX 4.4 volume 2, cases RSD and STO.
"""

import re
from collections.abc import Iterator
from typing import Final, Protocol

from capture.wire import tags

SENT_FRAMES_LIMIT: Final = 10_000
SENT_BYTES_LIMIT: Final = 32 * 1024 * 1024
_SENDING_TIME: Final = re.compile(rb"\x0152=([^\x01]*)\x01")
_TRAILER_BYTES: Final = 7  # 10=ddd and SOH


class SentStore(Protocol):
    """Numbers used and frames sent, of one session.

    next_out, expected: what the session begins with.
    lost: why nothing that was stored can be trusted; the session begins anew by 141=Y where it is not empty.
    day: which roll-over's day the numbers are of; 0 where nothing says so.
    Errors: OSError from each writing call, nothing of it being stored then.
    """

    @property
    def next_out(self) -> int:
        """The number of the next message out."""

    @property
    def expected(self) -> int:
        """The number expected next."""

    @property
    def lost(self) -> str:
        """Why nothing that was stored can be trusted; empty where it can."""

    @property
    def day(self) -> int:
        """Which roll-over's day the numbers are of; 0 where nothing says so."""

    def put(self, seq_num: int, frame: bytes | None) -> None:
        """Take note of a number before its message goes out; its frame, where it may be sent again."""

    def handled(self, expected: int) -> None:
        """Take note that everything below a number was dealt with."""

    def begin(self, day: int, frame: bytes | None) -> None:
        """As `put` of number 1, with which both numbers begin anew; nothing from before exists any more."""

    def read(self, begin: int, end: int) -> Iterator[tuple[int, bytes]]:
        """Yield the frames kept of these numbers, both included, in order, each read when it is its turn."""


class RecentFrames:
    """The last frames sent, bounded in count and bytes; older ones are forgotten, and filled over when asked for."""

    def __init__(self, *, frames_limit: int = SENT_FRAMES_LIMIT, bytes_limit: int = SENT_BYTES_LIMIT) -> None:
        self.next_out = self.expected = 1
        self.lost, self.day = "", 0
        self._frames_limit, self._bytes_limit = frames_limit, bytes_limit
        self._frames: dict[int, bytes] = {}  # In ascending order, as they were sent.
        self._bytes = 0
        self._last = 0

    def put(self, seq_num: int, frame: bytes | None) -> None:
        """See SentStore."""
        self.next_out = seq_num + 1
        self._bytes -= len(self._frames.pop(seq_num, b""))  # A number that was stored and did not go out comes again.
        if frame is None:
            return
        self._frames[seq_num] = frame
        self._bytes += len(frame)
        self._last = seq_num
        while self._frames and (len(self._frames) > self._frames_limit or self._bytes > self._bytes_limit):
            self._bytes -= len(self._frames.pop(next(iter(self._frames))))

    def handled(self, expected: int) -> None:
        """See SentStore."""
        self.expected = expected

    def begin(self, day: int, frame: bytes | None) -> None:
        """See SentStore."""
        self.expected, self.day = 1, day
        self._frames.clear()
        self._bytes = self._last = 0
        self.put(1, frame)

    def read(self, begin: int, end: int) -> Iterator[tuple[int, bytes]]:
        """See SentStore."""
        first = next(iter(self._frames), self._last + 1)
        for seq_num in range(max(begin, first), min(end, self._last) + 1):
            frame = self._frames.get(seq_num)
            if frame is not None:
                yield seq_num, frame


def restamped(frame: bytes, sending: bytes) -> bytes:
    """Return a frame as it is sent again: 43=Y, SendingTime new, OrigSendingTime its first; all else the same bytes.

    Done on bytes, because what is parsed and built anew may come out otherwise. Only 9, 10, 43, 52 and 122 differ.
    Source: cases RSD-2 and STO-7.
    """
    begin, _, rest = frame.partition(tags.SOH)
    body = rest[rest.index(tags.SOH) : -_TRAILER_BYTES]  # From the SOH that ends BodyLength(9).
    stamp = _SENDING_TIME.search(body)
    assert stamp is not None, "what we send has SendingTime(52)"
    renewed = b"\x0152=%b\x0143=Y\x01122=%b\x01" % (sending, stamp[1])
    body = body[: stamp.start()] + renewed + body[stamp.end() :]
    head = b"%b\x019=%d%b" % (begin, len(body) - 1, body)
    return b"%b10=%03d\x01" % (head, sum(head) & 0xFF)
