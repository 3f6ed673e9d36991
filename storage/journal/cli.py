"""`fixtape journal`: list, read, verify and compress what was recorded, byte for byte.

Layer: journal, highest. Parses, calls, prints; loads what reads segments only when a command runs.
Source: style section 8; design section 4.
"""

import csv
import io
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from capture.cli_support import EXIT_FINDINGS, reporting_errors
from storage.journal.compress_cli import compress_journal

if TYPE_CHECKING:
    from storage.journal.lines import Line
    from storage.journal.reader import JournalDamage, OnDamage, Record, TornTail
    from storage.journal.verify import SegmentReport

DAY_SLACK_NS: Final = 86_400_000_000_000  # A segment may reach past its day's end, and a message past its segment's.
NUMERIC_COLUMNS: Final = ("records", "bytes", "stored", "ratio")


class UtcTime(click.ParamType[int]):
    """A UTC time on the command line, as nanoseconds since the epoch."""

    name = "utc time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the nanoseconds, or end with a usage error."""
        from storage.journal.times import parse_utc

        try:
            return parse_utc(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


root_argument = click.argument("root", type=click.Path(exists=True, path_type=Path))
format_option = click.option(
    "--format", "form", type=click.Choice(("table", "csv", "json")), default="table", help="How rows come out."
)


@click.group()
def journal() -> None:
    """Look into the journal: the raw bytes of every connection."""


journal.add_command(compress_journal)


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
    click.echo(_rendered([_row(summarize_segment(path)) for path in paths], form), nl=False)


@journal.command("cat")
@root_argument
@click.option("--type", "msg_types", multiple=True, help="Only messages of this MsgType(35); may be given again.")
@click.option("--from", "from_ns", type=UtcTime(), help="From this UTC time on.")
@click.option("--to", "to_ns", type=UtcTime(), help="Up to this UTC time, which is left out.")
@click.option("--limit", type=click.IntRange(min=1), help="At most so many lines.")
@reporting_errors
def print_messages(
    root: Path, msg_types: tuple[str, ...], from_ns: int | None, to_ns: int | None, limit: int | None
) -> None:
    """Print the messages of a tape, a journal or a segment as a FIX log.

    SOH is shown as |, received messages are marked <, sent ones >, and what else was recorded !.
    Damage is told on standard error and read past; the exit code is then 3.

    \b
    Example:
      fixtape journal cat ./tape --type W --type X --from 2026-11-22T10:15:00Z --limit 20
    """
    from itertools import islice

    from storage.journal.lines import log_lines

    found = 0

    def tell(finding: "JournalDamage") -> None:
        nonlocal found
        found += 1
        click.echo(_finding_text(finding), err=True)

    lines = _selected(log_lines(_records(root, from_ns, to_ns, tell)), msg_types, from_ns, to_ns)
    for line in islice(lines, limit):
        sys.stdout.write(f"{line}\n")
    if found:
        sys.exit(EXIT_FINDINGS)


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
            click.echo(_finding_text(finding))
        if report.torn_tail is not None:
            click.echo(_torn_text(report.torn_tail), err=True)
    click.echo(f"{segments} segments, {records} records, {size} bytes, {found} findings", err=True)
    if found:
        sys.exit(EXIT_FINDINGS)


def _records(root: Path, from_ns: int | None, to_ns: int | None, tell: "OnDamage") -> Iterator["Record"]:
    """Return the records of the segments whose names are near the window."""
    from storage.journal.reader import read_segment
    from storage.journal.segments import segment_name, segment_paths
    from storage.journal.times import name_of

    paths = [root] if root.is_file() else segment_paths(root)
    if from_ns is not None and not root.is_file():
        before = [path for path in paths if segment_name(path) < name_of(from_ns - DAY_SLACK_NS)]
        paths = paths[max(0, len(before) - 1) :]
    if to_ns is not None and not root.is_file():
        paths = [path for path in paths if segment_name(path) < name_of(to_ns + DAY_SLACK_NS)]
    for path in paths:
        yield from read_segment(path, tell)


def _selected(
    lines: Iterable["Line"], msg_types: tuple[str, ...], from_ns: int | None, to_ns: int | None
) -> Iterator["Line"]:
    for line in lines:
        if (from_ns is not None and line.at_ns < from_ns) or (to_ns is not None and line.at_ns >= to_ns):
            continue
        if not msg_types or line.msg_type in msg_types:
            yield line


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


def _rendered(rows: list[dict[str, str | int | None]], form: str) -> str:
    if form == "json":
        import msgspec

        return msgspec.json.format(msgspec.json.encode(rows), indent=2).decode() + "\n"
    if form == "csv":
        out = io.StringIO()
        writer = csv.DictWriter(out, ROW_COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        return out.getvalue()
    return _table(rows)


def _table(rows: list[dict[str, str | int | None]]) -> str:
    head: Mapping[str, str | int | None] = {column: column.upper() for column in ROW_COLUMNS}
    cells = [["-" if row[column] is None else str(row[column]) for column in ROW_COLUMNS] for row in (head, *rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return "".join("  ".join(map(_aligned, ROW_COLUMNS, line, widths)).rstrip() + "\n" for line in cells)


def _aligned(column: str, cell: str, width: int) -> str:
    return cell.rjust(width) if column in NUMERIC_COLUMNS else cell.ljust(width)


def _torn_text(tail: "TornTail") -> str:
    return f"{tail.path}:{tail.offset}: torn tail: expected a whole block, received {tail.size} bytes; {tail.remedy}"


def _finding_text(finding: "JournalDamage") -> str:
    where = f" near {finding.at}" if finding.at != finding.offset else ""
    return (
        f"{finding.path}:{finding.offset}: {finding.what}{where}: expected {finding.expected}, "
        f"received {finding.received}; {finding.remedy}"
    )
