"""Where FIX messages end in a run of bytes, seen from their trailer alone.

Layer: journal, beside `format`. Pure. Tolerant on purpose: no BodyLength(9) is read and no CheckSum(10) computed.
Left to others: framing proper (`capture.wire`).
"""

import re
from typing import Final

MESSAGE_BYTES_LIMIT: Final = 2**24  # What is held of one message before it is given out as it is.

_TRAILER: Final = re.compile(rb"\x0110=[0-9]{3}\x01")
_TRAILER_MARK: Final = b"\x0110="
_TRAILER_BYTES: Final = 8


def last_message_end(data: bytes, start: int, limit: int) -> int:
    """Return where the last message that ends in `data[start:limit]` ends; `limit` where none does."""
    end = limit
    while (at := data.rfind(_TRAILER_MARK, start, end)) >= 0:
        if _TRAILER.match(data, at, limit):
            return at + _TRAILER_BYTES
        end = at + len(_TRAILER_MARK) - 1
    return limit


class MessageSplitter:
    """Whole messages of one direction out of its reads."""

    __slots__ = ("_held",)

    def __init__(self) -> None:
        self._held = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """Return the messages that these bytes complete, each with whatever stood before it."""
        searched = max(0, len(self._held) - _TRAILER_BYTES + 1)
        self._held += data
        messages, start = [], 0
        for match in _TRAILER.finditer(self._held, searched):
            messages.append(bytes(self._held[start : match.end()]))
            start = match.end()
        del self._held[:start]
        if len(self._held) > MESSAGE_BYTES_LIMIT:
            messages.append(self.rest())
        return messages

    def rest(self) -> bytes:
        """Return what is left of a message that never ended, and forget it."""
        rest = bytes(self._held)
        self._held.clear()
        return rest
