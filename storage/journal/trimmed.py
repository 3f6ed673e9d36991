"""What was removed from the journal after its rows were proven: one line of JSON a segment, oldest first.

Layer: journal, beside `segments`. Source: faults section 1, clause 7.
Left to others: when a segment may go (`storage.trim`).

`journal/trimmed.jsonl` tells whoever reads the journal that it does not begin at the beginning, and what was in what is
gone. A line is durable before its segment is removed, so a segment may be noted and still be there; never the other way
round. A last line without its end was cut by a crash, and its segment is still there.
"""

import os
from pathlib import Path
from typing import Final

import msgspec

from storage.access import FILE_MODE
from storage.errors import JournalDamaged, JournalUnreadable, JournalUnwritable
from storage.journal.segments import journal_directory
from storage.stores import sync_directory

FILE_NAME: Final = "trimmed.jsonl"
REMEDY: Final = "mend or restore the line; it says which segments were removed, and nothing else does"


class Trimmed(msgspec.Struct, frozen=True):
    """A segment that was removed.

    run: that wrote it. first_ns, last_ns: times of its first and last record. messages: application messages that
    begin in it, each of which has a row of the lake's table messages. files: of the lake, read again to say so.
    sha256: of the segment's bytes, as its compressed form states it; empty where it was plain. at_ns: when it went.
    """

    segment: str
    run: str
    first_ns: int
    last_ns: int
    records: int
    bytes: int
    messages: int
    files: int
    sha256: str
    at_ns: int


def read_trimmed(root: Path) -> list[Trimmed]:
    """Return what was removed from a tape's journal. Errors: JournalUnreadable; JournalDamaged."""
    path = journal_directory(root) / FILE_NAME
    try:
        lines = path.read_bytes().split(b"\n")
    except FileNotFoundError:
        return []
    except OSError as error:
        raise JournalUnreadable(path, doing="read what was trimmed", cause=error) from error
    found = []
    for number, line in enumerate(lines[:-1], 1):
        try:
            found.append(msgspec.json.decode(line, type=Trimmed))
        except msgspec.DecodeError as error:
            raise JournalDamaged(
                path, offset=number, what="line", expected="a segment", received=str(error), remedy=REMEDY
            ) from error
    return found


def note_trimmed(root: Path, trimmed: Trimmed) -> None:
    """Add a line, durable. Errors: JournalUnwritable."""
    directory = journal_directory(root)
    path = directory / FILE_NAME
    flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        descriptor = os.open(path, flags, FILE_MODE)
        try:
            size = os.fstat(descriptor).st_size
            whole = os.pread(descriptor, size, 0).rfind(b"\n") + 1
            if whole < size:  # A line that a crash cut.
                os.ftruncate(descriptor, whole)
            line = msgspec.json.encode(trimmed) + b"\n"
            while line:  # A nearly full disk or a signal takes part of it.
                line = line[os.write(descriptor, line) :]
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        sync_directory(directory)
    except OSError as error:
        raise JournalUnwritable(path, doing="note what is trimmed", cause=error) from error
