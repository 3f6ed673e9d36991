"""`fixtape journal`: list, read, verify, replay, compress and trim what was recorded, byte for byte.

Layer: journal, highest. Parses, calls, prints; loads what reads segments only when a command runs.
Source: style section 8; design section 4.
"""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from capture.cli_support import EXIT_FINDINGS, Commands, reporting_errors
from storage.journal.cat_cli import print_messages
from storage.journal.compress_cli import compress_journal
from storage.journal.options import finding_text, root_argument
from storage.journal.replay_cli import replay_journal
from storage.journal.trim_cli import trim_journal
from storage.row_text import format_option, rows_text

if TYPE_CHECKING:
    from storage.journal.reader import TornTail
    from storage.journal.verify import SegmentReport

NUMERIC_COLUMNS: Final = ("records", "bytes", "stored", "ratio")


@click.group(cls=Commands)
def journal() -> None:
    """Look into the journal: the raw bytes of every connection."""


for _command in (print_messages, replay_journal, compress_journal, trim_journal):
    journal.add_command(_command)


@journal.command("ls")
@root_argument
@format_option
@reporting_errors
def list_segments(root: Path, form: str) -> None:
    """List the segments of a tape or a journal, oldest first.

    A sealed segment says itself what it holds, compressed or not; any other is read through. `open` is one that is
    being written, or whose writer was killed between two records; `torn` one whose writer was killed within a write.
    BYTES are those of the segment, STORED those of its file, RATIO the one over the other.

    \b
    Example:
      fixtape journal ls ./tape --format csv
    """
    from storage.journal.segments import segment_paths
    from storage.journal.verify import summarize_segment

    paths = [root] if root.is_file() else segment_paths(root)
    rows = [_row(summarize_segment(path)) for path in paths]
    click.echo(rows_text(rows, ROW_COLUMNS, form, numeric=NUMERIC_COLUMNS), nl=False)


@journal.command("verify")
@root_argument
@click.option("--jobs", type=click.IntRange(min=1), default=1, help="Processes that read.  [default: 1]")
@reporting_errors
def verify_segments(root: Path, jobs: int) -> None:
    """Check every byte of a tape, a journal or a segment against its sums, compressed or not.

    One line a finding: path, offset of the block, what, expected, received, what to do. Exit code 3 if there are any.
    A torn tail, which a recorder leaves that is killed or still at work, is told on standard error and is none.

    \b
    Example:
      fixtape journal verify ./tape --jobs 2
    """
    from storage.journal.verify import verify_journal, verify_segment

    reports = [verify_segment(root)] if root.is_file() else verify_journal(root, jobs=jobs)
    segments = records = size = found = 0
    for report in reports:
        segments, records, size = segments + 1, records + report.records, size + report.bytes
        for finding in report.findings:
            found += 1
            click.echo(finding_text(finding))
        if report.torn_tail is not None:
            click.echo(_torn_text(report.torn_tail), err=True)
    click.echo(f"{segments} segments, {records} records, {size} bytes, {found} findings", err=True)
    if found:
        sys.exit(EXIT_FINDINGS)


def _row(report: "SegmentReport") -> dict[str, str | int | None]:
    from storage.journal.lines import plain
    from storage.journal.segments import segment_name
    from storage.journal.times import iso_text

    peer = report.connection
    return {
        "segment": segment_name(report.path),
        "session": plain(f"{peer.sender_comp_id}->{peer.target_comp_id}") if peer else None,
        "peer": plain(f"{peer.host}:{peer.peer_port}") if peer else None,
        "start": None if report.first_ns is None else iso_text(report.first_ns),
        "end": None if report.last_ns is None else iso_text(report.last_ns),
        "records": report.records,
        "bytes": report.bytes,
        "stored": report.stored_bytes,
        "ratio": f"{report.bytes / report.stored_bytes:.2f}" if report.stored_bytes else None,
        "state": report.state.value,
    }


ROW_COLUMNS: Final = ("segment", "session", "peer", "start", "end", "records", "bytes", "stored", "ratio", "state")


def _torn_text(tail: "TornTail") -> str:
    return f"{tail.path}:{tail.offset}: torn tail: expected a whole block, received {tail.size} bytes; {tail.remedy}"
