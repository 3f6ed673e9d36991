"""Segments of runs that ended otherwise than in order, mended: tails cut, seals set, what is none set aside.

Layer: storage, above the journal. Changes segments of earlier runs, never one that is being written.
Source: design section 4; faults section 1: "truncates only the last segment and only when nothing valid follows;
anything else is corruption".
Left to others: what the lake lacks of them (`storage.recovery`).

A tail is torn where the end of the file cuts its last block, or is zeros, and nothing valid stands behind. At a run's
end, where nothing valid follows either, other bytes that are no block go the same way, and so does what begins like a
segment of its own: bytes of an older file, which are no records of this one. The bytes that are cut off are kept in
quarantine first. A segment so mended is sealed: it then reads as one closed in order, and can be compressed.

A segment of which a file failed stands in several (`journal.parts`). It is made one file again before anything else;
where it was not closed in order, what stood in the failed file behind its last good sync is kept in quarantine.

A compressed segment was whole once. What is wrong with it is damage, and it is never cut: `truncate` archives it.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from storage.access import FILE_MODE
from storage.journal.blocks import Source, Torn, damaged, sealed_size, walk
from storage.journal.format import Fault, Seal, Section, seal_block
from storage.journal.parts import remove_parts
from storage.journal.reader import SegmentStory
from storage.journal.segments import is_packed, other_form
from storage.quarantine import COPY_BYTES, Quarantine
from storage.stores import TEMPORARY_SUFFIX, sync_directory

ABORT: Final = "abort"
ARCHIVE: Final = "archive"
TRUNCATE: Final = "truncate"

Tell = Callable[[str, str], None]  # What was done: its kind, and in words.


@dataclass(slots=True)
class _Look:
    """What stands in a segment."""

    size: int = 0
    run: str = ""
    sealed: bool = False
    records: int = 0
    first_ns: int = 0
    last_ns: int = 0
    whole: int = 0  # Where the last whole block ends.
    torn: bool = False
    damage: tuple[int, Fault] | None = None  # The first, and where.
    damages: int = 0
    useless: int = 0  # Where the bytes begin that nothing valid follows; the file's size where there are none.


def mend_segment(path: Path, quarantine: Quarantine, tell: Tell, *, policy: str, last: bool) -> None:
    """Mend one segment of an earlier run; a segment in order is left as it is.

    policy: for damage inside. last: whether it is the last one of its run.
    Errors: JournalDamaged under `abort`; JournalTooNew; JournalUnreadable; OSError.
    """
    _join(path, quarantine, tell)
    look = _look(path)
    if last and look.useless < look.size and not look.torn and not is_packed(path):
        _cut(path, look.useless, quarantine, tell, "damage")
        look = _look(path)
    if not look.records and look.damage is None:
        quarantine.move(path, "no record in it: its writer was stopped right after making it", bytes=look.size)
        tell("set aside", f"journal segment {path.name}: {look.size} bytes without a record")
        return
    if look.damage is not None:
        _damaged(path, look, quarantine, tell, policy)
    if look.torn and not is_packed(path):
        _cut(path, look.whole, quarantine, tell, "torn tail" if last else "damage")
    if not look.sealed and look.records and not is_packed(path):
        _seal(path, look)
        tell("sealed", f"journal segment {path.name}: {look.records} records of a run that did not close it")


def _look(path: Path) -> _Look:
    look, story = _Look(), SegmentStory(path)
    with Source(path) as source:
        look.size = source.size
        for offset, size, found in walk(source):
            if isinstance(found, Torn):
                look.torn = True
                break
            if isinstance(found, Section) and offset:
                break
            record, fault = story.take(offset, found)
            if fault is None or record is not None:
                look.useless = offset + size
            if fault is not None:
                look.damage = look.damage or (offset, fault)
                look.damages += 1
            if record is not None:
                look.first_ns = look.first_ns if look.records else record.at_ns
                look.last_ns = record.at_ns
                look.records += 1
            look.whole = offset + size
    if look.torn or not look.useless:
        look.useless = look.size
    look.run, look.sealed = story.run, story.sealed
    return look


def _join(path: Path, quarantine: Quarantine, tell: Tell) -> None:
    """Make a segment one file again, its parts gone. Errors: JournalDamaged, JournalUnreadable, OSError."""
    plain = other_form(path) if is_packed(path) else path
    for left in plain.parent.glob(f".{plain.name}.*{TEMPORARY_SUFFIX}"):
        left.unlink()
    if is_packed(path):
        remove_parts(plain)
        return
    with Source(path) as source:
        begins = [part.begin for part in source.parts]
        if begins:
            if sealed_size(source) is None:
                quarantine.keep_end(path, min(begins), "the disk failed after what stands before it; written again")
            _write_joined(source, path)
    if remove_parts(path) and begins:
        sync_directory(path.parent)
        tell("joined", f"journal segment {path.name}: a disk failed under it; one file again, from {len(begins) + 1}")


def _write_joined(source: Source, path: Path) -> None:
    temporary = path.with_name(f".{path.name}{TEMPORARY_SUFFIX}")
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(temporary, flags, FILE_MODE), "wb") as joined:
        for at in range(0, source.size, COPY_BYTES):
            joined.write(source.at(at, COPY_BYTES))
        joined.flush()
        os.fsync(joined.fileno())
    temporary.rename(path)
    sync_directory(path.parent)


def _damaged(path: Path, look: _Look, quarantine: Quarantine, tell: Tell, policy: str) -> None:
    """Do with damage inside what the policy says. Errors: JournalDamaged."""
    assert look.damage is not None
    offset, fault = look.damage
    where = f"journal segment {path.name}: {look.damages} damaged blocks, the first at {offset} ({fault.what})"
    if policy == ABORT:
        raise damaged(path, offset, fault)
    if policy == TRUNCATE and not is_packed(path):
        _cut(path, offset, quarantine, tell, "damage")
        look.torn, look.sealed = False, False
        kept = _look(path)
        look.records, look.first_ns, look.last_ns, look.whole = kept.records, kept.first_ns, kept.last_ns, kept.whole
        return
    copy = quarantine.copy(path, f"damaged inside: {fault.what}", offset=offset, damages=look.damages)
    tell("damage", f"{where}; kept as {copy.relative_to(quarantine.root)}; every whole record stays readable")


def _cut(path: Path, offset: int, quarantine: Quarantine, tell: Tell, kind: str) -> None:
    size = path.stat().st_size
    kept = quarantine.keep_end(path, offset, f"{kind}: what stands after the last whole block before it")
    descriptor = os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        os.ftruncate(descriptor, offset)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    where = kept.relative_to(quarantine.root)
    tell(kind, f"journal segment {path.name}: {size - offset} bytes cut after byte {offset}, kept as {where}")


def _seal(path: Path, look: _Look) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        os.write(descriptor, seal_block(Seal(look.records, look.first_ns, look.last_ns)))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    sync_directory(path.parent)
