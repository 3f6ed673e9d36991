"""The disk of a session that outlives its process, and what may happen to it."""

import errno
from pathlib import Path
from tempfile import TemporaryDirectory

from capture.session.store import RecentFrames
from capture.session_store import FileStore

CUT_BYTES = 3


class _Store(FileStore):
    """A store on a disk that can be full."""

    full = False

    def _write(self, data: bytes) -> None:
        if self.full:
            raise OSError(errno.ENOSPC, "No space left on device")
        super()._write(data)


class Disk:
    """A folder with one session's store; it is there until `vanish`."""

    def __init__(self, session: str) -> None:
        self._session = session
        self._folder = TemporaryDirectory()
        self._path = Path(self._folder.name) / "session"
        self._store: _Store | None = None

    def open(self) -> tuple[FileStore, RecentFrames]:
        """Return the store as a new process finds it, and its numbers for a follower, which writes nothing."""
        self._store = store = _Store(self._path, self._session)
        copy = RecentFrames()
        copy.next_out, copy.expected, copy.lost, copy.day = store.next_out, store.expected, store.lost, store.day
        return store, copy

    def close(self) -> None:
        """End the process that has it open, if one has."""
        if self._store is not None:
            self._store.close()
            self._store = None

    def vanish(self) -> None:
        """Close and remove everything."""
        self.close()
        self._folder.cleanup()

    def become(self, state: str) -> None:
        """Have something happen: to the disk under a process, or to the file without one."""
        match state:
            case "full" | "writable":
                assert self._store is not None, "a disk is full for a process that lives"
                self._store.full = state == "full"
            case "missing":
                self._path.unlink()
            case "torn":
                self._path.write_bytes(self._path.read_bytes()[:-CUT_BYTES])
            case "damaged":
                data = bytearray(self._path.read_bytes())
                data[data.index(b"\n") + CUT_BYTES] ^= 1  # Within the first record.
                self._path.write_bytes(data)
            case "of_another":
                self._path.write_bytes(self._path.read_bytes().replace(b"CLIENT", b"NOBODY"))
            case _:
                raise AssertionError(f"nothing that happens to a disk: {state}")
