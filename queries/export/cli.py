"""The command that exports.

Layer: queries, at the top. Parses, calls once, prints; a bar to standard error while it runs.
Source: style guide section 8.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from capture.cli_support import reporting_errors
from queries.cli_support import opened_tape, root_argument, window_options
from queries.export.formats import FORMATS, PEER_FORMAT
from queries.text import shown
from storage.executor_cli import executor_of, executor_options

if TYPE_CHECKING:
    from queries.export.runner import Progress


@click.command("export")
@root_argument
@click.option("--format", "form", type=click.Choice(list(FORMATS)), required=True, help="What to write.")
@click.option("--symbol", "symbols", multiple=True, required=True,
              help="Symbol as the venue lists it; may be given again, and `all` is every one.")  # fmt: skip
@window_options
@click.option("--output", "directory", type=click.Path(file_okay=False, path_type=Path), required=True,
              help="Directory for the files and export.json; made if missing.")  # fmt: skip
@click.option("--depth", type=int, help="Levels a side, of formats that have a depth.")
@click.option("--force", is_flag=True, help="Write again what is there and whole.")
@click.option("--python", envvar="FIXTAPE_NAUTILUS_PYTHON", show_envvar=True,
              help="Python of the environment that has nautilus_trader, for that format.")  # fmt: skip
@executor_options
@reporting_errors
def export_command(
    root: Path | str,
    leave_out_damaged: bool,
    form: str,
    symbols: tuple[str, ...],
    start: int | None,
    end: int | None,
    directory: Path,
    depth: int | None,
    force: bool,
    python: str | None,
    engine: str,
    workers: int | None,
    scheduler: str | None,
) -> None:
    """Write symbols day by day in the format of another tool.

    Prints the files written, one a line. What is there and whole is left alone, so it goes on where it was stopped.
    export.json beside the files says what each holds, and where something may be missing. What a format cannot hold is
    refused, named, and ends with 1; the others are written.

    \b
    Example:
      fixtape export ./tape --format tardis-incremental --symbol BTC/USD --from 2026-03-01T00:00Z --output ./out
    """
    with (
        executor_of(engine, workers, scheduler) as executor,
        opened_tape(root, leave_out_damaged=leave_out_damaged) as tape,
        _bar() as progress,
    ):
        done = tape.export(
            form,
            directory,
            None if "all" in symbols else symbols,
            start,
            end,
            depth=depth,
            force=force,
            python=python if form == PEER_FORMAT else None,
            progress=progress,
            executor=None if engine == "one" else executor,
        )
    for output in done.written:
        for part in output.files:
            click.echo(part.name)
    click.echo(
        f"fixtape: {len(done.written)} written, {done.rows:,} rows; {done.skipped} there already;"
        f" {len(done.refused)} refused",
        err=True,
    )
    for (symbol, date), reason in done.refused.items():
        click.echo(f"fixtape: {shown(symbol)} {date}: {reason}", err=True)
    if done.refused:
        sys.exit(1)


@contextmanager
def _bar() -> Iterator["Progress"]:
    """Show outputs as they are begun, and rows as they are read; nothing but the end where nobody watches."""
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from queries.export import runner

    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[read]:,} rows"),
        TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task, read = bar.add_task("exporting", total=None, read=0), 0

        def begun(symbol: str, date: str, place: int, count: int) -> None:
            bar.update(task, description=escape(f"{shown(symbol)} {date}"), completed=place, total=count)

        def rows(count: int) -> None:
            nonlocal read
            read += count
            bar.update(task, read=read)

        yield runner.Progress(begun, rows)
