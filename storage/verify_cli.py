"""`fixtape verify`: everything that a tape states about itself, held against what stands on disk.

Layer: command line. Parses, calls, prints; imports what is heavy on use.
"""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from capture.cli_support import EXIT_FINDINGS, Place, UtcDate, escaped, reporting_errors

if TYPE_CHECKING:
    from storage.verify import Checked, Finding, Scope


@click.command()
@click.argument("root", type=Place(exists=True))
@click.option(
    "--quick/--full", default=False, help="Names, sizes, footers and logs only; or every byte.  [default: full]"
)
@click.option(
    "--date",
    type=UtcDate(months=True),
    metavar="YYYY-MM-DD",
    help="Only this UTC date, or month if just YYYY-MM is given.",
)
@click.option("--rederive", is_flag=True, help="Make the lake anew from the journal beside it, and compare.")
@click.option("--format", "form", type=click.Choice(("table", "json")), default="table", help="How findings come out.")
@reporting_errors
def verify(root: Path | str, date: str | None, form: str, *, quick: bool, rederive: bool) -> None:
    """Check a tape: every file, every log entry, every number and every book at its key frames.

    One line a finding: what, where, expected, received, what to do; exit code 3 if there are any. --quick takes seconds
    a day and is for every day; without it every byte is read, the journal's too, which is for every month. Nothing of
    the tape is changed, and a recorder may be at work; --rederive needs room for a second lake under ROOT meanwhile.
    Of a tape that was pushed to s3://BUCKET/PREFIX the logs, the files and, without --quick, the sums of segments are
    checked; of a lake that a recorder has there, all but its journal.

    \b
    Examples:
      fixtape verify tape --quick
      fixtape verify tape --date 2026-11 --format json
      fixtape verify tape --rederive
      fixtape verify s3://bucket/tape
    """
    import msgspec
    from rich.console import Console
    from rich.progress import Progress

    from storage.verify import Checked, Scope

    if rederive and isinstance(root, str):
        raise click.UsageError("--rederive makes the lake anew beside its journal; name the directory of a tape")
    scope, checked, found = Scope(date or "", full=not quick), Checked(), 0
    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("verifying", total=None)
        for finding in _findings(root, scope, checked, lambda count: bar.advance(task, count), again=rederive):
            found += 1
            if form == "json":
                click.echo(msgspec.json.encode(finding.as_dict()).decode())
            else:
                click.echo(escaped(str(finding)))
    click.echo(
        f"{found} findings: {checked.files:,} files, {checked.bytes:,} bytes, {checked.rows:,} rows,"
        f" {checked.entries:,} log entries, {checked.segments} journal segments, {checked.sessions} sessions,"
        f" {checked.key_frames:,} key frames",
        err=form == "json",
    )
    if found:
        sys.exit(EXIT_FINDINGS)


def _findings(
    root: Path | str, scope: "Scope", checked: "Checked", progress: Callable[[int], None], *, again: bool
) -> "Iterator[Finding]":
    from storage.cli import software
    from storage.lake_place import is_taken
    from storage.places import lake_store, store_of
    from storage.push_journal import verify_sums
    from storage.rederive import rederive
    from storage.tape_layout import JOURNAL
    from storage.verify import verify_lake
    from storage.verify_journal import verify_segments
    from storage.verify_rows import verify_books, verify_numbers

    lake = lake_store(root)
    yield from verify_lake(lake, scope, checked, progress)
    if scope.full and (isinstance(root, Path) or is_taken(lake)):  # What was pushed may be some dates of many.
        yield from verify_numbers(lake, scope, checked)
        yield from verify_books(lake, scope, checked)
    if isinstance(root, str):
        if scope.full:
            yield from verify_sums(store_of(root), scope, checked, progress)
    elif (root / JOURNAL).is_dir():
        yield from verify_segments(root, scope, checked)
        if again:
            yield from rederive(root, scope, software=software(), progress=progress)
