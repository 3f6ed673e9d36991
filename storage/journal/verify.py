"""What holds in a segment and what does not: the whole of it read, every sum computed.

Layer: journal, above `reader`.
Source: design section 4; faults section 1.
Left to others: printing (`cli`), repairing (recovery).
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from capture.sinks import Connection
from storage.journal.blocks import Source
from storage.journal.format import SEAL_BYTES, Seal, decode_block
from storage.journal.packets import Numbers
from storage.journal.reader import JournalDamage, Record, SegmentReader, TornTail
from storage.journal.segments import segment_paths


class SegmentState(StrEnum):
    """How a segment ends, or that it is damaged before that."""

    SEALED = "sealed"  # Closed in order: nothing is missing at its end.
    OPEN = "open"  # Being written, or its writer was killed between two records.
    TORN = "torn"  # Its writer was killed within a write.
    DAMAGED = "damaged"


@dataclass(frozen=True, slots=True)
class SegmentReport:
    """What is known of a segment.

    bytes: of the file; first_ns, last_ns: times of its first and last record, None where it has none.
    begins, ends: the sequence numbers of the connection where the segment takes over and where it leaves off; None
    where it does not go on from another, or where damage hides them.
    """

    path: Path
    run: str
    connection: Connection | None
    state: SegmentState
    records: int
    bytes: int
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
    findings: list[JournalDamage] = []
    reader = SegmentReader(path, findings.append)
    first: Record | None = None
    connection: Connection | None = None
    records, last_ns = 0, None
    for record in reader:
        first = first or record
        connection = connection or record.connection
        records, last_ns = records + 1, record.at_ns
    return SegmentReport(
        path,
        reader.run,
        connection,
        _state(reader, findings),
        records,
        reader.size,
        first.at_ns if first else None,
        last_ns,
        tuple(findings),
        reader.torn_tail,
        reader.first_numbers,
        reader.last_numbers,
    )


def verify_journal(root: Path) -> Iterator[SegmentReport]:
    """Return the reports on all segments, and whether each connection goes on where the segment before left it."""
    ends: dict[Connection, Numbers | None] = {}
    for path in segment_paths(root):
        report = verify_segment(path)
        connection = report.connection
        if connection is not None:
            before = ends.get(connection)
            if before is not None and report.begins is not None and before != report.begins:
                report = _with_hole(report, before, report.begins)
            ends[connection] = report.ends
        yield report


def summarize_segment(path: Path) -> SegmentReport:
    """Return what a segment says of itself, by its first record and its seal; without a seal it is read through.

    Errors: JournalUnreadable; JournalTooNew.
    """
    with Source(path) as source:
        seal = decode_block(source.at(max(0, source.size - SEAL_BYTES), SEAL_BYTES))
        size = source.size
    if not isinstance(seal, Seal):
        return verify_segment(path)
    findings: list[JournalDamage] = []
    reader = SegmentReader(path, findings.append)
    first = next(reader, None)
    connection = first.connection if first else None
    state = SegmentState.DAMAGED if findings else SegmentState.SEALED
    return SegmentReport(
        path, reader.run, connection, state, seal.records, size, seal.first_ns, seal.last_ns, tuple(findings)
    )


def _state(reader: SegmentReader, findings: list[JournalDamage]) -> SegmentState:
    if findings:
        return SegmentState.DAMAGED
    if reader.torn_tail is not None:
        return SegmentState.TORN
    return SegmentState.SEALED if reader.sealed else SegmentState.OPEN


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
