"""The parts of a segment: files that take the place of its end, where a disk could not be trusted with it.

Layer: journal, above `format` and `segments`. Names, and the two blocks that a part begins with.
Source: faults section 1, clause 4; docs/decisions/0026-a-failed-segment-is-rewritten-in-parts.md.
Left to others: when a part is made (`appending`), reading a segment across its parts (`blocks`).

`SEGMENT.pcapng.1` begins with a section header that says from which offset on it takes the place of `SEGMENT.pcapng`,
and an interface; after them stand the segment's own bytes from that offset on. Part 2 takes the place of what it names
of part 1, and so on. Offsets are of the segment as if it had never failed, so a place in it means the same before a
failure, after it, and once the segment is one file again (`compress`, `recovery_journal`).
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from storage.errors import JournalDamaged
from storage.journal.format import (
    BLOCK_BYTES_LIMIT,
    About,
    Fields,
    Interface,
    Section,
    block_length,
    comment,
    decode_block,
    interface_block,
    section_block,
)

BLOCK_HEAD_BYTES: Final = 8
PARTS_LIMIT: Final = 99  # Of one segment.
REMEDY: Final = "restore the part from a copy; the file without the number holds what was durable before the failure"


class Part(NamedTuple):
    """One file of a segment. begin: offset in the segment of its first byte, which stands at `base` in the file."""

    path: Path
    descriptor: int
    begin: int
    base: int


def part_path(path: Path, number: int) -> Path:
    """Return the name of a part of a plain segment, from one."""
    return path.with_name(f"{path.name}.{number}")


def part_paths(path: Path) -> Iterator[Path]:
    """Yield the parts of a plain segment, in their order."""
    for number in range(1, PARTS_LIMIT + 1):
        part = part_path(path, number)
        if not part.exists():
            return
        yield part


def part_head(software: str, fields: Fields, *, segment: str, begin: int) -> bytes:
    """Return what a part begins with. fields: of the segment's own header."""
    about = comment(About.SEGMENT, {**fields, "rewrites": segment, "from": begin})
    return section_block(software, about) + interface_block()


def open_parts(path: Path) -> list[Part]:
    """Return the parts of a plain segment, opened for reading; the caller closes them.

    A part that is empty or zeros, or ends in its head, was cut off by a power cut before any of it was durable, and
    does not count. One after it may: it begins where that one did.
    Errors: OSError; JournalDamaged where a part does not say what it takes the place of.
    """
    parts: list[Part] = []
    try:
        for part in part_paths(path):
            descriptor = os.open(part, os.O_RDONLY | os.O_CLOEXEC)
            try:
                head = os.pread(descriptor, 2 * BLOCK_BYTES_LIMIT, 0)
                found = None if not head.strip(b"\0") else _begin_and_base(part, head)
            except BaseException:
                os.close(descriptor)
                raise
            if found is None:
                os.close(descriptor)
                continue
            parts.append(Part(part, descriptor, *found))
    except BaseException:
        close_parts(parts)
        raise
    return parts


def close_parts(parts: list[Part]) -> None:
    """Give the descriptors back."""
    for part in parts:
        os.close(part.descriptor)


def remove_parts(path: Path) -> bool:
    """Remove the parts of a plain segment, once they are not needed; return whether there were any. Errors: OSError.

    The first one first: whatever a crash leaves of them does not count, because the count begins at one.
    """
    parts = list(part_paths(path))
    for part in parts:
        part.unlink()
    return bool(parts)


def _begin_and_base(path: Path, head: bytes) -> tuple[int, int] | None:
    """Return where a part begins in its segment, and where in its file; None where its head is not whole.

    Errors: JournalDamaged.
    """
    section_size = block_length(head[:8])
    base = section_size + len(interface_block())
    if len(head) < BLOCK_HEAD_BYTES or (section_size and len(head) < base):
        return None  # Cut in its head: it never held a record.
    section, interface = decode_block(head[:section_size]), decode_block(head[section_size:base])
    if isinstance(section, Section) and isinstance(interface, Interface):
        try:
            begin = msgspec.json.decode(section.comment, type=Fields).get("from")
        except msgspec.DecodeError:
            begin = None
        if isinstance(begin, int):
            return begin, base
    raise JournalDamaged(
        path, offset=0, what="head of a part", expected="where it begins", received="none", remedy=REMEDY
    )
