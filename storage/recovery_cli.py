"""`fixtape recover`: what a recorder does at its start, done by hand and to its end.

Layer: command line. Parses, calls, prints; imports what is heavy on use.
"""

import sys
import time
from pathlib import Path

import click

from capture.cli_support import EXIT_FINDINGS, escaped, reporting_errors
from capture.config import DAMAGE_POLICIES


@click.command()
@click.argument("root", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--on-damage",
    type=click.Choice(DAMAGE_POLICIES),
    default="archive",
    show_default=True,
    help="Damage inside a segment: abort, archive (keep a copy, read past it), truncate (keep the rest aside).",
)
@reporting_errors
def recover(root: Path, on_damage: str) -> None:
    """Put in order what a recorder left that did not end in order.

    A recorder does this by itself when it starts, save that it reads no entry of a log for which a checkpoint stands.
    By hand it is useful before a tape is copied, or where no recorder is to start. Nothing is thrown away: what is cut
    or moved is in ROOT/quarantine, each thing with its reason. Exit code 3 if there was damage, or something could not
    be done.

    \b
    Example:
      fixtape recover tape
    """
    from storage.cli import software
    from storage.errors import JournalMissing
    from storage.journal.segments import segment_paths
    from storage.lake import Lake
    from storage.places import own_lake
    from storage.recovery import Recovery
    from storage.tape_layout import locked

    if not segment_paths(root):
        raise JournalMissing(root)
    with locked(root, doing="recover") as left_by:
        store = own_lake(root)
        recovery = Recovery(
            root,
            software=software(),
            at_ns=time.time_ns(),
            policy=on_damage,
            say=lambda text: click.echo(escaped(text), err=True),
            every_entry=True,
            lake=store,
        )
        recovery.before_recording(left_by)
        for _ in recovery.steps(Lake.create_or_open(store)):
            pass
    report = recovery.report
    click.echo(f"done       {len(report.done)} things put in order, {len(report.failed)} left undone")
    click.echo(f"lake       {report.batches} batches made, {report.rows:,} rows; {report.runs} runs told again")
    if report.damaged:
        sys.exit(EXIT_FINDINGS)
