"""The segment that is being written: appended to by one thread, made durable by another, rewritten where a disk fails.

Layer: journal, above `segments` and `parts`. The only module that writes segments which are not finished.
Source: faults section 1, clauses 1, 3 and 4; docs/decisions/0026-a-failed-segment-is-rewritten-in-parts.md.
Left to others: what is in a segment (`format`), when one ends (`writer`), how much may wait for a sync (`writer`).

What is not durable yet is also kept in memory. Where a write or a sync fails, the file is given up and never synced
again, and those bytes are written into a part of their own, which from then on is what is appended to and synced. The
offsets of records do not change. Where that fails too, the segment has failed, and takes nothing more.
"""

import errno
import os
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

from storage.access import create_file, make_directories
from storage.errors import JournalFull, JournalUncreatable, JournalUnwritable
from storage.journal.format import About, Fields, comment, interface_block, section_block
from storage.journal.parts import PARTS_LIMIT, part_head, part_path
from storage.journal.segments import SUFFIX
from storage.journal.times import day_of, name_of

NAME_TRIES_LIMIT: Final = 1000  # Segments that may begin in the same nanosecond, one after the other.
SYNC_TRIES_LIMIT: Final = 2  # Of one `sync`, each on a file of its own.
REWRITE_BYTES: Final = 2**20  # Of one write(2) while what was not durable is written again.
NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
NO_DESCRIPTOR: Final = frozenset({errno.EMFILE, errno.ENFILE})

_NEW: Final = os.O_WRONLY | os.O_EXCL | os.O_APPEND
_OVER: Final = os.O_WRONLY | os.O_TRUNC | os.O_APPEND

MakeRoom = Callable[[], bool]  # Frees what is kept for the journal; whether there was any.
OnRewrite = Callable[[Path, int, OSError], None]  # The new part, how many bytes were written again, and why.


class Amount(NamedTuple):
    """So much of a segment."""

    bytes: int
    records: int


