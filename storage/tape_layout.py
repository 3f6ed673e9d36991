"""Where things stand under a tape's root, and who may write there.

Layer: storage. Source: design section 2; `faults.md` for one writer at a time.

The lock is the kernel's and ends with the process, however it ends. What the file says is for people: who holds it, or
who held it and did not come to let go of it.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import msgspec

from storage.access import make_directories, refuse_unsafe
from storage.errors import CannotCreate, RootLocked

JOURNAL: Final = "journal"
LAKE: Final = "lake"
LOCK: Final = ".lock"
QUARANTINE: Final = "quarantine"  # What recovery set aside, each with its reason; nothing reads it.
WHOLE_RUNS: Final = ".whole.json"  # Which runs the lake holds whole (`storage.whole_runs`).
SCRATCH: Final = ".scratch"  # What a rebuild or a verification makes to compare; it may be removed at any time.

_OWNER_BYTES_LIMIT: Final = 4096


@dataclass(frozen=True, slots=True)
class LockOwner:
    """Who holds a root, or held it last. doing: record, rebuild, recover, merge. run: of a recorder, else empty."""

    pid: int
    host: str
    doing: str
    run: str = ""

    def __str__(self) -> str:
        run = f" (run {self.run})" if self.run else ""
        return f"{self.doing}{run}, process {self.pid} on {self.host}"


def make_root(root: Path) -> Path:
    """Return the root, made if it was missing.

    Errors: RootUnsafe; CannotCreate where it cannot be made or written.
    """
    if root.is_symlink():
        refuse_unsafe(root)
    try:
        make_directories(root)
        refuse_unsafe(root)
    except OSError as error:
        raise CannotCreate(root, error.strerror or str(error)) from None
    if not os.access(root, os.W_OK | os.X_OK):
        raise CannotCreate(root, "no permission to write")
    return root


def tape_of(root: Path) -> Path:
    """Return the root of the tape that a directory is, or whose journal it is; or the directory where it is neither."""
    return root.parent if root.name == JOURNAL and not (root / JOURNAL).is_dir() else root


@contextmanager
def locked(root: Path, *, doing: str = "write", run: str = "") -> Iterator[LockOwner | None]:
    """Hold the root for one writer; yield who held it before and ended without letting go, or None.

    Errors: RootLocked at once, naming who holds it; CannotCreate.
    """
    path = root / LOCK
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o640)
    except OSError as error:
        raise CannotCreate(path, error.strerror or str(error)) from None
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = _read_owner(descriptor)
            raise RootLocked(root, str(holder) if holder else None) from None
        before = _read_owner(descriptor)
        owner = LockOwner(os.getpid(), os.uname().nodename, doing, run)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, msgspec.json.encode(asdict(owner)), 0)
        try:
            yield before
        finally:
            os.ftruncate(descriptor, 0)  # Let go of; a process that is killed leaves its name.
    finally:
        os.close(descriptor)


def writer_of(root: Path) -> LockOwner | None:
    """Return who the root's lock names: its writer, or one that was killed; the lock is not touched."""
    try:
        descriptor = os.open(root / LOCK, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return None
    try:
        return _read_owner(descriptor)
    finally:
        os.close(descriptor)


def _read_owner(descriptor: int) -> LockOwner | None:
    """Return who the file names; None where it names nobody, as it does for a moment while a lock is taken."""
    try:
        return msgspec.json.decode(os.pread(descriptor, _OWNER_BYTES_LIMIT, 0), type=LockOwner)
    except msgspec.DecodeError:
        return None
