"""What is set aside instead of being thrown away: each thing under `ROOT/quarantine/`, with its reason beside it.

Layer: storage. Moves, copies and keeps bytes; decides nothing.
Source: faults section 2, A15: "adopted or quarantined, never deleted silently".
Left to others: what is set aside, and why (`storage.recovery`).

A thing keeps the path that it had under the root, so that it is found, and put back, by its name:

    quarantine/lake/trades/_delta_log/00000000000000000007.json
    quarantine/lake/trades/_delta_log/00000000000000000007.json.reason.json

Where another thing of that name stands already, the name gets a number; where the same bytes do, nothing is done, so
that doing it again changes nothing. The copy is durable before the original goes.
"""

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

from storage.access import FILE_MODE
from storage.stores import ensure_directory, sync_directory, sync_file
from storage.tape_layout import QUARANTINE

REASON_SUFFIX: Final = ".reason.json"
NAME_TRIES_LIMIT: Final = 10_000
COPY_BYTES: Final = 4 * 2**20

Fields = Mapping[str, str | int | None]


class Quarantine:
    """The quarantine of one tape.

    software, at: what and when, as each reason says it. count: how many things were set aside by this object.
    """

    def __init__(self, root: Path, *, software: str, at: str) -> None:
        self.root, self.path = root, root / QUARANTINE
        self.count = 0
        self._software, self._at = software, at

    def move(self, path: Path, why: str, *, source: Path | None = None, **fields: str | int | None) -> Path:
        """Set a file or a directory aside; return where it is now. Errors: OSError.

        source: where its bytes are instead, under the root too: of an object, a copy that was made of it.
        """
        source = source or path
        target = self._free(path, "")
        ensure_directory(target.parent)
        self._reason(target, path, why, fields)
        source.rename(target)  # One file system: both are under the root.
        sync_directory(target.parent)
        sync_directory(source.parent)
        self.count += 1
        return target

    def copy(self, path: Path, why: str, **fields: str | int | None) -> Path:
        """Keep a copy of a file that stays where it is; return where the copy is. Errors: OSError."""
        return self._keep(path, "", 0, path.stat().st_size, why, fields)

    def keep_end(self, path: Path, offset: int, why: str, **fields: str | int | None) -> Path:
        """Keep the bytes of a file from an offset on, before they are cut from it. Errors: OSError."""
        size = path.stat().st_size - offset
        return self._keep(path, f".from-{offset}", offset, size, why, {"offset": offset, "bytes": size, **fields})

    def _keep(self, path: Path, suffix: str, offset: int, size: int, why: str, fields: Fields) -> Path:
        digest = _digest(path, offset, size)
        target = self._free(path, suffix, digest)
        if target.exists():
            return target  # By an attempt before this one.
        ensure_directory(target.parent)
        temporary = target.with_name(f".{target.name}.tmp")
        _copy(path, temporary, offset, size)
        self._reason(target, path, why, {**fields, "sha256": digest})
        temporary.rename(target)
        sync_directory(target.parent)
        self.count += 1
        return target

    def _free(self, path: Path, suffix: str, digest: str | None = None) -> Path:
        """Return the name for a thing: a free one, or of the copy that is there with the same bytes."""
        wanted = self.path / path.relative_to(self.root)
        for number in range(NAME_TRIES_LIMIT):
            target = wanted.with_name(f"{wanted.name}{suffix}{f'.{number}' if number else ''}")
            if not target.exists():
                return target
            if digest is not None and target.is_file() and _digest(target, 0, target.stat().st_size) == digest:
                return target
        raise FileExistsError(f"{wanted}: {NAME_TRIES_LIMIT} things of that name are in quarantine")

    def _reason(self, target: Path, path: Path, why: str, fields: Fields) -> None:
        reason = {
            "what": path.relative_to(self.root).as_posix(),
            "why": why,
            "at": self._at,
            "by": self._software,
            **fields,
        }
        written = target.with_name(target.name + REASON_SUFFIX)
        written.write_bytes(msgspec.json.format(msgspec.json.encode(reason), indent=1) + b"\n")
        sync_file(written)


def _copy(source: Path, target: Path, offset: int, size: int) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    with source.open("rb") as read, os.fdopen(os.open(target, flags, FILE_MODE), "wb") as written:
        read.seek(offset)
        while size and (data := read.read(min(size, COPY_BYTES))):
            written.write(data)
            size -= len(data)
        written.flush()
        os.fsync(written.fileno())


def _digest(path: Path, offset: int, size: int) -> str:
    found = hashlib.sha256()
    with path.open("rb") as file:
        file.seek(offset)
        while size and (data := file.read(min(size, COPY_BYTES))):
            found.update(data)
            size -= len(data)
    return found.hexdigest()
