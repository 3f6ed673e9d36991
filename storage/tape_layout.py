"""Where things stand under a tape's root, and who may write there.

Layer: storage. Source: design section 2; `faults.md` for one writer at a time.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from storage.access import make_directories, refuse_unsafe
from storage.errors import CannotCreate, RootLocked

JOURNAL: Final = "journal"
LAKE: Final = "lake"
LOCK: Final = ".lock"


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
def locked(root: Path) -> Iterator[None]:
    """Hold the root for one writer; the lock ends with the process, however it ends. Errors: RootLocked."""
    path = root / LOCK
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    except OSError as error:
        raise CannotCreate(path, error.strerror or str(error)) from None
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RootLocked(root) from None
        yield
    finally:
        os.close(descriptor)
