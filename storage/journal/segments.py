"""The files of a journal: how they are named and found, and the one that is being written.

Layer: journal, above `times`. The only module of it that creates and writes files.
Source: design section 4; faults section 1, clauses 1, 3 and 4.
Left to others: what is in them (`format`), when one ends (`writer`).
"""

import os
from contextlib import suppress
from pathlib import Path
from typing import Final, Self

from storage.access import create_file, make_directories
from storage.errors import JournalUncreatable, JournalUnreadable, JournalUnwritable
from storage.journal.times import day_of, name_of

SUFFIX: Final = ".pcapng"
PACKED_SUFFIX: Final = ".pcapng.zst"  # Of a segment that was sealed and then compressed.
DIRECTORY_NAME: Final = "journal"  # Of the journal inside a tape.
NAME_TRIES_LIMIT: Final = 1000  # Segments that may begin in the same nanosecond, one after the other.

_DAY_PATTERN: Final = "[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]"
_FLAGS: Final = os.O_WRONLY | os.O_EXCL | os.O_APPEND


def journal_directory(root: Path) -> Path:
    """Return the journal of a tape, or the directory itself where it is the journal."""
    inside = root / DIRECTORY_NAME
    return inside if inside.is_dir() else root


def segment_name(path: Path) -> str:
    """Return the name of a segment, whichever form the file has."""
    return path.name.removesuffix(PACKED_SUFFIX).removesuffix(SUFFIX)


def is_packed(path: Path) -> bool:
    """Return whether a file is a compressed segment."""
    return path.name.endswith(PACKED_SUFFIX)


def other_form(path: Path) -> Path:
    """Return where the same segment stands in its other form, if it does."""
    return path.with_name(segment_name(path) + (SUFFIX if is_packed(path) else PACKED_SUFFIX))


def present_form(path: Path) -> Path:
    """Return the path, or that of the other form where only that is there."""
    other = other_form(path)
    return other if other.exists() and not path.exists() else path


def segment_paths(root: Path) -> list[Path]:
    """Return the segments of a tape or a journal, oldest first: their names are their times.

    Where one stands there in both forms, as a compression that was killed leaves it, it is the plain one that counts.
    """
    packed = {segment_name(path): path for path in _found(root, PACKED_SUFFIX)}
    plain = {segment_name(path): path for path in plain_paths(root)}
    return [path for _, path in sorted((packed | plain).items())]


def paths_between(root: Path, begin_ns: int | None, end_ns: int | None) -> list[Path]:
    """Return the segments that may hold records between two times: by their names, and the one before the first."""
    paths = segment_paths(root)
    if begin_ns is not None:
        before = sum(segment_name(path) <= name_of(begin_ns) for path in paths)
        paths = paths[max(0, before - 1) :]
    return paths if end_ns is None else [path for path in paths if segment_name(path) < name_of(end_ns)]


def plain_paths(root: Path) -> list[Path]:
    """Return the segments that are not compressed, oldest first."""
    return sorted(_found(root, SUFFIX))


def _found(root: Path, suffix: str) -> list[Path]:
    try:
        return list(journal_directory(root).glob(f"{_DAY_PATTERN}/[!.]*{suffix}"))
    except OSError as error:
        raise JournalUnreadable(root, doing="list the segments", cause=error) from error


class SegmentFile:
    """One segment open for appending. `sync` may run in another thread than `append`."""

    __slots__ = (
        "_fd",
        "_sync_failed",
        "_synced_bytes",
        "_unsynced_directories",
        "failed",
        "name",
        "name_ns",
        "path",
        "size",
    )

    def __init__(self, path: Path, fd: int, name_ns: int) -> None:
        self.path, self.name, self.name_ns = path, path.stem, name_ns
        self.size = 0
        self.failed = False  # It takes no more bytes.
        self._fd = fd
        self._sync_failed = False
        self._synced_bytes = 0
        self._unsynced_directories = [path.parent, path.parent.parent]

    @classmethod
    def create(cls, root: Path, name_ns: int) -> Self:
        """Return a new segment named for a time, or for the first nanosecond after it that is free.

        Errors: JournalUncreatable.
        """
        path = root
        try:
            for candidate_ns in range(name_ns, name_ns + NAME_TRIES_LIMIT):
                path = root / day_of(candidate_ns) / f"{name_of(candidate_ns)}{SUFFIX}"
                make_directories(path.parent)
                with suppress(FileExistsError):
                    return cls(path, create_file(path, _FLAGS), candidate_ns)
            raise FileExistsError(f"{NAME_TRIES_LIMIT} segments have names from here on")
        except OSError as error:
            raise JournalUncreatable(path, doing="create the segment", cause=error) from error

    def append(self, data: bytes) -> int:
        """Write all of it before returning; return the offset at which it stands.

        Errors: JournalUnwritable; then the segment ends with its last whole block, and takes no more.
        """
        offset = self.size
        try:
            _write_all(self._fd, data)
        except OSError as error:
            self.failed = True
            with suppress(OSError):  # It fails where the disk is gone; then the reader finds a torn tail.
                os.ftruncate(self._fd, offset)
            raise JournalUnwritable(self.path, doing="write", cause=error) from error
        self.size = offset + len(data)
        return offset

    def sync(self) -> int:
        """Make durable what was appended before this call, and the file's name; return how many bytes that adds.

        Errors: JournalUnwritable. It is never tried again on this descriptor: the kernel reports a lost page once,
        and says success the next time.
        """
        size = self.size
        if self._sync_failed or (size == self._synced_bytes and not self._unsynced_directories):
            return 0
        try:
            os.fdatasync(self._fd)
            for directory in self._unsynced_directories:
                _sync_directory(directory)
        except OSError as error:
            self.failed = self._sync_failed = True
            raise JournalUnwritable(self.path, doing="make durable", cause=error) from error
        self._unsynced_directories = []
        added, self._synced_bytes = size - self._synced_bytes, size
        return added

    def close(self) -> None:
        """Give the descriptor back, once. It does not make anything durable."""
        self.failed = self._sync_failed = True
        os.close(self._fd)

    def discard(self) -> None:
        """Take back a segment that not even its first blocks could be written to."""
        self.close()
        with suppress(OSError):  # Where it cannot be removed it stays, empty, and the reader says so.
            self.path.unlink()


def make_root(root: Path) -> None:
    """Make the journal's directory where it is missing.

    Errors: JournalUncreatable.
    """
    try:
        make_directories(root)
    except OSError as error:
        raise JournalUncreatable(root, doing="create the directory", cause=error) from error


def _write_all(fd: int, data: bytes) -> None:
    written = os.write(fd, data)
    while written < len(data):  # A nearly full disk or a signal takes part of it.
        written += os.write(fd, memoryview(data)[written:])


def _sync_directory(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
