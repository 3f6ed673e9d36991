"""The files of a tape in an object store: whole objects, conditional puts, ranged reads.

Layer: storage, beside `stores`, whose protocol it implements over obstore (the extra `s3`).
Source: docs/decisions/0025-object-stores.md; Amazon S3 API, PutObject with If-None-Match.
Left to others: addresses and credentials (`storage.object_settings`), Parquet (`storage.ranged`).

An object is there whole or not at all, and durable once the store says so: nothing is synced and no temporary has a
name. A put-if-absent is never repeated by the library: an answer that was lost may have been a success, so it is
repeated here, and an object that then stands there with our very bytes is ours.
"""

import errno
import hashlib
import io
import os
import tempfile
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path, PurePosixPath
from threading import Lock
from typing import TYPE_CHECKING, Any, BinaryIO, Final, cast

from storage.errors import StoreError, StoreUnusable
from storage.object_errors import telling
from storage.object_settings import SCHEME, Address, S3Settings, parse_address, s3_settings
from storage.stores import TEMPORARY_SUFFIX, Staged, Stored

if TYPE_CHECKING:
    from obstore.store import ObjectStore as Backend

CONNECT_TIMEOUT_S: Final = 5
REQUEST_TIMEOUT_S: Final = 60  # Of one request, its answer included.
RETRIES_LIMIT: Final = 4  # Of a request that may be repeated, by the library.
RETRY_TIMEOUT_S: Final = 60
PUT_NEW_TRIES_LIMIT: Final = 5
PUT_NEW_WAIT_S: Final = 0.1  # Before the second try; then twice as long each time.
STAGED_BYTES: Final = 32 << 20  # Of a file that is being written, in memory; beyond it in a temporary file.
PART_BYTES: Final = 8 << 20  # Of an upload in parts. A smaller file is one request.
TAIL_BYTES: Final = 64 << 10  # Read at once from the end of a file: footers are smaller, and many a file is.
TAILS_KEPT: Final = 256

_NS: Final = 1_000_000_000


@dataclass(slots=True)
class Counts:
    """What was asked of a store: requests for bytes, the bytes that came, and requests that put something."""

    reads: int = 0
    bytes: int = 0
    puts: int = 0