class SegmentFile:
    """One segment open for appending. `sync` may run in another thread than `append`, but only in one.

    worn: it was rewritten; better begin another one. failed: it takes nothing more.
    """

    def __init__(
        self, path: Path, fd: int, name_ns: int, head: "SegmentHead", on_rewrite: OnRewrite, make_room: MakeRoom
    ) -> None:
        self.path, self.name, self.name_ns = path, path.stem, name_ns
        self.written = self._durable = Amount(0, 0)
        self.worn = self.failed = False
        self._head, self._on_rewrite, self._make_room = head, on_rewrite, make_room
        self._fd = fd
        self._shift = 0  # From an offset in the segment to one in the file that is appended to.
        self._lost: JournalUnwritable | None = None  # Why what is not durable will never be.
        self._given_up: list[int] = []  # Descriptors that another thread may be syncing; that thread closes them.
        self._parts = 0
        self._unsynced: deque[tuple[int, bytes]] = deque()  # Where each write ends in the segment, and its bytes.
        self._unsynced_directories = [path.parent, path.parent.parent]
        self._lock = threading.Lock()  # Over all of these; held for no sync.

    @classmethod
    def create(
        cls, root: Path, name_ns: int, head: "SegmentHead", on_rewrite: OnRewrite, make_room: MakeRoom = bool
    ) -> "SegmentFile":
        """Return a new segment named for a time, or for the first nanosecond after it that is free.

        Errors: JournalUncreatable; JournalFull where it is room that is wanting.
        """
        path = root
        try:
            for candidate_ns in range(name_ns, name_ns + NAME_TRIES_LIMIT):
                path = root / day_of(candidate_ns) / f"{name_of(candidate_ns)}{SUFFIX}"
                make_directories(path.parent)
                with suppress(FileExistsError):
                    return cls(path, create_file(path, _NEW), candidate_ns, head, on_rewrite, make_room)
            raise FileExistsError(f"{NAME_TRIES_LIMIT} segments have names from here on")
        except OSError as error:
            refusal = JournalFull if error.errno in NO_ROOM else JournalUncreatable
            raise refusal(path, doing="create the segment", cause=error) from error

    @property
    def size(self) -> int:
        """Bytes of the segment, those that were written again counted once."""
        return self.written.bytes

    @property
    def settled(self) -> bool:
        """Whether all of it is durable, its name too."""
        with self._lock:
            return self.written == self._durable and not self._unsynced_directories

    def append(self, data: bytes, records: int = 0) -> int:
        """Write all of it before returning; return the offset at which it stands in the segment.

        Errors: JournalFull, and it may be tried again; JournalUnwritable. The segment ends with its last whole block.
        """
        with self._lock:
            offset, count = self.written
            try:
                _write_all(self._fd, data)
            except OSError as error:
                if error.errno in NO_ROOM:
                    self._take_back()
                    raise JournalFull(self.path, doing="write", cause=error) from error
                self._rewrite(error, "write", data)
            self._unsynced.append((offset + len(data), data))
            self.written = Amount(offset + len(data), count + records)
            return offset

    def sync(self) -> Amount:
        """Make durable what was appended before this call, and the file's name; return how much that adds.

        Where no descriptor is left for the directory, nothing is added, and the next call tries again.
        Errors: JournalUnwritable, once what a failure left open could not be written again and synced either, and from
        then on. No file is synced again after a failure: the kernel reports a lost page once, and says success the
        next time.
        """
        tries = 0
        while True:
            with self._lock:
                fd, written, directories = self._fd, self.written, list(self._unsynced_directories)
                if self._lost is not None:
                    raise self._lost
                if written == self._durable and not directories:
                    return Amount(0, 0)
            try:
                os.fdatasync(fd)
                named = all(_sync_directory(directory) for directory in directories)
            except OSError as error:
                tries += 1
                self._sync_failed(fd, error, again=tries < SYNC_TRIES_LIMIT)
                continue
            with self._lock:
                if fd == self._fd:
                    return self._synced(written) if named else Amount(0, 0)

    def _synced(self, written: Amount) -> Amount:
        """Take note of what is durable."""
        self._unsynced_directories = []
        before, self._durable = self._durable, written
        while self._unsynced and self._unsynced[0][0] <= written.bytes:
            self._unsynced.popleft()
        self._close_given_up()
        return Amount(written.bytes - before.bytes, written.records - before.records)

    def _sync_failed(self, fd: int, error: OSError, *, again: bool) -> None:
        """Write again what the sync was to make durable. Errors: JournalUnwritable."""
        with self._lock:
            if fd == self._fd and again:
                self._rewrite(error, "make durable")
            elif fd == self._fd:
                raise self._lose("make durable", error) from error
            self._close_given_up()

    def _rewrite(self, cause: OSError, doing: str, data: bytes = b"") -> None:
        """Give the file up, and write what is not durable, and data, into a new part. Errors: JournalUnwritable."""
        self._parts += 1
        path = part_path(self.path, self._parts)
        begin = self._durable.bytes
        head = self._head.of_part(self.name, begin)
        chunks = [head, *_in_chunks([*(written for _, written in self._unsynced), data])]
        try:
            if self._parts > PARTS_LIMIT:
                raise cause
            try:
                self._write_part(path, chunks)
            except OSError as error:
                if error.errno not in NO_ROOM or not self._make_room():
                    raise
                self._write_part(path, chunks)
        except OSError as error:
            raise self._lose(doing, error) from cause
        self.worn, self._shift = True, len(head) - begin
        self._unsynced_directories = [self.path.parent, self.path.parent.parent]
        self._on_rewrite(path, self.size + len(data) - begin, cause)

    def _write_part(self, path: Path, chunks: list[bytes]) -> None:
        """Write a part under its name and make it the file that is appended to. Errors: OSError; then none is there."""
        self._give_up()
        temporary = path.with_name(f".{path.name}.tmp")
        self._fd = create_file(temporary, _OVER)
        try:
            for chunk in chunks:
                _write_all(self._fd, chunk)
            temporary.rename(path)  # Whole: from here on it is what readers take.
        except OSError:
            with suppress(OSError):  # Where it cannot be removed it stays; nothing reads it.
                temporary.unlink()
            raise

    def _lose(self, doing: str, cause: OSError) -> JournalUnwritable:
        """Give the segment up; return the error that says so, now and to each later sync."""
        self.failed = True
        self._lost = JournalUnwritable(self.path, doing=doing, cause=cause)
        return self._lost

    def _take_back(self) -> None:
        """Cut off what a write that found no room left of a block."""
        try:
            os.ftruncate(self._fd, self.size + self._shift)
        except OSError:
            self.failed = True  # The reader finds a torn tail.

    def _give_up(self) -> None:
        """Leave a descriptor to be closed by whoever syncs."""
        if self._fd >= 0:
            self._given_up.append(self._fd)
        self._fd = -1

    def close(self) -> None:
        """Give the descriptors back, once. It does not make anything durable; no sync may be under way."""
        self.failed = True
        self._give_up()
        self._close_given_up()
        self._unsynced.clear()

    def _close_given_up(self) -> None:
        while self._given_up:
            with suppress(OSError):  # What close(2) has to say of a file that was given up is known.
                os.close(self._given_up.pop())

    def discard(self) -> None:
        """Take back a segment that not even its first blocks could be written to."""
        self.close()
        with suppress(OSError):  # Where it cannot be removed it stays, empty, and the reader says so.
            self.path.unlink()


class SegmentHead:
    """What the files of a run's segments begin with. fields: of the comment of the section."""

    def __init__(self, software: str, fields: Fields) -> None:
        self.of_segment = section_block(software, comment(About.SEGMENT, fields)) + interface_block()
        self._software, self._fields = software, fields

    def of_part(self, segment: str, begin: int) -> bytes:
        """Return the head of a part that takes the place of a segment from an offset on."""
        return part_head(self._software, self._fields, segment=segment, begin=begin)


def _in_chunks(written: list[bytes]) -> list[bytes]:
    """Return the same bytes in fewer pieces."""
    chunks, held, size = [], [], 0
    for data in written:
        held.append(data)
        size += len(data)
        if size >= REWRITE_BYTES:
            chunks.append(b"".join(held))
            held, size = [], 0
    return [*chunks, b"".join(held)] if held else chunks


def _write_all(fd: int, data: bytes) -> None:
    written = os.write(fd, data)
    while written < len(data):  # A nearly full disk or a signal takes part of it.
        written += os.write(fd, memoryview(data)[written:])


def _sync_directory(path: Path) -> bool:
    """Make the names in a directory durable; return False where no descriptor is left for it. Errors: OSError."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        if error.errno in NO_DESCRIPTOR:
            return False
        raise
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
    return True
