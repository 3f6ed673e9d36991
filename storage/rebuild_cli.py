"""`fixtape rebuild`: a lake from its journal, whole, in part, or just what is broken of it.

Layer: command line. Parses, calls, prints; imports what is heavy on use.
"""

import sys
import time
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import click

from capture.cli_support import EXIT_FINDINGS, Place, UtcDate, escaped, reporting_errors
from capture.wire.values import compact_utc
from storage.executor_cli import executor_of, executor_options

if TYPE_CHECKING:
    from storage.rebuild import RebuildReport
    from storage.restore import RestoreReport
    from storage.stores import Store


@click.command()
@click.argument("root", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--into",
    type=Place(exists=False),
    help="Directory, or s3://BUCKET/PREFIX, of the lake to make.  [default: where the lake of ROOT is]",
)
@click.option("--date", type=UtcDate(), metavar="YYYY-MM-DD", help="Only this UTC date of receive_ns.")
@click.option("--table", help="Only this table.")
@click.option("--symbol", help="Only rows of this symbol; with --into.")
@click.option("--past-damage", is_flag=True, help="Read past damage in the journal; the hole is told as a gap.")
@executor_options
@reporting_errors
def rebuild(
    root: Path,
    into: Path | str | None,
    date: str | None,
    table: str | None,
    symbol: str | None,
    engine: str,
    workers: int | None,
    scheduler: str | None,
    *,
    past_damage: bool,
) -> None:
    """Make a lake anew from a journal, or make whole the one that is there.

    ROOT is a tape's root. In place, batches that the lake lacks are made, and files that its logs name but that are
    missing or damaged are made again under the same names; --date and --table limit the latter. With --into a lake is
    made elsewhere, of everything or of a selection. Batches that a lake holds are left alone, so a rebuild that was
    stopped goes on when it is called again. With --engine each run of a recorder is a part of its own. While a recorder
    writes to ROOT its lake is not touched: use --into.
    Exit code 3 if something could not be restored.

    \b
    Examples:
      fixtape rebuild tape
      fixtape rebuild tape --date 2026-11-22 --table trades
      fixtape rebuild tape --into btc --symbol BTC/USD
      fixtape rebuild tape --into again --engine dask --scheduler tcp://10.0.0.5:8786
    """
    from rich.console import Console
    from rich.progress import Progress

    from storage.cli import software
    from storage.journal.blocks import segment_bytes
    from storage.journal.segments import segment_paths
    from storage.lake_place import place_of, refuse_taken
    from storage.places import store_of
    from storage.quarantine import Quarantine
    from storage.rebuild import Selection
    from storage.rebuild import rebuild as rebuild_lake
    from storage.restore import restore
    from storage.schemas import TABLES
    from storage.stores import LocalStore
    from storage.tape_layout import JOURNAL, locked

    place = place_of(root)
    lake = place.store if into is None else store_of(into)
    if isinstance(lake, LocalStore) and (lake.path / JOURNAL).is_dir():
        raise click.UsageError(f"{lake.path} is the root of a tape; name a lake within or beside it")
    if table is not None and table not in TABLES:
        raise click.UsageError(f"no table {table!r}; use one of {', '.join(TABLES)}")
    in_place = _same(lake, place.store)
    if in_place and symbol is not None:
        raise click.UsageError("--symbol writes a part of each file, so it needs a lake of its own: add --into")
    if not in_place:
        refuse_taken(lake)
    journal = root / JOURNAL if (root / JOURNAL).is_dir() else root
    total = sum(map(segment_bytes, segment_paths(journal)))
    restored = None
    with (
        executor_of(engine, workers, scheduler) as executor,
        locked(root, doing="rebuild") if in_place else nullcontext(),
        Progress(console=Console(stderr=True), transient=True) as bar,
    ):
        if in_place:
            place.claim()
        task = bar.add_task("rebuilding", total=total)
        report = rebuild_lake(
            journal,
            lake,
            software=software(),
            progress=lambda count: bar.advance(task, count),
            selection=None if in_place or (date, table, symbol) == (None,) * 3 else Selection(table, date, symbol),
            past_damage=past_damage,
            executor=executor,
        )
        if in_place:
            task = bar.add_task("restoring", total=None)
            quarantine = Quarantine(root, software=software(), at=compact_utc(time.time_ns()))
            tables = frozenset(TABLES if table is None else (table,))
            restored = restore(root, quarantine, tables=tables, date=date, lake=lake)
    _print(report, lake.location, restored)
    if report.damages or report.incomplete or (restored is not None and restored.failed):
        sys.exit(EXIT_FINDINGS)


def _same(one: "Store", other: "Store") -> bool:
    """Return whether two stores are one place."""
    from storage.stores import LocalStore

    if isinstance(one, LocalStore) and isinstance(other, LocalStore):
        return one.path.resolve() == other.path.resolve()
    return one.location == other.location


def _print(report: "RebuildReport", lake: str, restored: "RestoreReport | None") -> None:
    held = f", {report.batches_held} of them there already" if report.batches_held else ""
    click.echo(f"journal    {report.records:,} records of {report.runs} runs, {report.received_bytes:,} bytes received")
    click.echo(f"checksums  {report.verified:,} of {report.verified + report.mismatches:,} verified")
    click.echo(f"lake       {report.rows:,} rows in {report.batches} batches{held}: {lake}")
    for run, reason in report.incomplete.items():
        click.echo(f"fixtape: run {run}: {reason}; its batches cannot be counted, so none of them was made", err=True)
    for damage in report.damages:
        click.echo(f"fixtape: {damage.path}: {damage.size} bytes at {damage.offset}: {damage.what}", err=True)
    if restored is None:
        return
    click.echo(f"files      {restored.files} named by the logs, {len(restored.restored)} restored")
    for place, reason in restored.failed.items():
        click.echo(f"fixtape: {escaped(place)}: not restored: {escaped(reason)}", err=True)