class Client:
    """Both ways to ask one bucket, and the ends of files that were read. Any number of threads may share it."""

    def __init__(
        self,
        address: str,
        steady: "Backend",
        once: "Backend",
        *,
        options: dict[str, str] | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Steady repeats what failed, once does not. address: of the bucket. options: for deltalake."""
        self.address, self.steady, self.once, self.options, self.sleep = address, steady, once, options, sleep
        self.counts = Counts()
        self._tails: OrderedDict[str, tuple[int, bytes]] = OrderedDict()
        self._lock = Lock()

    def read_range(self, key: str, start: int, end: int) -> bytes:
        """Return the bytes from start to before end."""
        with telling(f"{self.address}/{key}"):
            return self.counted(self._obstore().get_range(self.steady, key, start=start, end=end))

    def tail(self, key: str) -> tuple[int, bytes]:
        """Return the size of an object and its last bytes, kept for the next who asks: an object is never changed."""
        with self._lock:
            if key in self._tails:
                self._tails.move_to_end(key)
                return self._tails[key]
        with telling(f"{self.address}/{key}"):
            try:
                got = self._obstore().get(self.steady, key, options={"range": {"suffix": TAIL_BYTES}})
                found = got.meta["size"], self.counted(got.bytes())
            except Exception:
                if self._obstore().head(self.steady, key)["size"]:
                    raise
                found = 0, b""  # No range of an empty object can be had.
        with self._lock:
            self._tails[key] = found
            while len(self._tails) > TAILS_KEPT:
                self._tails.popitem(last=False)
        return found

    def forget(self, key: str) -> None:
        """Let go of what is kept of an object that is put anew."""
        with self._lock:
            self._tails.pop(key, None)

    def counted(self, data: Any) -> bytes:
        """Return bytes that came, counted."""
        found = bytes(data)
        with self._lock:
            self.counts.reads += 1
            self.counts.bytes += len(found)
        return found

    @staticmethod
    def _obstore() -> Any:
        import obstore  # noqa: PLC0415  An extra, and whoever got here has it.

        return obstore


class ObjectStore:
    """A prefix of a bucket, as `storage.stores.Store` asks for it."""

    def __init__(self, client: Client, prefix: str) -> None:
        self.client, self.prefix = client, prefix
        self.location = f"{client.address}/{prefix}".removesuffix("/")
        self.options = client.options

    def put_new(self, name: str, data: bytes) -> bool:
        """Put bytes under a name that is not taken: the store decides, by If-None-Match.

        Errors: StoreError. After one the name may be taken or not.
        """
        import obstore  # noqa: PLC0415
        from obstore.exceptions import AlreadyExistsError  # noqa: PLC0415

        key, wait_s, lost = self._key(name), PUT_NEW_WAIT_S, False
        for tries_left in reversed(range(PUT_NEW_TRIES_LIMIT)):
            self.client.counts.puts += 1
            try:
                with telling(f"{self.location}/{name}", passing=(AlreadyExistsError,)):
                    obstore.put(self.client.once, key, data, mode="create", use_multipart=False)
            except AlreadyExistsError:
                return lost and self.read(name) == data
            except StoreError as error:
                if not error.may_pass or not tries_left:
                    raise
                lost = True  # It may be there all the same.
                self.client.sleep(wait_s)
                wait_s *= 2
            else:
                return True
        raise AssertionError("the last try returns or raises")

    @contextmanager
    def stage(self, directory: str, label: str) -> Iterator[Staged]:
        """Yield a file that is kept here until it is published, as one object; killed before, it leaves nothing."""
        del label
        with tempfile.SpooledTemporaryFile(max_size=STAGED_BYTES) as file:
            yield _ObjectStaged(self, directory, cast("BinaryIO", file))

    def put(self, name: str, file: BinaryIO | bytes) -> None:
        """Put an object, in place of the one that may be there. Errors: StoreError."""
        import obstore  # noqa: PLC0415

        self.client.counts.puts += 1
        with telling(f"{self.location}/{name}"):
            obstore.put(self.client.steady, self._key(name), file, chunk_size=PART_BYTES)
        self.client.forget(self._key(name))

    def read(self, name: str) -> bytes:
        """Return all bytes of an object."""
        import obstore  # noqa: PLC0415

        with telling(f"{self.location}/{name}"):
            return self.client.counted(obstore.get(self.client.steady, self._key(name)).bytes())

    def open(self, name: str) -> BinaryIO:
        """Return an object open for reading; it reads what it is asked for and the end of it."""
        return cast("BinaryIO", RangedFile(self.client, self._key(name)))

    def sha256(self, name: str) -> str:
        """Return the SHA-256 of an object, asked for once more, whole."""
        import obstore  # noqa: PLC0415

        found = hashlib.sha256()
        with telling(f"{self.location}/{name}"):
            for part in obstore.get(self.client.steady, self._key(name)).stream(min_chunk_size=PART_BYTES):
                found.update(self.client.counted(part))
        return found.hexdigest()

    def list(self, directory: str = "") -> Iterator[Stored]:
        """Yield the objects below a prefix."""
        import obstore  # noqa: PLC0415

        within = f"{self.prefix}/" if self.prefix else ""
        with telling(f"{self.location}/{directory}".removesuffix("/")):
            for page in obstore.list(self.client.steady, prefix=self._key(directory) or None):
                for it in page:
                    modified_ns = int(it["last_modified"].timestamp()) * _NS
                    yield Stored(it["path"].removeprefix(within), it["size"], modified_ns)

    def delete(self, name: str) -> bool:
        """Remove an object; return False where it was gone already."""
        import obstore  # noqa: PLC0415

        try:
            with telling(f"{self.location}/{name}"):
                obstore.head(self.client.steady, self._key(name))
                obstore.delete(self.client.steady, self._key(name))
        except FileNotFoundError:
            return False
        self.client.forget(self._key(name))
        return True

    def check(self, name: str, sha256: str) -> None:
        """Read an object again, whole, and compare. Errors: StoreError; put it once more."""
        received = self.sha256(name)
        if received != sha256:
            remedy = "it is sent again; look at what stands between here and the store"
            raise StoreError(f"{self.location}/{name}", f"sent with SHA-256 {sha256}, read {received}", remedy=remedy)

    def copy_of(self, name: str, scratch: Path) -> Path:
        """Return a copy of an object in a directory, made where it is missing. Errors: StoreError; OSError."""
        import obstore  # noqa: PLC0415

        path = scratch / name
        if path.exists():
            return path
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}{TEMPORARY_SUFFIX}")
        with telling(f"{self.location}/{name}"):
            parts = obstore.get(self.client.steady, self._key(name)).stream(min_chunk_size=PART_BYTES)
        with temporary.open("wb") as file:
            while True:
                with telling(f"{self.location}/{name}"):
                    part = next(parts, None)
                if part is None:
                    break
                file.write(self.client.counted(part))
        temporary.rename(path)
        return path

    def adopt(self, path: Path, name: str) -> None:
        """Put a file, and read it again. Errors: StoreError; OSError."""
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
            file.seek(0)
            self.put(name, file)
        self.check(name, sha256)

    def sync(self, *names: str) -> None:
        """Do nothing: what a store has answered for is durable."""

    def below(self, directory: str) -> "ObjectStore":
        """Return a longer prefix as a store of its own."""
        return ObjectStore(self.client, self._key(directory))

    def _key(self, name: str) -> str:
        return f"{self.prefix}/{name}".strip("/")


class _ObjectStaged:
    """A file on its way into an object."""

    def __init__(self, store: ObjectStore, directory: str, file: BinaryIO) -> None:
        self._store, self._directory, self._file = store, directory, file

    def write(self, data: bytes) -> int:
        return self._file.write(data)

    def publish(self, name: str) -> None:
        assert str(PurePosixPath(name).parent) == (self._directory or "."), "a file is staged where it is for"
        self._file.seek(0)
        self._store.put(name, self._file)


class RangedFile(io.RawIOBase):
    """An object as a file: what is read of it is asked for by range, its end but once."""

    def __init__(self, client: Client, key: str) -> None:
        super().__init__()
        self._client, self._key, self._at = client, key, 0
        self._size, self._tail = client.tail(key)

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def size(self) -> int:
        """Return how many bytes it has."""
        return self._size

    def tell(self) -> int:
        """Return where it stands."""
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Go to a place."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        if base + offset < 0:
            raise OSError(errno.EINVAL, "a place before the beginning")
        self._at = base + offset
        return self._at

    def read(self, size: int = -1, /) -> bytes:
        """Return bytes from where it stands; fewer than asked for at the end alone."""
        end = self._size if size < 0 else min(self._at + size, self._size)
        if end <= self._at:
            return b""
        tail_begin = self._size - len(self._tail)
        if self._at >= tail_begin:
            found = self._tail[self._at - tail_begin : end - tail_begin]
        else:
            found = self._client.read_range(self._key, self._at, end)
        self._at += len(found)
        return found

    def readall(self) -> bytes:
        """Return all that is left."""
        return self.read()

    def readinto(self, buffer: Any, /) -> int:
        """Fill a buffer as far as there are bytes."""
        view = memoryview(buffer).cast("B")
        found = self.read(len(view))
        view[: len(found)] = found
        return len(found)


def open_store(text: str, environment: Mapping[str, str] = os.environ) -> ObjectStore:
    """Return the store at an address, asked for as an environment says; nothing is asked yet.

    Errors: StoreUnusable, also where obstore is not installed; StoreDenied where there are no credentials.
    """
    address = parse_address(text)
    return ObjectStore(_client(address, s3_settings(address, environment)), address.prefix)


def _client(address: Address, how: S3Settings) -> Client:
    try:
        from obstore.store import S3Store  # noqa: PLC0415
    except ImportError:
        remedy = "pip install 'fixtape[s3]'"
        raise StoreUnusable(str(address), "object stores need obstore, which is not installed", remedy=remedy) from None
    config = {name.lower(): value for name, value in how.settings.items()}

    def backend(retries: int) -> "Backend":
        return S3Store(
            address.bucket,
            config=cast("Any", config),
            client_options={
                "allow_http": how.allows_http,
                "connect_timeout": timedelta(seconds=CONNECT_TIMEOUT_S),
                "timeout": timedelta(seconds=REQUEST_TIMEOUT_S),
            },
            retry_config={"max_retries": retries, "retry_timeout": timedelta(seconds=RETRY_TIMEOUT_S)},
        )

    options = {**how.settings, "timeout": f"{REQUEST_TIMEOUT_S}s", "max_retries": str(RETRIES_LIMIT)}
    if how.allows_http:
        options["AWS_ALLOW_HTTP"] = "true"
    return Client(f"{SCHEME}{address.bucket}", backend(RETRIES_LIMIT), backend(0), options=options)
