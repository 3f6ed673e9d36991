"""`fixtape merge`: two recorders' lakes as one, and who saw what first.

Layer: command line. Parses, calls, prints; imports what is heavy on use.
"""

import csv
import io
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from capture.cli_support import EXIT_FINDINGS, UtcDate, escaped, reporting_errors

if TYPE_CHECKING:
    from storage.union.report import SymbolReport

COLUMNS: Final = (
    "symbol",
    "both",
    "only_a",
    "only_b",
    "first_a",
    "first_b",
    "lead_median_us",
    "lead_p99_us",
)
_root = click.Path(exists=True, file_okay=False, path_type=Path)


@click.command()
@click.argument("a", type=_root)
@click.argument("b", type=_root)
@click.option(
    "--into",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    help="Root of the tape to make or go on with.",
)
@click.option(
    "--until",
    type=UtcDate(),
    metavar="YYYY-MM-DD",
    help="Last UTC date to merge, though it may not be over; no recorder may be at work.  [default: the last one over]",
)
@click.option(
    "--format", "form", type=click.Choice(("table", "csv", "json")), default="table", help="How rows come out."
)
@reporting_errors
def merge(a: Path, b: Path, into: Path, until: str | None, form: str) -> None:
    """Unite what two recorders have of one feed, by content.

    A and B are the roots of two tapes of the same venue, symbols and depth, each with sessions and clocks of its own. A
    message that both have comes once, one that only one has comes where it belongs, and every book is told and checked
    anew. Table `sightings` says who saw which message and when. Printed is, for each symbol, how many messages both or
    only one saw, who was first how often, and by how many microseconds. Called again, it adds the dates that are new.
    Exit code 3 if a lake has changed on a date that is merged already.

    \b
    Example:
      fixtape merge tape-a tape-b --into tape
    """
    from rich.console import Console
    from rich.progress import Progress

    from storage.cli import software
    from storage.tape_layout import LAKE
    from storage.union.report import report_of
    from storage.union.unite import merge as unite

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("merging", total=None)
        report = unite(
            a,
            b,
            into,
            now_ns=time.time_ns(),
            software=software(),
            until=until,
            progress=lambda count: bar.advance(task, count),
        )
    click.echo(_rendered(report_of(into / LAKE), form), nl=False)
    for text, dates in (("merged", report.merged), ("merged before", report.held), ("not over yet", report.unfinished)):
        if dates:
            shown = dates[0] if len(dates) == 1 else f"{dates[0]} to {dates[-1]} ({len(dates)})"
            click.echo(f"{text}: {shown}", err=True)
    for date in report.late:
        click.echo(f"fixtape: {date}: a lake has other messages now than when it was merged; merge anew", err=True)
    if report.late:
        sys.exit(EXIT_FINDINGS)


def _rendered(symbols: "list[SymbolReport]", form: str) -> str:
    """Return the report as text."""
    import msgspec

    rows = [symbol.as_dict() for symbol in symbols]
    if form == "json":
        return "".join(msgspec.json.encode(row).decode() + "\n" for row in rows)
    if form == "csv":
        text = io.StringIO()
        writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        return text.getvalue()
    cells = [[name.upper() for name in COLUMNS], *([_cell(row[name]) for name in COLUMNS] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = []
    for line in cells:
        first, *others = (cell for cell in line)
        numbers = (cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True))
        lines.append("  ".join((first.ljust(widths[0]), *numbers)).rstrip() + "\n")
    return "".join(lines)


def _cell(value: str | float | None) -> str:
    if value is None:
        return "-"
    return escaped(value) if isinstance(value, str) else f"{value:,}"
