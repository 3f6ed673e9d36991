"""Where the files of one table live: names in, durable bytes out, and one primitive on which commits stand.

Layer: storage, below files and commits. Knows names and bytes; nothing of Parquet or of the Delta log.
Source: faults section 1, clause 3: temporary file, fsync, rename or link, directory fsync.
Left to others: an object store, which has put-if-absent of its own and needs no syncing (`storage.object_store`).

Names are relative to the table, with forward slashes. A temporary begins with a dot and ends in `.tmp`, which neither
pyarrow nor DuckDB nor deltalake takes for a table's file; one that a killed process left is for `storage.vacuum`.
"""

import hashlib
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Final, NamedTuple, Protocol

from storage.access import FILE_MODE, create_file, make_directories

TEMPORARY_SUFFIX: Final = ".tmp"

_TEMPORARY: Final = re.compile(r"\.([1-9][0-9]{0,9})-[0-9a-f]{8}\.tmp$")


class Stored(NamedTuple):
    """A file in a store, by its name within the table. modified_ns: the store's own time."""

    name: str
    size: int
    modified_ns: int


class Staged(Protocol):
    """A file that is being written and has no name yet."""

    def write(self, data: bytes) -> int:
        """Append bytes."""

    def publish(self, name: str) -> None:
        """Give it its name, once and durably; a file of that name is replaced in one step."""


class Store(Protocol):
    """The files of one table, or of a tape.

    Errors of each call: OSError; FileNotFoundError where a name is read that is not there.
    location, options: what deltalake opens the table by.
    """

    location: str
    options: dict[str, str] | None

    def put_new(self, name: str, data: bytes) -> bool:
        """Put bytes under a name that is not taken, durably; return False, and change nothing, where it is.

        Of any number that try at once exactly one gets True. After an error the name may be taken or not.
        """

    def stage(self, directory: str, label: str) -> AbstractContextManager[Staged]:
        """Return a file to be written and published; what is not published is removed at the end."""

    def read(self, name: str) -> bytes:
        """Return all bytes of a file."""

    def open(self, name: str) -> BinaryIO:
        """Return a file open for reading at any place."""

    def sha256(self, name: str) -> str:
        """Return the SHA-256 of a file, in hex digits, of its bytes as they stand there now, none of them kept."""

    def list(self, directory: str = "") -> Iterator[Stored]:
        """Yield the files in a directory and below it, in no order; none where it is missing."""

    def delete(self, name: str) -> bool:
        """Remove a file; return False where it was gone already."""

    def check(self, name: str, sha256: str) -> None:
        """Make sure that a file that was just published stands there as it was sent."""

    def copy_of(self, name: str, scratch: Path) -> Path:
        """Return a path with the bytes of a file: its own, or of a copy in a scratch directory; whole or not at all."""

    def adopt(self, path: Path, name: str) -> None:
        """Take a whole file of this machine in under a name, durably, in place of the one that may be there."""

    def sync(self, *names: str) -> None:
        """Make durable what another library, or a process that was killed, left under these names."""

    def below(self, directory: str) -> "Store":
        """Return what is in a directory as a store of its own."""


