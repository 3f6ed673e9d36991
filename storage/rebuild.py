"""A lake made anew from a journal, by the objects that made it live.

Layer: storage. Reads a journal, writes a lake, reads no clock.
Source: design section 3; a rebuild of the same journal by the same version gives the same bytes.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from capture.feed import Feed
from storage.batcher import Batch, Batcher
from storage.errors import JournalDamaged, JournalMissing
from storage.journal.reader import Record, RecordKind, read_journal
from storage.journal.segments import segment_paths
from storage.lake import Lake
from storage.pipeline import recorder_session, tell, write_batch


@dataclass(slots=True)
class RebuildReport:
    """What a rebuild came to."""

    records: int = 0
    received_bytes: int = 0
    runs: int = 0
    batches: int = 0
    batches_held: int = 0
    rows: int = 0
    verified: int = 0
    mismatches: int = 0


class _Run:
    """One run of a recorder, told again."""

    def __init__(self, record: Record, write: Callable[[Batch], None]) -> None:
        self.run = record.run
        connection = record.connection
        sender, target = (connection.sender_comp_id, connection.target_comp_id) if connection else ("", "")
        self.feed = Feed(recorder_session(sender, target, answers=False))
        self.batcher = Batcher(record.run, record.batch_s, self.feed, write)


def rebuild(
    journal: Path, lake_path: Path, *, software: str, progress: Callable[[int], None] | None = None
) -> RebuildReport:
    """Make or complete a lake from a journal; batches that the lake holds are left alone.

    Batches are cut as the run that was recorded cut them.
    Errors: JournalMissing; JournalDamaged where a block is not as it was written; what stood before it is committed.
    """
    if not segment_paths(journal):
        raise JournalMissing(journal)
    lake = Lake.create_or_open(lake_path)
    report = RebuildReport()

    def write(batch: Batch) -> None:
        written = write_batch(lake, batch, software)
        report.batches += 1
        report.batches_held += bool(written.skipped)
        report.rows += sum(written.rows.values())

    current: _Run | None = None
    try:
        for record in read_journal(journal):
            if current is None or record.run != current.run:
                if current is not None:
                    _end(current, report)
                current = _Run(record, write)
                report.runs += 1
            report.records += 1
            if record.kind is RecordKind.RECEIVED:
                report.received_bytes += len(record.data)
            tell(current.feed, current.batcher, record)
            if progress is not None:
                progress(len(record.data))
    except JournalDamaged:
        if current is not None:
            _end(current, report)
        raise
    if current is not None:
        _end(current, report)
    return report


def _end(run: _Run, report: RebuildReport) -> None:
    run.batcher.cut()
    report.verified += run.feed.counters.verified
    report.mismatches += run.feed.counters.mismatches
