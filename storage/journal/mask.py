"""Credentials out of the bytes before they are written: the values of 553, 554 and 96, byte for byte.

Layer: journal, beside `format`. Pure: bytes in, as many bytes out.
Source: design section 4; Username(553), Password(554), RawDataLength(95) and RawData(96) of FIX 4.4.
Left to others: saying so in the record (`writer`).

A masked value is asterisks, and BodyLength(9) and CheckSum(10) stay as sent. So that the message still passes its
CheckSum(10), the last three bytes of a value of three or more are chosen to keep the value's sum modulo 256: eight
bits, which for a message with one such value CheckSum(10) states anyway. A shorter value is asterisks alone.

The tag and the value may be cut across reads anywhere, and no byte is ever held back. The part of a value that has gone
out cannot be mended: if fewer than three bytes of the value stand in the read that ends it, its sum is given up.

RawData(96) may contain SOH, so RawDataLength(95) right before it is honoured, up to a limit, and only where a SOH does
follow: a length that lies must not hide the messages behind it.
"""

import re
from functools import cache
from typing import Final, NamedTuple

from capture.wire.kernel import holds_credential

MASKED_TAGS: Final = (553, 554, 96)
RAW_DATA_BYTES_LIMIT: Final = 4096  # A RawDataLength(95) above it is not believed.

SOH: Final = b"\x01"
STAR: Final = ord("*")
MENDED_BYTES: Final = 3  # Three printable bytes reach every sum modulo 256; two do not.
# Printable, and nothing that a parser or a log stumbles on.
MENDING: Final = tuple(c for c in range(0x21, 0x7F) if c not in b'*=|"\\')

_SECRET: Final = re.compile(rb"\x01(?:95=([0-9]{1,9})\x01)?(553|554|96)=")
_CONTEXT_BYTES: Final = len(b"\x0195=999999999\x0196=") - 1  # What of a match may stand in earlier reads.


class Masked(NamedTuple):
    """Bytes that may be written, and the tags of which they hide something."""

    data: bytes
    tags: tuple[int, ...]


class Masker:
    """One direction of one connection, from its first byte on."""

    __slots__ = ("_context", "_owed", "_raw_left", "_tag")

    def __init__(self) -> None:
        self._context = SOH  # A tag at the very start counts as well.
        self._tag = 0  # Whose value goes on in the next read; 0 for none.
        self._raw_left = 0  # Bytes of it in which a SOH does not end it.
        self._owed = 0  # Sum of the value so far, less that of its mask.

    def feed(self, data: bytes) -> Masked:
        """Return the bytes as they may be written; the same object where there is nothing to hide."""
        window = self._context + data
        if self._tag == 0 and not holds_credential(window):
            self._context = window[-_CONTEXT_BYTES:]
            return Masked(data, ())
        return self._mask(bytearray(window), len(self._context))

    def _mask(self, window: bytearray, start: int) -> Masked:
        at = start if self._tag else 0
        tags: list[int] = []
        while at < len(window):
            if self._tag:
                tag, begin = self._tag, at
                at = self._mask_value(window, at)
                if at > begin and tag not in tags:
                    tags.append(tag)
            elif (match := _SECRET.search(window, at)) is not None:
                at = match.end()
                self._begin_value(int(match[2]), int(match[1] or 0))
            else:
                break
        self._context = b"" if self._tag else bytes(window[max(at, len(window) - _CONTEXT_BYTES) :])
        return Masked(bytes(window[start:]), tuple(tags))

    def _begin_value(self, tag: int, raw_length: int) -> None:
        self._tag, self._owed = tag, 0
        self._raw_left = raw_length if tag == 96 and raw_length <= RAW_DATA_BYTES_LIMIT else 0

    def _mask_value(self, window: bytearray, start: int) -> int:
        """Mask what of the value stands in the window; return where that ends."""
        end = self._value_end(window, start)
        size = end - start
        self._owed = (self._owed + sum(window[start:end]) - STAR * size) % 256
        window[start:end] = bytes((STAR,)) * size
        if end == len(window):
            return end
        if size >= MENDED_BYTES:
            window[end - MENDED_BYTES : end] = _mending(self._owed)
        self._tag = 0
        return end

    def _value_end(self, window: bytearray, start: int) -> int:
        """Return where the value's SOH stands, or the window's end."""
        raw_end = start + self._raw_left
        if raw_end < len(window) and window[raw_end] != SOH[0]:
            raw_end = start  # The length lied: the value ends at the first SOH.
        found = window.find(SOH, min(raw_end, len(window)))
        end = found if found >= 0 else len(window)
        self._raw_left = max(0, raw_end - end)
        return end


@cache
def _mending(owed: int) -> bytes:
    """Return three bytes whose sum is that of three asterisks and what is owed, modulo 256."""
    if owed == 0:
        return bytes((STAR,)) * MENDED_BYTES
    total = (STAR * MENDED_BYTES + owed) % 256
    for first in MENDING:
        for second in MENDING:
            for reach in (total, total + 256):
                if reach - first - second in MENDING:
                    return bytes((first, second, reach - first - second))
    raise AssertionError("three printable bytes reach every sum modulo 256")