class LocalStore:
    """A table in a directory of this machine."""

    options: dict[str, str] | None = None

    def __init__(self, path: Path) -> None:
        self.path = path
        self.location = str(path)

    def put_new(self, name: str, data: bytes) -> bool:
        """Put bytes under a name that is not taken: link(2) fails where it is, on every file system of POSIX."""
        path = self.path / name
        if path.exists():  # Saves writing and syncing in vain; what decides is the link.
            return False
        ensure_directory(path.parent)
        with _temporary(path.parent, path.name) as (temporary, file):
            file.write(data)
            _sync(file)
            try:
                os.link(temporary, path)
            except FileExistsError:
                return False
        sync_directory(path.parent)
        return True

    @contextmanager
    def stage(self, directory: str, label: str) -> Iterator[Staged]:
        """Yield a temporary in the directory; published by a rename."""
        parent = self.path / directory
        ensure_directory(parent)
        with _temporary(parent, label) as (temporary, file):
            yield _LocalStaged(self.path, temporary, file)

    def read(self, name: str) -> bytes:
        """Return all bytes of a file."""
        return (self.path / name).read_bytes()

    def open(self, name: str) -> BinaryIO:
        """Return a file open for reading; it stays readable when its name is removed."""
        return (self.path / name).open("rb")

    def sha256(self, name: str) -> str:
        """Return the SHA-256 of a file."""
        with (self.path / name).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def list(self, directory: str = "") -> Iterator[Stored]:
        """Yield the files in a directory and below it; links are not followed."""
        waiting = [self.path / directory]
        while waiting:
            try:
                found = os.scandir(waiting.pop())
            except (FileNotFoundError, NotADirectoryError):
                continue
            with found:
                for entry in found:
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(Path(entry.path))
                        continue
                    with suppress(FileNotFoundError):  # Renamed or removed since it was listed.
                        status = entry.stat(follow_symlinks=False)
                        name = Path(entry.path).relative_to(self.path).as_posix()
                        yield Stored(name, status.st_size, status.st_mtime_ns)

    def delete(self, name: str) -> bool:
        """Remove a file. Not synced: a name that a power cut brings back is removed the next time."""
        try:
            (self.path / name).unlink()
        except FileNotFoundError:
            return False
        return True

    def check(self, name: str, sha256: str) -> None:
        """Do nothing: what was synced is what was written, as far as a file system can be asked."""

    def copy_of(self, name: str, scratch: Path) -> Path:
        """Return where the file stands."""
        del scratch
        return self.path / name

    def adopt(self, path: Path, name: str) -> None:
        """Give a synced file of the same file system its name here; it leaves its own."""
        final = self.path / name
        ensure_directory(final.parent)
        path.rename(final)
        sync_directory(final.parent)

    def sync(self, *names: str) -> None:
        """Sync files, give them our mode, and sync the directories that they are in."""
        paths = [self.path / name for name in names]
        for path in paths:
            sync_file(path)
        for parent in sorted({path.parent for path in paths}):
            sync_directory(parent)

    def below(self, directory: str) -> "LocalStore":
        """Return a directory inside as a store of its own; it need not be there yet."""
        return LocalStore(self.path / directory)


class _LocalStaged:
    """A temporary of a local store."""

    def __init__(self, root: Path, temporary: Path, file: BinaryIO) -> None:
        self._root, self._temporary, self._file = root, temporary, file

    def write(self, data: bytes) -> int:
        return self._file.write(data)

    def publish(self, name: str) -> None:
        _sync(self._file)
        path = self._root / PurePosixPath(name)
        assert path.parent == self._temporary.parent, "a file is staged in the directory that it is for"
        self._temporary.rename(path)
        sync_directory(path.parent)


def store_at(where: Path | Store) -> Store:
    """Return the store of a table: a directory's, or the one given."""
    return LocalStore(where) if isinstance(where, Path) else where


def parquet_at(store: Store, name: str) -> Path | BinaryIO:
    """Return what a reader of Parquet opens: the path of a file, or the file open at its store. Errors: StoreError."""
    return store.path / name if isinstance(store, LocalStore) else store.open(name)


def writer_is_gone(name: str) -> bool:
    """Return whether a temporary is nobody's: its process has ended, or is this one, which asks while it writes none.

    In a container a recorder has the same number again each time it starts.
    """
    found = _TEMPORARY.search(name)
    if found is None:
        return False
    process = int(found[1])
    if process == os.getpid():
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    except PermissionError:  # It lives, as another user's.
        pass
    return False


@contextmanager
def _temporary(directory: Path, label: str) -> Iterator[tuple[Path, BinaryIO]]:
    """Yield a new file of our mode under a name of its own; at the end that name is gone."""
    # Two processes may write the same file, and a later one must know whether this one still does.
    path = directory / f".{label}.{os.getpid()}-{secrets.token_hex(4)}{TEMPORARY_SUFFIX}"
    with os.fdopen(create_file(path, os.O_WRONLY | os.O_EXCL), "wb") as file:
        try:
            yield path, file
        finally:
            with suppress(OSError):  # Renamed, as it should be; or a disk that refuses everything, which was raised.
                path.unlink()


def _sync(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


def ensure_directory(path: Path) -> None:
    """Make a directory, and its parents, where missing, so that they survive a power cut. Errors: OSError."""
    for made in make_directories(path):
        sync_directory(made.parent)


def sync_file(path: Path) -> None:
    """Sync a file that another library wrote, and give it the mode of our own."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        os.fchmod(descriptor, FILE_MODE)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_directory(path: Path) -> None:
    """Sync a directory, so that the names in it are durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
