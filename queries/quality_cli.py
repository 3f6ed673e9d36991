"""`fixtape quality`: the checks of a day, the condition of each symbol, and a page of it.

Layer: queries, at the top. Parses, asks once, prints.
Source: design section 7; style guide section 8.
"""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from capture.cli_support import EXIT_FINDINGS, UtcDate, reporting_errors
from queries.cli_support import opened_tape, root_argument
from queries.output import write_text
from queries.quality.page import page
from queries.render import emit, json_text
from storage.executor_cli import executor_of, executor_options

if TYPE_CHECKING:
    from queries.quality.report import Report


@click.command("quality")
@root_argument
@click.option("--date", type=UtcDate(), required=True, metavar="YYYY-MM-DD", help="The UTC date of receive time.")
@click.option(
    "--format", "form", type=click.Choice(["table", "json", "html"]), default="table", show_default=True,
    help="Tables to read, one JSON object, or a page that needs nothing else.",
)  # fmt: skip
@click.option(
    "--threshold", type=click.FloatRange(0, 1), default=0.99, show_default=True,
    help="The least score of a symbol, the known part of its seconds.",
)  # fmt: skip
@click.option("--quick", is_flag=True, help="Look at names, sizes and footers of files, not at every byte.")
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the page to this file. [default: standard output]",
)
@executor_options
@reporting_errors
def quality_command(
    root: Path | str,
    leave_out_damaged: bool,
    date: str,
    form: str,
    threshold: float,
    quick: bool,
    output: Path | None,
    engine: str,
    workers: int | None,
    scheduler: str | None,
) -> None:
    """Check a day of a tape, and say what each symbol's day is good for.

    Ten checks: session gaps, checksum pass rate, suspect time, coverage by symbol and hour, crossed books, ghost
    levels, trades outside the book, latency and clocks, resubscriptions and rejects, files verified. A symbol's day is
    complete, usable, suspect or missing. Exit code 3 if a symbol's score is below the threshold, or there is an error.

    \b
    Example:
      fixtape quality ./tape --date 2026-03-01
      fixtape quality ./tape --date 2026-03-01 --format html --output quality.html
    """
    if output is not None and form != "html":
        raise click.UsageError("--output is for --format html; redirect standard output for the others")
    with (
        executor_of(engine, workers, scheduler) as executor,
        opened_tape(root, leave_out_damaged=leave_out_damaged) as tape,
    ):
        found = tape.quality(date, full=not quick, executor=None if engine == "one" else executor)
        if form == "json":
            click.echo(json_text(found.as_dict()))
        elif form == "html":
            _write_page(page(found, threshold), output, root)
        else:
            _print_tables(found)
    if not found.passes(threshold):
        sys.exit(EXIT_FINDINGS)


def _write_page(text: str, output: Path | None, root: Path | str) -> None:
    if output is None:
        click.echo(text, nl=False)
        return
    write_text(text, output, tape=root)
    click.echo(f"page: {output}", err=True)


def _print_tables(found: "Report") -> None:
    import pyarrow as pa

    click.echo(f"{found.date}: {found.score:.4%} of what was meant to be recorded is known\n")
    symbols = [it.as_dict() for it in found.conditions]
    if symbols:
        emit(pa.Table.from_pylist(symbols), "table", limit=0)
        click.echo()
    checks = [{"check": it.title, "worst": it.severity or "none", "says": it.summary} for it in found.checks]
    emit(pa.Table.from_pylist(checks), "table", limit=0)
    findings = found.to_arrow()
    if findings.num_rows:
        click.echo()
        shown = ("severity", "check", "symbol", "from_time", "to_time", "count", "text", "evidence")
        emit(findings, "table", limit=0, columns=shown)
