"""The numbers and frames of a session on disk, so that it goes on after a restart.

Layer: beside the core, with I/O: implements `session.store.SentStore` on one append-only file.
Source: cases STO-1 to STO-6.
Left to others: when to store (`session`), and what a lost store means (`session` begins anew by 141=Y).

Layout: a line that names format and session, then records: CRC32 and length (4 bytes each, big-endian), then kind (1
byte), number (8 bytes) and, of a frame, its bytes; the CRC is over kind, number and bytes. Where a record is torn or
wrong nothing is believed, at the end of the file too: see `docs/decisions/0006`.

One process holds a store at a time, by a lock on a file beside it, which ends with the process however it ends.
"""

import fcntl
import os
import struct
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final, Self
from urllib.parse import quote

from capture.errors import StoreBusy
from capture.session.store import SENT_BYTES_LIMIT, SENT_FRAMES_LIMIT, RecentFrames

FILE_BYTES_LIMIT: Final = 256 * 1024 * 1024  # Past it the file is written anew, with what is still kept.
RECORD_BYTES_LIMIT: Final = 16 * 1024 * 1024 + 64
_FORMAT: Final = b"fixtape session store 2\t"
_HEAD: Final = struct.Struct(">II")
_BODY: Final = struct.Struct(">cQ")
# A number used; one whose frame may go again; the number expected next; number 1, of a day, with and without a frame.
_USED, _FRAME, _EXPECTED, _BEGIN, _BEGIN_FRAME = b"U", b"F", b"E", b"B", b"N"
_KINDS: Final = frozenset({_USED, _FRAME, _EXPECTED, _BEGIN, _BEGIN_FRAME})


def store_path(folder: Path, ours: bytes, theirs: bytes) -> Path:
    """Return where the store of two CompIDs stands, whatever characters they have."""
    return folder / f"{quote(ours, safe='')}@{quote(theirs, safe='')}.session"


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Hold a file's lock for this process. Errors: StoreBusy where another one does."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StoreBusy(
                f"{path}: another process holds this session; wait for it to end, or name another --store"
            ) from None
        yield
    finally:
        os.close(descriptor)


