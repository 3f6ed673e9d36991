"""What every command that asks a tape shares: its options, the tape opened, errors of DuckDB as ours.

Layer: queries, below every `*cli.py`.
Source: style guide section 8.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TypeVar

import click

from capture.cli_support import EXIT_FINDINGS, Place, escaped
from queries.errors import TimeNotUnderstood
from queries.sql_session import running
from queries.tape import Tape
from queries.times import as_ns, iso

Command = TypeVar("Command", bound=Callable[..., None])


class UtcTime(click.ParamType[int]):
    """A moment in UTC, to the nanosecond."""

    name = "time"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the moment as nanoseconds since the epoch."""
        if isinstance(value, int):
            return value
        try:
            return as_ns(str(value))
        except TimeNotUnderstood as error:
            self.fail(str(error), param, ctx)


UTC_TIME: Final = UtcTime()
_AS_OF: Final = "fixtape.as_of"  # In the meta of click's context.


def root_argument(command: Command) -> Command:
    """Take the tape's place, and whether it is read without what is damaged."""
    argument = click.argument("root", type=Place(exists=True))
    text = "Answer without files that cannot be read, name them, and exit with 3."
    as_of = click.option(
        "--as-of",
        metavar="TIME|VERSION",
        expose_value=False,
        callback=_keep_as_of,
        help="What was known then: at a time in UTC, or at a version of the lake's table events.",
    )
    return argument(click.option("--leave-out-damaged", is_flag=True, help=text)(as_of(command)))


def _keep_as_of(ctx: click.Context, _: click.Parameter, value: str | None) -> None:
    """Keep the moment for `opened_tape`, so that not every command hands it on."""
    if value is not None:
        ctx.meta[_AS_OF] = int(value) if value.isascii() and value.isdigit() else iso(UTC_TIME.convert(value, _, ctx))


def symbol_option(command: Command) -> Command:
    """Take the symbol."""
    return click.option("--symbol", required=True, help="Symbol as the venue lists it, e.g. BTC/USD.")(command)


def window_options(command: Command) -> Command:
    """Take a half-open window of receive time."""
    start = click.option("--from", "start", type=UTC_TIME, help="First moment of receive time, in UTC.")
    end = click.option("--to", "end", type=UTC_TIME, help="First moment no longer wanted, in UTC.")
    return start(end(command))


def format_option(command: Command) -> Command:
    """Take the format to print in."""
    choice = click.Choice(["table", "csv", "json"])
    text = "A table to read, CSV, or one JSON object a line."
    return click.option("--format", "form", type=choice, default="table", show_default=True, help=text)(command)


def entries_options(command: Command) -> Command:
    """Take all that a command over the rows of a symbol and window takes."""
    order = click.option(
        "--by", type=click.Choice(["arrival", "venue"]), default="arrival", show_default=True,
        help="Whose clock orders the rows and bounds the window: ours, or SendingTime(52).",
    )  # fmt: skip
    proven = click.option("--proven", is_flag=True, help="Only rows with every witness that they can have.")
    return root_argument(symbol_option(window_options(order(proven(format_option(limit_option(command)))))))


def limit_option(command: Command) -> Command:
    """Take how many rows to print."""
    text = "Rows at most, 0 for all. Without it a table stops at 50 and the other formats do not stop."
    return click.option("--limit", type=click.IntRange(min=0), help=text)(command)


@contextmanager
def opened_tape(
    root: Path | str, *, leave_out_damaged: bool, memory_limit: str | None = None, threads: int | None = None
) -> Iterator[Tape]:
    """Give a tape; at the end tell what was left out of the answer."""
    as_of = click.get_current_context().meta.get(_AS_OF)
    with Tape(
        root, leave_out_damaged=leave_out_damaged, memory_limit=memory_limit, threads=threads, as_of=as_of
    ) as tape:
        with running():
            yield tape
        for path, reason in tape.left_out.items():
            click.echo(f"fixtape: left out: {escaped(str(path))}: {escaped(reason)}", err=True)
        if tape.left_out:
            sys.exit(EXIT_FINDINGS)
