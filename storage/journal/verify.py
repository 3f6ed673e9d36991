"""What holds in a segment and what does not: the whole of it read, every sum computed, of both forms.

Layer: journal, above `reader`.
Source: design section 4; faults section 1.
Left to others: printing (`cli`), repairing (recovery).
"""

import os
from bisect import bisect_left
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from enum import StrEnum
from multiprocessing import get_context
from pathlib import Path

from capture.sinks import Connection
from storage.errors import JournalDamaged
from storage.journal.blocks import Source, sealed_size
from storage.journal.format import SEAL_BYTES, Seal, decode_block
from storage.journal.packed import REMEDY_PACKED, check_packed
from storage.journal.packets import Numbers
from storage.journal.reader import JournalDamage, Record, SegmentReader, TornTail
from storage.journal.segments import is_packed, present_form, segment_name, segment_paths
from storage.journal.trimmed import read_trimmed


class SegmentState(StrEnum):
    """How a segment ends, or that it is damaged before that."""

    SEALED = "sealed"  # Closed in order: nothing is missing at its end.
    COMPRESSED = "compressed"  # Sealed, and then compressed.
    OPEN = "open"  # Being written, or its writer was killed between two records.
    TORN = "torn"  # Its writer was killed within a write.
    DAMAGED = "damaged"


@dataclass(frozen=True, slots=True)
class SegmentReport:
    """What is known of a segment.

    bytes: of the segment; stored_bytes: of its file, less where it is compressed.
    first_ns, last_ns: times of its first and last record, None where it has none.
    begins, ends: the sequence numbers of the connection where the segment takes over and where it leaves off; None
    where it does not go on from another, or where damage hides them.
    """

    path: Path
    run: str
    connection: Connection | None
    state: SegmentState
    records: int
    bytes: int
    stored_bytes: int
    first_ns: int | None
    last_ns: int | None
    findings: tuple[JournalDamage, ...] = ()
    torn_tail: TornTail | None = None
    begins: Numbers | None = None
    ends: Numbers | None = None


def verify_segment(path: Path) -> SegmentReport:
    """Return the report on a segment, every byte of it checked; past damage it goes on where it can.

    Errors: JournalUnreadable; JournalTooNew.
    """
    path = present_form(path)
    findings: list[JournalDamage] = []
    reader = SegmentReader(path, findings.append)
    first: Record | None = None
    connection: Connection | None = None
    records, last_ns = 0, None
    for record in reader:
        first = first or record
        connection = connection or record.connection
        records, last_ns = records + 1, record.at_ns
    if is_packed(path) and not findings:  # What the blocks do not show: the bits around the pieces.
        findings += _packed_findings(path)
    return SegmentReport(
        path,
        reader.run,
        connection,
        _state(reader, findings),
        records,
        reader.size,
        reader.stored_bytes,
        first.at_ns if first else None,
        last_ns,
        tuple(findings),
        reader.torn_tail,
        reader.first_numbers,
        reader.last_numbers,
    )


def verify_journal(root: Path, *, jobs: int = 1) -> Iterator[SegmentReport]:
    """Return the reports on all segments, and whether each connection goes on where the segment before left it.

    Between the two none is missed that was noted as trimmed. jobs: processes that read at the same time.
    Errors: as of `verify_segment`; JournalDamaged where what was trimmed cannot be read.
    """
    trimmed = sorted(it.segment for it in read_trimmed(root))
    last = ""
    ends: dict[Connection, Numbers | None] = {}
    for alone in _reports(segment_paths(root), jobs):
        report, connection = alone, alone.connection
        name = segment_name(report.path)
        if bisect_left(trimmed, last) < bisect_left(trimmed, name):
            ends.clear()  # What stood between is gone on purpose.
        last = name
        if connection is not None:
            before = ends.get(connection)
            if before is not None and report.begins is not None and before != report.begins:
                report = _with_hole(report, before, report.begins)
            ends[connection] = report.ends
        yield report


def _reports(paths: list[Path], jobs: int) -> Iterator[SegmentReport]:
    if jobs == 1 or len(paths) < 2:
        yield from map(verify_segment, paths)
        return
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        yield from pool.map(verify_segment, paths)


def summarize_segment(path: Path) -> SegmentReport:
    """Return what a segment says of itself, by its first record and its seal; without a seal it is read through.

    Errors: JournalUnreadable; JournalTooNew.
    """
    try:
        with Source(path) as source:
            path, size, stored_bytes = source.path, source.size, source.stored_bytes
            end = sealed_size(source)
            seal = decode_block(source.at(end - SEAL_BYTES, SEAL_BYTES)) if end is not None else None
    except JournalDamaged:
        return verify_segment(path)
    if not isinstance(seal, Seal):
        return verify_segment(path)
    findings: list[JournalDamage] = []
    reader = SegmentReader(path, findings.append)
    first = next(reader, None)
    connection = first.connection if first else None
    state = SegmentState.COMPRESSED if is_packed(path) else SegmentState.SEALED
    return SegmentReport(
        path,
        reader.run,
        connection,
        SegmentState.DAMAGED if findings else state,
        seal.records,
        size,
        stored_bytes,
        seal.first_ns,
        seal.last_ns,
        tuple(findings),
    )


def _packed_findings(path: Path) -> list[JournalDamage]:
    """Return what is wrong with a compressed segment as a file."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return [
            JournalDamage(path, at, 0, at, fault.what, fault.expected, fault.received, REMEDY_PACKED)
            for at, fault in check_packed(path, descriptor)
        ]
    finally:
        os.close(descriptor)


def _state(reader: SegmentReader, findings: list[JournalDamage]) -> SegmentState:
    if findings:
        return SegmentState.DAMAGED
    if reader.torn_tail is not None:
        return SegmentState.TORN
    if reader.sealed:
        return SegmentState.COMPRESSED if is_packed(reader.path) else SegmentState.SEALED
    return SegmentState.OPEN


def _with_hole(report: SegmentReport, before: Numbers, after: Numbers) -> SegmentReport:
    """Return the report with what is missing between this segment and the one before it."""
    finding = JournalDamage(
        report.path,
        offset=0,
        size=0,
        at=0,
        what="sequence numbers where the segment before left off",
        expected=f"local {before.local} and peer {before.peer}",
        received=f"local {after.local} and peer {after.peer}",
        remedy="look for a segment that was removed, or mark the gap: those bytes were never written",
    )
    return replace(report, state=SegmentState.DAMAGED, findings=(*report.findings, finding))