class FileStore:
    """One session's store in one file; see `SentStore`. Close it, or use it as a context manager.

    session: who speaks to whom; a file of another one is not believed.
    Errors: StoreBusy and OSError when it is made; OSError from each writing call, the file then holds what it held.
    """

    def __init__(
        self,
        path: Path,
        session: str,
        *,
        frames_limit: int = SENT_FRAMES_LIMIT,
        bytes_limit: int = SENT_BYTES_LIMIT,
        file_limit: int = FILE_BYTES_LIMIT,
    ) -> None:
        self.path = path
        self.lost = ""
        self._header = _FORMAT + session.encode() + b"\n"
        self._limits = (frames_limit, bytes_limit)
        self._file_limit = file_limit
        self._recent = self._fresh()
        self._size = 0
        with ExitStack() as opening:
            opening.enter_context(held(path.with_name(path.name + ".lock")))
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            opening.callback(lambda: os.close(self._file))
            self._load()
            self._open = opening.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    @property
    def next_out(self) -> int:
        """See SentStore."""
        return self._recent.next_out

    @property
    def expected(self) -> int:
        """See SentStore."""
        return self._recent.expected

    @property
    def day(self) -> int:
        """See SentStore."""
        return self._recent.day

    def put(self, seq_num: int, frame: bytes | None) -> None:
        """See SentStore; on disk when it returns."""
        self._append(_USED if frame is None else _FRAME, seq_num, frame or b"")
        self._recent.put(seq_num, frame)
        self._compact_if_large()

    def handled(self, expected: int) -> None:
        """See SentStore; on disk when it returns, and nothing is written where nothing changed."""
        if expected != self._recent.expected:
            self._append(_EXPECTED, expected)
            self._recent.handled(expected)
            self._compact_if_large()

    def begin(self, day: int, frame: bytes | None) -> None:
        """See SentStore; on disk when it returns, whole or not at all."""
        self._append(_BEGIN if frame is None else _BEGIN_FRAME, day, frame or b"")
        self._recent.begin(day, frame)

    def read(self, begin: int, end: int) -> Iterator[tuple[int, bytes]]:
        """See SentStore."""
        return self._recent.read(begin, end)

    def close(self) -> None:
        """Close the file; everything is in it. The lock ends with it."""
        self._open.close()

    # File.

    def _fresh(self) -> RecentFrames:
        return RecentFrames(frames_limit=self._limits[0], bytes_limit=self._limits[1])

    def _load(self) -> None:
        """Read what is there; begin anew where it cannot be believed, and say why in `lost`."""
        data = self.path.read_bytes()
        if data in {b"", self._header}:  # A process may have died before its first number.
            self._begin_file(f"{self.path} is new")
        elif not data.startswith(self._header):
            self._begin_file(f"{self.path} is of another session or version")
        else:
            good = self._replay(data, len(self._header))
            if good < len(data):
                self._begin_file(f"{self.path} is torn or damaged at byte {good}")
            else:
                self._size = good

    def _begin_file(self, lost: str) -> None:
        self.lost = lost
        self._recent = self._fresh()
        os.ftruncate(self._file, 0)
        self._size = 0
        self._write(self._header)
        _sync_folder(self.path.parent)

    def _replay(self, data: bytes, at: int) -> int:
        """Take in the records; return where the last good one ends."""
        while (end := _record_end(data, at)) is not None:
            kind, number = _BODY.unpack_from(data, at + _HEAD.size)
            match kind:
                case b"U":
                    self._recent.put(number, None)
                case b"F":
                    self._recent.put(number, data[at + _HEAD.size + _BODY.size : end])
                case b"E":
                    self._recent.handled(number)
                case b"B":
                    self._recent.begin(number, None)
                case b"N":
                    self._recent.begin(number, data[at + _HEAD.size + _BODY.size : end])
            at = end
        return at

    def _append(self, kind: bytes, number: int, frame: bytes = b"") -> None:
        self._write(_record(kind, number, frame))

    def _write(self, data: bytes) -> None:
        """Write at the end and sync; on an error cut off what was written of it, so that nothing half stands there."""
        try:
            written = 0
            while written < len(data):  # A short write is followed by the error that cut it short.
                written += os.pwrite(self._file, data[written:], self._size + written)
            os.fdatasync(self._file)
        except OSError:
            os.ftruncate(self._file, self._size)
            raise
        self._size += len(data)

    def _compact_if_large(self) -> None:
        """Write the file anew beside itself with what is kept, sync it, and put it in its place."""
        if self._size <= self._file_limit:
            return
        beside = self.path.with_name(self.path.name + ".new")
        data = self._header + b"".join(self._records())
        file = os.open(beside, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            with open(os.dup(file), "wb") as whole:  # noqa: PTH123 - a descriptor, not a path
                whole.write(data)
            os.fsync(file)
            beside.replace(self.path)
        except BaseException:
            os.close(file)
            raise
        os.close(self._file)
        self._file, self._size = file, len(data)
        _sync_folder(self.path.parent)  # Else a power cut could bring the old file back, without what follows.
        # However much is kept, the next time is a good way off.
        self._file_limit = max(self._file_limit, 2 * self._size)

    def _records(self) -> Iterator[bytes]:
        """Yield records that say what is kept."""
        if self.next_out > 1:
            yield _record(_BEGIN, self.day, b"")
            number = 1
            for number, frame in self.read(1, self.next_out):
                yield _record(_FRAME, number, frame)
            if number < self.next_out - 1:  # The last number is one without a frame.
                yield _record(_USED, self.next_out - 1, b"")
        yield _record(_EXPECTED, self.expected, b"")


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _record(kind: bytes, number: int, frame: bytes) -> bytes:
    body = _BODY.pack(kind, number) + frame
    return _HEAD.pack(zlib.crc32(body), len(body)) + body


def _record_end(data: bytes, at: int) -> int | None:
    """Return where the record at a place ends, or None where none stands there whole."""
    if at + _HEAD.size > len(data):
        return None
    check_sum, length = _HEAD.unpack_from(data, at)
    end = at + _HEAD.size + length
    if not _BODY.size <= length <= RECORD_BYTES_LIMIT or end > len(data):
        return None
    body = data[at + _HEAD.size : end]
    return end if zlib.crc32(body) == check_sum and body[:1] in _KINDS else None
