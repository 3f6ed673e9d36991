"""Room on the journal's disk: a reserve that is freed when the disk is full, and made again when it is not.

Layer: journal, beside `appending`. Owns one file, `journal/.reserve`, of preallocated bytes.
Source: faults section 2, A10: "Parquet stops first, journal last; ballast file released".
Left to others: what stops when (`writer`, `storage.writer_thread`), how often it is looked (`storage.recorder`).

An ordinary end takes the file away; one that a kill left is taken over by the next run, and may be removed in between.
"""

import os
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from enum import Enum
from pathlib import Path
from typing import Final

from storage.access import create_file

FILE_NAME: Final = ".reserve"
RESERVE_BYTES: Final = 64 * 2**20
SHARE: Final = 16  # The reserve takes no more than this part of what is free at the start.
RESERVE_BYTES_MIN: Final = 64 * 2**10  # Of less, none is made.
PROBE_BYTES: Final = 2**20  # Without a reserve: so much must be free after a hole.
ALARM: Final = "disk full"

Alarms = deque[tuple[str, str]]


class Room(Enum):
    """How much room there is for the journal."""

    ENOUGH = "enough"
    RESERVE = "reserve"  # The disk is full, the reserve is freed: nothing but the journal is to write.
    NONE = "none"  # The reserve is used up: there is a hole.


class Reserve:
    """The reserve of one journal. `open` makes it, `give` frees it, `look` makes it again; in that order of states.

    state: read by any thread; changed by the one that writes, and by `look`, which does nothing while there is enough.
    Errors: none of its own; where the file system refuses, there is no reserve.
    """

    def __init__(self, journal: Path, size: int, alarms: Alarms, free: Callable[[Path], int] | None = None) -> None:
        self.state = Room.ENOUGH
        self.size = size
        self._path, self._alarms = journal / FILE_NAME, alarms
        self._free = free or _free_bytes

    def open(self) -> None:
        """Make the reserve; a smaller one, or none, on a small disk."""
        with suppress(OSError):
            self._path.unlink(missing_ok=True)
        self.size = min(self.size, self._free(self._path.parent) // SHARE)
        if self.size < RESERVE_BYTES_MIN or not self._make(self.size):
            self.size = 0

    def give(self) -> bool:
        """Free the reserve; return whether there was one."""
        if self.state is not Room.ENOUGH or not self.size:
            return False
        try:
            self._path.unlink()
        except OSError:
            return False
        self.state = Room.RESERVE
        self._alarms.append((ALARM, f"the disk is full: nothing but the journal is written, into {self.size} bytes"))
        return True

    def refuse(self) -> None:
        """Take note that there is no room at all."""
        if self.state is not Room.NONE:
            self.state = Room.NONE
            self._alarms.append((ALARM, "no room is left for the journal: the session ends until there is; free space"))

    def look(self) -> None:
        """Look whether there is room again; the reserve is then made again first of all."""
        if self.state is Room.ENOUGH:
            return
        size = self.size or PROBE_BYTES
        wanted = 2 * size if self.state is Room.RESERVE else size  # Not out of what is left of the reserve itself.
        if self._free(self._path.parent) < wanted or not self._make(size):
            return
        if not self.size:
            self.close()
        self.state = Room.ENOUGH
        self._alarms.append((ALARM, "there is room again: recording goes on"))

    def close(self) -> None:
        """Take the reserve away."""
        with suppress(OSError):
            self._path.unlink(missing_ok=True)

    def _make(self, size: int) -> bool:
        try:
            descriptor = create_file(self._path, os.O_WRONLY)
            try:
                os.posix_fallocate(descriptor, 0, size)
            finally:
                os.close(descriptor)
        except OSError:
            self.close()
            return False
        return True


def _free_bytes(directory: Path) -> int:
    try:
        found = os.statvfs(directory)
    except OSError:
        return 0
    return found.f_bavail * found.f_frsize
