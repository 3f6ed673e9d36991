"""`export.json`: what stands in an output directory, out of which version of which lake, and where it has holes.

Layer: queries, export.
Source: faults E5: whoever reads an export later can tell what it is of, and whether it is whole.

An output is known by its format, depth, symbol and date. It stands if its window, the list of lake files that it was
made of, and the size and SHA-256 of each of its own files are still as written.
"""

import hashlib
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from queries.errors import ManifestDamaged
from storage.files import HASH_BYTES
from storage.stores import LocalStore

NAME: Final = "export.json"
VERSION: Final = 1


class Part(msgspec.Struct, frozen=True):
    """One file. name: within the directory."""

    name: str
    bytes: int
    sha256: str


class Hole(msgspec.Struct, frozen=True, omit_defaults=True):
    """A stretch of which something may be missing, or an event that tells why. Times: ISO 8601 in UTC."""

    kind: str
    from_time: str
    to_time: str
    session_id: str | None = None
    text: str | None = None


class Output(msgspec.Struct, frozen=True):
    """One symbol and date in one format.

    lake: version of each table's log that was read. source: SHA-256 over the names of the files it was made of, which
    end in their contents' digests. notes: counts that a reader should know. holes_left_out: beyond what is listed.
    """

    format: str
    depth: int
    symbol: str
    date: str
    from_time: str
    to_time: str
    lake: dict[str, int]
    source: str
    rows: int
    files: list[Part]
    notes: dict[str, int]
    holes: list[Hole]
    holes_left_out: int

    @property
    def key(self) -> tuple[str, int, str, str]:
        """What tells it from the others."""
        return self.format, self.depth, self.symbol, self.date


class _Document(msgspec.Struct):
    version: int
    software: str
    names: dict[str, str]
    outputs: list[Output]


class Manifest:
    """The manifest of a directory, kept in memory and written as a whole.

    names: symbols that file names call something else than BTC-USD for BTC/USD.
    """

    def __init__(self, directory: Path, software: str) -> None:
        self._directory, self._software = directory, software
        self.names: dict[str, str] = {}
        self._outputs: dict[tuple[str, int, str, str], Output] = {}

    @classmethod
    def open(cls, directory: Path, software: str) -> "Manifest":
        """Return what a directory says of itself, nothing without a manifest. Errors: ManifestDamaged, OSError."""
        manifest, path = cls(directory, software), directory / NAME
        if not path.exists():
            return manifest
        try:
            found = msgspec.json.decode(path.read_bytes(), type=_Document)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise ManifestDamaged(path, str(error)) from error
        if found.version != VERSION:
            raise ManifestDamaged(path, f"version is {found.version}, this fixtape knows {VERSION}")
        manifest.names = found.names
        manifest._outputs = {output.key: output for output in found.outputs}
        return manifest

    def put(self, output: Output) -> None:
        """Take an output in, in the place of one of the same key."""
        self._outputs[output.key] = output

    def get(self, key: tuple[str, int, str, str]) -> Output | None:
        """Return an output, or None."""
        return self._outputs.get(key)

    def stands(self, output: Output) -> bool:
        """Return whether the files of an output are there and as they were written."""
        return all(_is_as_written(self._directory / part.name, part) for part in output.files)

    def remove(self, output: Output, *, but: Output) -> None:
        """Remove the files of an output that another took the place of, but those that it has as well."""
        kept = {part.name for part in but.files}
        store = LocalStore(self._directory)
        for part in output.files:
            if part.name not in kept:
                store.delete(part.name)

    def write(self) -> None:
        """Write it, in one step and durably. Errors: OSError."""
        outputs = [self._outputs[key] for key in sorted(self._outputs)]
        document = _Document(VERSION, self._software, dict(sorted(self.names.items())), outputs)
        data = msgspec.json.format(msgspec.json.encode(document), indent=1)
        with LocalStore(self._directory).stage("", f"{NAME}-{secrets.token_hex(2)}") as staged:
            staged.write(data + b"\n")
            staged.publish(NAME)


def digest_of(files: Mapping[str, list[str]]) -> str:
    """Return a digest of the files of each table, by their names."""
    return hashlib.sha256(msgspec.json.encode({table: sorted(files[table]) for table in sorted(files)})).hexdigest()


def _is_as_written(path: Path, part: Part) -> bool:
    try:
        if path.is_symlink() or path.stat().st_size != part.bytes:
            return False
        found: Any = hashlib.sha256()
        with path.open("rb") as file:
            while data := file.read(HASH_BYTES):
                found.update(data)
    except FileNotFoundError:
        return False
    return bool(found.hexdigest() == part.sha256)
