"""`fixtape compact`, `fixtape vacuum`, `fixtape retain`: a lake kept small, while it is written and read.

Layer: command line. Parses, calls, prints; imports what is heavy on use.
"""

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

import click

from capture.cli_support import EXIT_FINDINGS, Place, UtcDate, escaped, reporting_errors
from storage.row_text import Row, format_option, rows_text

if TYPE_CHECKING:
    from storage.stores import Store

DAY_NS: Final = 86_400 * 10**9

_NUMERIC: Final = frozenset({"files", "rows", "bytes", "before", "after", "waiting", "dates"})

root_argument = click.argument("root", type=Place(exists=True))


def table_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Take the tables that a command is limited to."""
    text = "Only this table; may be given several times.  [default: all]"
    return click.option("--table", "names", multiple=True, metavar="TABLE", help=text)(command)


def dry_run_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Take whether a command only says what it would do."""
    return click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing.")(command)


@click.command()
@root_argument
@click.option("--by", type=click.Choice(("hour", "day")), help="Only into hours, or only into days.  [default: both]")
@click.option("--date", type=UtcDate(months=True), metavar="YYYY-MM-DD", help="Only this UTC date, or month: YYYY-MM.")
@table_option
@dry_run_option
@format_option
@reporting_errors
def compact(
    root: Path | str, by: str | None, date: str | None, names: tuple[str, ...], form: str, *, dry_run: bool
) -> None:
    """Make the many small files of a lake few, with the same rows.

    Dates that have ended become a file a table, or several where they are very large; of the date that is still open,
    its hours that have ended do. What is made is read again and compared by count and digest before the lake lists it,
    and the small files stay on disk until `fixtape vacuum` takes them. A recorder and readers may be at work meanwhile;
    stopped at any moment, it goes on when it is called again. Of a table, date or hour that is damaged nothing is made;
    the exit code is then 3. ROOT may be s3://BUCKET/PREFIX; inputs are then copied here, one piece at a time.

    \b
    Examples:
      fixtape compact tape
      fixtape compact tape --by hour --table book_changes --dry-run
    """
    from capture import clock
    from storage.cli import software
    from storage.compaction import DAY, HOUR
    from storage.compaction import compact as compact_lake

    done: list[Row] = []
    kept = 0
    with _scratch_of(root) as scratch:
        outcomes = compact_lake(
            scratch,
            _lake_of(root),
            by=(HOUR, DAY) if by is None else (by,),
            tables=_tables(names),
            date=date or "",
            now_ns=clock.read().wall_ns,
            software=software(),
            dry_run=dry_run,
        )
        try:
            for it in outcomes:
                if it.kept:
                    kept += 1
                    click.echo(f"fixtape: {it.table}: {it.label}: left as it is: {escaped(it.kept)}", err=True)
                    continue
                after = None if dry_run else it.bytes_after
                done.append(
                    {
                        "table": it.table,
                        "period": it.label,
                        "files": it.files,
                        "rows": it.rows,
                        "before": it.bytes_before,
                        "after": after,
                    }
                )
        finally:  # What was done before an error is done.
            _print(done, ("table", "period", "files", "rows", "before", "after"), form, "nothing to compact")
    if kept:
        sys.exit(EXIT_FINDINGS)


@click.command()
@root_argument
@click.option(
    "--keep",
    type=click.IntRange(1, 36_500),
    default=7,
    show_default=True,
    metavar="DAYS",
    help="How long a file stays after it was taken out of its table.",
)
@table_option
@dry_run_option
@format_option
@reporting_errors
def vacuum(root: Path | str, keep: int, names: tuple[str, ...], form: str, *, dry_run: bool) -> None:
    """Remove files from the disk that a lake has not listed for some days.

    These are what compaction and retention took out. Whoever opened the lake within --keep reads on undisturbed, and
    every version of that time can still be read. Files that no log entry ever named are left to `fixtape recover`.
    ROOT may be s3://BUCKET/PREFIX; the key then needs s3:DeleteObject.

    \b
    Example:
      fixtape vacuum tape --keep 7 --dry-run
    """
    from capture import clock
    from storage.vacuum import vacuum as vacuum_lake

    sums = vacuum_lake(
        _lake_of(root), keep_ns=keep * DAY_NS, now_ns=clock.read().wall_ns, tables=_tables(names), dry_run=dry_run
    )
    rows = [it._asdict() for it in sums if it.files or it.waiting]
    _print(rows, ("table", "files", "bytes", "waiting"), form, "nothing to remove")


@click.command()
@root_argument
@click.option(
    "--older-than",
    "days",
    type=click.IntRange(1, 36_500),
    required=True,
    metavar="DAYS",
    help="Dates that ended more than so many days ago.",
)
@table_option
@dry_run_option
@format_option
@reporting_errors
def retain(root: Path | str, days: int, names: tuple[str, ...], form: str, *, dry_run: bool) -> None:
    """Take whole old dates out of a lake's tables.

    One step a table; the files leave the disk with `fixtape vacuum`. The journal is not touched: `fixtape rebuild ROOT
    --into ELSEWHERE` makes those dates again for as long as it has them, and `fixtape rebuild ROOT` leaves them out.

    \b
    Examples:
      fixtape retain tape --older-than 400 --dry-run
      fixtape retain tape --older-than 30 --table messages --table quotes
    """
    from capture import clock
    from storage.cli import software
    from storage.retention import retain as retain_dates

    sums = retain_dates(
        _lake_of(root),
        days=days,
        now_ns=clock.read().wall_ns,
        software=software(),
        tables=_tables(names),
        dry_run=dry_run,
    )
    rows = [it._asdict() for it in sums if it.files]
    _print(rows, ("table", "dates", "files", "rows", "bytes", "first", "last"), form, "no date is as old")


def _lake_of(root: Path | str) -> "Store":
    """Return the lake of a tape, or the place itself where it is one. Errors: RootUnsafe, OSError, StoreError."""
    from storage.access import refuse_unsafe
    from storage.places import lake_store
    from storage.stores import LocalStore

    lake = lake_store(root)
    if isinstance(lake, LocalStore):
        refuse_unsafe(lake.path)
    return lake


@contextmanager
def _scratch_of(root: Path | str) -> Iterator[Path]:
    """Yield where scratch may stand: under a tape's root; for an address, in a directory of its own for a while."""
    if isinstance(root, Path):
        yield root
        return
    with TemporaryDirectory(prefix="fixtape-") as path:
        yield Path(path)


def _tables(names: Iterable[str]) -> tuple[str, ...]:
    """Return the tables named, or all of them; end with a usage error where one is none."""
    from storage.schemas import TABLES

    for name in names:
        if name not in TABLES:
            raise click.UsageError(f"no table {name!r}; use one of {', '.join(TABLES)}")
    return tuple(names) or TABLES


def _print(rows: Sequence[Row], columns: tuple[str, ...], form: str, nothing: str) -> None:
    if form == "table" and not rows:
        click.echo(nothing, err=True)
    else:
        click.echo(rows_text(rows, columns, form, numeric=_NUMERIC), nl=False)
