"""Sealed segments compressed, one at a time and at any moment either form whole.

Layer: journal, above `blocks` and `packed`.
Source: faults section 1, clause 3; docs/decisions/0020-compressed-segments.md.
Left to others: which segments and when (`compressor`), the layout (`packed`).

    temporary file, fsync, read back, decompressed and compared, rename, directory fsync, plain file removed,
    directory fsync

Killed at any step it leaves the plain form, or both; readers then take the plain one, and the next time ends it.
"""

import hashlib
import os
from collections.abc import Callable
from itertools import chain
from pathlib import Path
from typing import Final, NamedTuple

from storage.access import FILE_MODE
from storage.errors import JournalDamaged, JournalError, JournalUnreadable, JournalUnwritable
from storage.journal.blocks import Source, damaged, sealed_size
from storage.journal.packed import PIECES_LIMIT, PackedReader, Packer, check_packed, read_index
from storage.journal.parts import remove_parts
from storage.journal.segments import other_form
from storage.stores import sync_directory

LEVEL: Final = 9  # See docs/decisions/0020-compressed-segments.md for the others.
LEVELS: Final = range(1, 20)
TEMPORARY_SUFFIX: Final = ".tmp"
REMEDY_NOT_SAME: Final = "the plain form was kept; look after the disk, then compress again"

_FLAGS: Final = os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
_HASH_BYTES: Final = 2**20
assert PIECES_LIMIT * 8 < 2**17, "the index fits into one zstd block"


class Compressed(NamedTuple):
    """A segment that was compressed. bytes: of it; stored_bytes: of its file now."""

    path: Path
    bytes: int
    stored_bytes: int


def compress_segment(path: Path, *, level: int = LEVEL, stopped: Callable[[], bool] = bool) -> Compressed | None:
    """Compress a plain segment and remove its plain form; return None, and do nothing, where it was not sealed.

    stopped: asked often; where it says so, it is given up, and None returned.
    Errors: JournalUnreadable; JournalUnwritable; JournalDamaged where what was written does not read back the same.
    """
    with Source(path) as source:
        size = sealed_size(source)
        if size is None or source.path != path:
            return None
        target = other_form(path)
        try:
            if not _holds(target, source, size, stopped):
                temporary = target.with_name(f".{target.name}{TEMPORARY_SUFFIX}")
                try:
                    if not _write(temporary, source, size, level, stopped):
                        return None
                    temporary.rename(target)
                finally:
                    temporary.unlink(missing_ok=True)
            sync_directory(
                path.parent
            )  # Also where the file was there already: whoever wrote it may not have come to it.
            stored_bytes = target.stat().st_size
            path.unlink()
            remove_parts(path)  # After the file whose end they are: without them it would end otherwise.
            sync_directory(path.parent)
        except JournalError:
            raise
        except OSError as error:
            raise JournalUnwritable(target, doing="compress the segment", cause=error) from error
    return Compressed(target, size, stored_bytes)


def _holds(target: Path, source: Source, size: int, stopped: Callable[[], bool]) -> bool:
    """Return whether a compressed form stands there already that is whole, and of the same bytes."""
    try:
        descriptor = os.open(target, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        index = read_index(target, descriptor, os.fstat(descriptor).st_size)
        same = index.size == size and index.sha256 == _digest(source, size, stopped)
        return same and next(check_packed(target, descriptor), None) is None
    except JournalDamaged:
        return False
    finally:
        os.close(descriptor)


def _digest(source: Source, size: int, stopped: Callable[[], bool]) -> bytes:
    digest = hashlib.sha256()
    for at in range(0, size, _HASH_BYTES):
        if stopped():
            break  # The digest of a part is another's.
        digest.update(source.at(at, min(_HASH_BYTES, size - at)))
    return digest.digest()


def _write(temporary: Path, source: Source, size: int, level: int, stopped: Callable[[], bool]) -> bool:
    """Write the compressed form, durable and proven; return False where it was given up."""
    packer = Packer(size, level)
    with os.fdopen(os.open(temporary, _FLAGS, FILE_MODE), "wb") as file:
        descriptor = file.fileno()
        os.fchmod(descriptor, FILE_MODE)
        for at in range(0, size, packer.piece_bytes):
            if stopped():
                return False
            file.write(packer.piece(_exactly(source, at, min(packer.piece_bytes, size - at))))
        file.write(packer.end())
        file.flush()
        times = source.path.stat()
        os.utime(descriptor, ns=(times.st_atime_ns, times.st_mtime_ns))
        os.fsync(descriptor)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)  # What is read back then comes from the disk.
        read_back = PackedReader(temporary, descriptor, os.fstat(descriptor).st_size)
        for at, fault in chain(check_packed(temporary, descriptor), read_back.check()):
            raise damaged(temporary, at, fault, REMEDY_NOT_SAME)
    return True


def _exactly(source: Source, at: int, size: int) -> bytes:
    data = source.at(at, size)
    if len(data) != size:
        cause = OSError("the file became shorter")
        raise JournalUnreadable(source.path, doing=f"read at {at}", cause=cause)
    return data
