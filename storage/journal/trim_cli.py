"""`fixtape journal trim`: segments removed whose rows are proven to be in the lake.

Layer: journal, command line. Parses, calls, prints.
"""

import sys
from pathlib import Path

import click

from capture.cli_support import EXIT_FINDINGS, reporting_errors
from storage.journal.options import UtcTime

DAY_NS = 86_400_000_000_000


@click.command("trim")
@click.argument("root", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--older-than", "days", type=click.FloatRange(min=0), metavar="DAYS", help="Whose last record is as old.")
@click.option("--before", "before_ns", type=UtcTime(), help="Whose last record is before this UTC time.")
@click.option("--dry-run", is_flag=True, help="Prove and count, and remove nothing.")
@reporting_errors
def trim_journal(root: Path, days: float | None, before_ns: int | None, *, dry_run: bool) -> None:
    """Remove old segments of a tape's journal whose rows are committed, read again and counted.

    A segment goes only where every file of the lake over its time was read again and is as it was written, and where
    the messages that begin in it are rows of `messages`, block by block. What goes is first noted in
    journal/trimmed.jsonl. What is kept is told on standard error with its reason; the exit code is then 3.
    A rebuild can no longer make what was removed: the lake is then the only copy.

    \b
    Example:
      fixtape journal trim ./tape --older-than 30 --dry-run
    """
    from capture import clock
    from storage.places import open_lake
    from storage.status import bytes_text
    from storage.trim import trim

    if (days is None) == (before_ns is None):
        raise click.UsageError("say which: --older-than DAYS or --before TIME")
    now_ns = clock.read().wall_ns
    limit_ns = before_ns if before_ns is not None else now_ns - int((days or 0) * DAY_NS)
    count = size = kept = 0
    for outcome in trim(root, open_lake(root), before_ns=limit_ns, now_ns=now_ns, dry_run=dry_run):
        if outcome.kept:
            kept += 1
            click.echo(f"{outcome.segment}: kept: {outcome.kept}", err=True)
            continue
        count, size = count + 1, size + outcome.bytes
        done = "would be removed" if dry_run else "removed"
        click.echo(f"{outcome.segment}: {done}: {outcome.messages} messages in {outcome.files} files")
    click.echo(f"{count} segments, {bytes_text(size)} of journal, {kept} kept", err=True)
    if kept:
        sys.exit(EXIT_FINDINGS)
