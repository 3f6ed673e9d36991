"""`fixtape push`: sealed days of a tape copied into an object store or another directory, and verified there.

Layer: command line. Parses, calls, prints; imports what is heavy on use.
"""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from capture.cli_support import EXIT_FINDINGS, Place, UtcDate, escaped, reporting_errors
from storage.row_text import format_option, rows_text

if TYPE_CHECKING:
    from storage.lake import Lake
    from storage.push import PushedDay
    from storage.push_journal import PushedSegment

COLUMNS: Final = ("date", "table", "copied", "bytes", "found", "listed", "rows", "removed", "state")
_GOOD: Final = ("pushed", "would be")  # By whether it was a dry run.


@click.command()
@click.argument("tape", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("target", type=Place(exists=False))
@click.option("--date", type=UtcDate(months=True), metavar="YYYY-MM-DD", help="Only this UTC date, or month: YYYY-MM.")
@click.option("--journal", is_flag=True, help="Also the journal's compressed segments.")
@click.option("--again", is_flag=True, help="Read what earlier pushes listed too, and send anew what is damaged.")
@click.option("--dry-run", is_flag=True, help="Say what would be copied, and write nothing.")
@format_option
@reporting_errors
def push(
    tape: Path, target: "Path | str", date: str | None, form: str, *, journal: bool, again: bool, dry_run: bool
) -> None:
    """Copy sealed days of a tape to s3://BUCKET/PREFIX or another directory, and verify what was copied.

    A date is sealed when no batch to come can hold a row of it. Files go first and are read again there, then the
    target's Delta log lists them, a date of a table at a time: TARGET is a tape of its own that every question takes.
    A push that was stopped goes on when it is called again, and one with nothing to do copies nothing. Where files were
    compacted since, the new ones take the place of the old in one commit. Nothing is deleted there. Exit code 3 if a
    file is damaged.

    \b
    Examples:
      fixtape push tape s3://bucket/desk/tape
      fixtape push tape /mnt/other/tape --date 2026-11 --journal --dry-run
    """
    from uuid import uuid4

    from capture import clock
    from storage.cli import software
    from storage.lake import Lake
    from storage.lake_place import refuse_taken
    from storage.places import open_lake, store_of
    from storage.push import Push
    from storage.push_journal import push_segments
    from storage.tape_layout import JOURNAL, LAKE, make_root

    if isinstance(target, Path) and tape.resolve() in (target.resolve(), *target.resolve().parents):
        raise click.UsageError(f"{target} is within the tape itself")
    lake, to = open_lake(tape), store_of(target)
    for place in (to, to.below(LAKE)):
        refuse_taken(place)
    if isinstance(target, Path) and not dry_run:
        Lake.create_or_open(make_root(target) / LAKE)
    root = tape.parent if tape.name == LAKE and (tape.parent / JOURNAL).is_dir() else tape
    rows: list[dict[str, Any]] = []
    try:
        with _progress() as progress:
            what = Push(
                lake,
                to.below(LAKE),
                software=software(),
                name=uuid4().hex,
                at_ns=clock.read().wall_ns,
                dry_run=dry_run,
                again=again,
                progress=progress,
            )
            ready = _sealed(root, lake, [it for it in what.dates() if it.startswith(date or "")])
            rows.extend(_day_row(it, dry_run=dry_run) for it in what.run(ready))
            if journal:
                found = push_segments(root, to, date=date or "", again=again, dry_run=dry_run, progress=progress)
                rows.extend(_segment_row(it, dry_run=dry_run) for it in found)
    finally:
        if rows or form != "table":
            click.echo(rows_text(rows, COLUMNS, form, numeric=COLUMNS[2:-1]), nl=False)  # Also what an error cut short.
    faults = sum(row["state"] not in _GOOD for row in rows)
    done = "would be copied" if dry_run else "copied and read again"
    click.echo(
        f"{sum(row['copied'] for row in rows):,} files, {sum(row['bytes'] for row in rows):,} bytes {done};"
        f" {sum(row['found'] for row in rows):,} found there and read again;"
        f" {len(ready)} dates sealed, {faults} faults",
        err=True,
    )
    if faults:
        sys.exit(EXIT_FINDINGS)


def _sealed(root: Path, lake: "Lake", dates: Sequence[str]) -> list[str]:
    """Return which of the dates are sealed, and tell of the others."""
    from storage.sealed import open_runs, sealed

    ready = []
    for of_date, run in sealed(dates, open_runs(root, lake)):
        if run is None:
            ready.append(of_date)
        else:
            click.echo(f"{of_date}: not sealed, run {escaped(run.name)} may still add to it", err=True)
    return ready


def _day_row(day: "PushedDay", *, dry_run: bool) -> dict[str, Any]:
    counts = {name: getattr(day, name) for name in COLUMNS[:-1]}
    return {**counts, "state": escaped("; ".join(day.faults)) or _GOOD[dry_run]}


def _segment_row(segment: "PushedSegment", *, dry_run: bool) -> dict[str, Any]:
    counts = dict.fromkeys(COLUMNS, 0)
    date, _, name = segment.name.partition("/")
    sent = {"copied": 1, "bytes": segment.bytes} if segment.sent else {"found": int(not segment.fault)}
    state = escaped(f"{name}: {segment.fault}") if segment.fault else _GOOD[dry_run]
    return {**counts, "date": date, "table": "journal", **sent, "state": state}


@contextmanager
def _progress() -> Iterator[Callable[[int], None]]:
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task("pushing", total=None)
        yield lambda count: bar.advance(task, count)
