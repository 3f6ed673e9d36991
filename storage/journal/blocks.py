"""The blocks of one segment in their order, past damage and up to a torn tail.

Layer: journal, above `format` and `packed`. Reads a file, compressed or not, through a window of bounded size.
Source: design section 4; faults section 1, "truncates only the last segment and only when nothing valid follows".
Left to others: whether the blocks make sense together (`reader`).

A torn tail is what a write leaves that never finished: the beginning of one block, or zeros where a file system grew
the file but not its data, with nothing valid after it. Everything else that is not as written is damage.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple, Self

from storage.errors import JournalDamaged, JournalError, JournalUnreadable
from storage.journal.format import (
    BLOCK_BYTES_LIMIT,
    BLOCK_BYTES_MIN,
    SEAL_BYTES,
    Block,
    Fault,
    Index,
    Seal,
    block_length,
    check_block,
    decode_block,
)
from storage.journal.packed import PackedReader
from storage.journal.parts import Part, close_parts, open_parts
from storage.journal.segments import is_packed, other_form

WINDOW_BYTES: Final = 2**20
REMEDY_DAMAGE: Final = "restore the segment from a copy, or read on past it and mark the gap"

_BLOCK_HEAD_BYTES: Final = 8
_ALIGNMENT: Final = 4

# What a block of ours can begin with: type, any length, then what never varies.
_PLAUSIBLE: Final = re.compile(
    rb"(?=\x06\0\0\0....\0\0\0\0|\x05\0\0\0....\0\0\0\0|\x01\0\0\0....\x65\0\0\0|\x0a\x0d\x0d\x0a....\x4d\x3c\x2b\x1a)",
    re.DOTALL,
)
_PLAUSIBLE_BYTES: Final = 12


class Torn(NamedTuple):
    """The bytes after the last whole block of a segment whose writer was stopped within a write."""


class Step(NamedTuple):
    """What stands at an offset, and over how many bytes."""

    offset: int
    size: int
    found: Block | Fault | Torn


class Source:
    """A segment in either form, of which any part can be read, kept in memory by one window.

    path: of the file that was found; where the one asked for is gone, its other form was put in its place.
    size: bytes of the segment; stored_bytes: of its files, less where it is compressed.
    parts: files that take the place of its end (`parts`); what stands behind their beginning in the files before them
        is not read.
    Errors: JournalUnreadable; JournalDamaged where a compressed one does not say where its pieces are; JournalTooNew.
    """

    __slots__ = ("_fd", "_packed", "_window", "_window_at", "parts", "path", "size", "stored_bytes")

    def __init__(self, path: Path) -> None:
        self.path, self._fd = _opened(path)
        self.parts: list[Part] = []
        self._packed: PackedReader | None = None
        try:
            self.size = self.stored_bytes = os.fstat(self._fd).st_size  # What is appended now is the next reading's.
            if is_packed(self.path):
                self._packed = PackedReader(self.path, self._fd, self.size)
                self.size = self._packed.index.size
            else:
                self.parts = open_parts(self.path)
                sizes = [os.fstat(part.descriptor).st_size for part in self.parts]
                self.stored_bytes += sum(sizes)
                if self.parts:
                    last = self.parts[-1]
                    self.size = last.begin + max(0, sizes[-1] - last.base)
        except OSError as error:
            self.__exit__()
            raise JournalUnreadable(path, doing="open the segment", cause=error) from error
        except JournalError:
            self.__exit__()
            raise
        self._window, self._window_at = b"", 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._fd)
        close_parts(self.parts)

    def at(self, offset: int, size: int) -> bytes:
        """Return the bytes there, fewer where the segment ends."""
        size = min(size, self.size - offset)
        start = offset - self._window_at
        if start < 0 or start + size > len(self._window):
            self._window_at, self._window = self._read(offset, size)
            start = offset - self._window_at
        return self._window[start : start + size]

    @property
    def sha256(self) -> str:
        """The SHA-256 of the segment as its compressed form states it; empty where it is plain."""
        return "" if self._packed is None else self._packed.index.sha256.hex()

    def fault_within(self, start: int, end: int) -> Fault | None:
        """Return what is wrong with the compressed form of these bytes, if anything is."""
        return None if self._packed is None else self._packed.fault_within(start, end)

    def _read(self, offset: int, size: int) -> tuple[int, bytes]:
        """Return a window that holds these bytes, and where it begins."""
        try:
            if self._packed is not None:
                return self._packed.around(offset, size)
            size = min(max(size, WINDOW_BYTES), self.size - offset)
            if self.parts:
                return offset, self._read_across(offset, size)
            return offset, os.pread(self._fd, size, offset)
        except OSError as error:
            raise JournalUnreadable(self.path, doing=f"read at {offset}", cause=error) from error

    def _read_across(self, offset: int, size: int) -> bytes:
        """Return bytes of a segment that stands in several files; zeros, which are damage, for what is in none."""
        files = [(self._fd, 0, 0), *((part.descriptor, part.begin, part.base) for part in self.parts)]
        ends = [*(part.begin for part in self.parts), self.size]
        found = bytearray()
        for (descriptor, begin, base), end in zip(files, ends, strict=True):
            at, stop = max(offset, begin), min(offset + size, end)
            if at < stop:
                found += os.pread(descriptor, stop - at, base + at - begin).ljust(stop - at, b"\0")
        return bytes(found)


def _opened(path: Path) -> tuple[Path, int]:
    """Return a segment's file and a descriptor of it; a segment may be compressed while it is looked for."""
    missing: OSError | None = None
    for candidate in (path, other_form(path)):
        try:
            return candidate, os.open(candidate, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError as error:
            missing = missing or error
        except OSError as error:
            raise JournalUnreadable(candidate, doing="open the segment", cause=error) from error
    assert missing is not None, "two candidates were tried"
    raise JournalUnreadable(path, doing="open the segment", cause=missing)


def segment_bytes(path: Path) -> int:
    """Return how many bytes a segment has, compressed or not. Errors: as of `Source`."""
    with Source(path) as source:
        return source.size


def sealed_size(source: Source) -> int | None:
    """Return where a segment ends that was closed in order, or None for any other."""
    end = source.size
    index_bytes = block_length(bytes(4) + source.at(end - 4, 4)) if end >= BLOCK_BYTES_MIN else 0
    if index_bytes and isinstance(decode_block(source.at(end - index_bytes, index_bytes)), Index):
        end -= index_bytes
    seal = decode_block(source.at(max(0, end - SEAL_BYTES), SEAL_BYTES))
    return end if isinstance(seal, Seal) else None


def damaged(path: Path, offset: int, fault: Fault, remedy: str = REMEDY_DAMAGE) -> JournalDamaged:
    """Return the error that says what is wrong with a block."""
    return JournalDamaged(
        path, offset=offset, what=fault.what, expected=fault.expected, received=fault.received, remedy=remedy
    )


def walk(source: Source, offset: int = 0) -> Iterator[Step]:
    """Return every block from one on; where one is damaged, its fault, and on with the next one that can be found."""
    while offset < source.size:
        step = _step(source, offset)
        yield step
        offset += step.size


def _step(source: Source, offset: int) -> Step:
    length = block_length(source.at(offset, _BLOCK_HEAD_BYTES))
    raw = source.at(offset, length)
    if length == 0 or len(raw) < length:
        return _without_frame(source, offset, length)
    found = decode_block(raw)
    if not isinstance(found, Fault):
        return Step(offset, length, found)
    if raw[-4:] == raw[4:8]:
        return Step(offset, length, found)  # Both lengths agree: only this block is hit.
    if _ends_in_zeros(source, offset, raw):
        return Step(offset, source.size - offset, Torn())
    return _damage(source, offset, found)


def _without_frame(source: Source, offset: int, length: int) -> Step:
    """Return the torn tail or the damage where no block can be taken by its length."""
    left = source.size - offset
    damage = _damage(source, offset, _length_fault(source, offset, left))
    if damage.size < left or _ends_like_a_block(source, offset, left):
        return damage  # Something valid follows, or the block is whole but for its length.
    torn = length > left or left < _BLOCK_HEAD_BYTES or _zero_from(source, offset + _BLOCK_HEAD_BYTES)
    return Step(offset, left, Torn()) if torn else damage


def _length_fault(source: Source, offset: int, left: int) -> Fault:
    head = source.at(offset, _BLOCK_HEAD_BYTES)
    received = str(int.from_bytes(head[4:8], "little")) if len(head) == _BLOCK_HEAD_BYTES else head.hex()
    return Fault(4, "block total length", f"at most {left}, a multiple of four", received)


def _damage(source: Source, offset: int, fault: Fault) -> Step:
    end = find_block(source, offset + _ALIGNMENT)
    return Step(offset, end - offset, source.fault_within(offset, end) or fault)


def find_block(source: Source, start: int) -> int:
    """Return the offset of the next block whose sums hold, from `start` on; the file's size where there is none."""
    while start < source.size:
        window = source.at(start, WINDOW_BYTES)
        for match in _PLAUSIBLE.finditer(window):
            if _holds(source, start + match.start()):
                return start + match.start()
        start += max(1, len(window) - _PLAUSIBLE_BYTES + 1)
    return source.size


def _holds(source: Source, offset: int) -> bool:
    length = block_length(source.at(offset, _BLOCK_HEAD_BYTES))
    raw = source.at(offset, length)
    return 0 < length == len(raw) and check_block(raw) is None


def _ends_like_a_block(source: Source, offset: int, left: int) -> bool:
    """Return whether the rest of the file is one block but for the length in front: then it was written whole."""
    length = source.at(source.size - 4, 4) if _BLOCK_HEAD_BYTES < left <= BLOCK_BYTES_LIMIT else b""
    if int.from_bytes(length, "little") != left:
        return False
    raw = source.at(offset, left)
    return check_block(raw[:4] + length + raw[8:]) is None


def _ends_in_zeros(source: Source, offset: int, raw: bytes) -> bool:
    """Return whether the file is zero from somewhere within this block on, or from within its last length."""
    if offset + len(raw) == source.size and check_block(raw[:-4] + raw[4:8]) is None:
        return False  # The last block, whole but for the length at its end: that is damage.
    return any(
        raw[-4:][:kept] == raw[4:8][:kept] and _zero_from(source, offset + len(raw) - 4 + kept) for kept in range(4)
    )


def _zero_from(source: Source, offset: int) -> bool:
    """Return whether the file is zero from there to its end."""
    windows = (source.at(at, WINDOW_BYTES) for at in range(offset, source.size, WINDOW_BYTES))
    return all(window.count(0) == len(window) for window in windows)
