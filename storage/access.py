"""Who may read what we create, and which directories we do not write into.

Layer: storage, below everything that creates files. Imports nothing heavy.
Source: faults D8: files 0640 and directories 0750 whatever the umask; a root that is a symlink, world-writable or
    another user's is refused.
Left to others: making names durable (`storage.files`, `storage.journal.segments`).
"""

import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import Final

from storage.errors import RootUnsafe

FILE_MODE: Final = 0o640
DIRECTORY_MODE: Final = 0o750
SUPERUSER: Final = 0


def create_file(path: Path, flags: int) -> int:
    """Return a descriptor of a file made by these flags of open(2), never through a symlink. Errors: OSError."""
    descriptor = os.open(path, flags | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, FILE_MODE)
    try:
        os.fchmod(descriptor, FILE_MODE)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def make_directories(path: Path) -> list[Path]:
    """Make a directory, and its parents, where missing; return those made, the outermost first.

    Errors: OSError, where a file or a symlink stands in the way of the last one.
    """
    if path.is_dir():
        if path.is_symlink():
            raise NotADirectoryError(None, "a symlink stands where a directory should be", str(path))
        return []
    made = [] if path.parent.is_dir() else make_directories(path.parent)
    with suppress(FileExistsError):  # Another process was quicker; a file in its place fails at the next step.
        path.mkdir(DIRECTORY_MODE)
        path.chmod(DIRECTORY_MODE)
        made.append(path)
    return made


def refuse_unsafe(root: Path) -> None:
    """Raise if what is written below a directory would not be ours alone. Errors: RootUnsafe, OSError."""
    reason = unsafe(root.lstat(), user=os.geteuid())
    if reason is not None:
        raise RootUnsafe(root, *reason)


def unsafe(status: os.stat_result, *, user: int) -> tuple[str, str] | None:
    """Return why a directory of this status is not to be written into by a user, and what to do; or None."""
    if stat.S_ISLNK(status.st_mode):
        return "it is a symlink, which may lead elsewhere tomorrow", "name the directory itself"
    if status.st_mode & stat.S_IWOTH:
        return "everybody may write there", "take that away with chmod o-w"
    if status.st_uid not in {user, SUPERUSER}:
        return f"it belongs to user {status.st_uid}, and this is user {user}", "run as its owner, or name another"
    return None
