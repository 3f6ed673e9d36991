"""The files of one output: written aside, synced, and given their names together at the end.

Layer: queries, export, over the stores of the storage layer.
Source: faults section 1, clause 3.

What is not published leaves nothing behind. Names of the same output follow each other, so a crash in between leaves
whole files that no manifest names; the next run writes them again.
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any, Final, NamedTuple, Self

from storage.files import HASH_BYTES, HashingFile
from storage.stores import LocalStore, Staged

LINES_AT_ONCE: Final = 4096


class WrittenPart(NamedTuple):
    """A file under its final name. name: within the output directory, with forward slashes."""

    name: str
    bytes: int
    sha256: str


class Outputs:
    """Files being written below a directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._store = LocalStore(directory)
        self._open = ExitStack()
        self._parts: list[tuple[str, Staged, HashingFile]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._open.close()

    def file(self, name: str) -> HashingFile:
        """Return a file to write that is to have this name. Errors: OSError."""
        directory, _, last = name.rpartition("/")
        staged = self._open.enter_context(self._store.stage(directory, last))
        hashing = HashingFile(staged)
        self._parts.append((name, staged, hashing))
        return hashing

    def scratch(self) -> Path:
        """Return an empty directory that is gone at the end, for what has to be written twice."""
        self._directory.mkdir(parents=True, exist_ok=True)
        prefix = f".export.{os.getpid()}-"
        return Path(self._open.enter_context(TemporaryDirectory(prefix=prefix, dir=self._directory)))

    def copy(self, source: Path, name: str) -> None:
        """Take in a file that another program wrote."""
        into = self.file(name)
        with source.open("rb") as file:
            while data := file.read(HASH_BYTES):
                into.write(data)

    def publish(self) -> list[WrittenPart]:
        """Give all files their names, durably; return them. Errors: OSError."""
        for name, staged, _ in self._parts:
            staged.publish(name)
        return [WrittenPart(name, file.size, file.hash.hexdigest()) for name, _, file in self._parts]


def write_lines(file: Any, lines: Iterable[str]) -> int:
    """Write lines as UTF-8, a newline after each; return how many."""
    count, some = 0, []
    for line in lines:
        some.append(line)
        if len(some) == LINES_AT_ONCE:
            file.write(("\n".join(some) + "\n").encode())
            count += len(some)
            some.clear()
    if some:
        file.write(("\n".join(some) + "\n").encode())
    return count + len(some)


def csv_cell(text: str) -> str:
    """Return text as a cell of CSV."""
    return f'"{text.replace(chr(34), chr(34) * 2)}"' if set(text) & set(',"\r\n') else text


def headed(header: str, lines: Iterable[str]) -> Iterator[str]:
    """Yield a header and the lines under it."""
    yield header
    yield from lines
