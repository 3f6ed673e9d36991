"""Commands that ask a tape: changes, trades, book, silence, sql.

Layer: queries, at the top. Parses, asks once, prints; rows to standard output, words to standard error.
Source: style guide section 8.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TypeVar

import click
import duckdb

from capture.cli_support import EXIT_FINDINGS, escaped, reporting_errors
from queries.books import BookAt
from queries.errors import StatementFailed, TimeNotUnderstood
from queries.render import Format, emit, json_text
from queries.tape import Tape
from queries.times import as_ns

CHANGES_SHOWN: Final = ("receive_time", "msg_seq_num", "side", "action", "price", "size", "proven")
TRADES_SHOWN: Final = ("receive_time", "msg_seq_num", "aggressor_side", "order_type", "price", "size", "proven")
SILENCE_SHOWN: Final = ("session_id", "symbol", "state", "from_time", "to_time", "seconds")

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


def root_argument(command: Command) -> Command:
    """Take the tape's directory, and whether it is read without what is damaged."""
    argument = click.argument("root", type=click.Path(exists=True, file_okay=False, path_type=Path))
    text = "Answer without files that cannot be read, name them, and exit with 3."
    return argument(click.option("--leave-out-damaged", is_flag=True, help=text)(command))


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


def limit_option(command: Command) -> Command:
    """Take how many rows to print."""
    text = "Rows at most, 0 for all. Without it a table stops at 50 and the other formats do not stop."
    return click.option("--limit", type=click.IntRange(min=0), help=text)(command)


@click.command("changes")
@root_argument
@symbol_option
@window_options
@format_option
@limit_option
@reporting_errors
def changes_command(
    root: Path,
    leave_out_damaged: bool,
    symbol: str,
    start: int | None,
    end: int | None,
    form: Format,
    limit: int | None,
) -> None:
    """Print the book changes of a symbol, by arrival.

    A table shows the columns that a person reads; CSV and JSON have them all.

    \b
    Example:
      fixtape changes ./tape --symbol BTC/USD --from 2026-03-01T12:00Z --to 2026-03-01T12:05Z
    """
    with _opened(root, leave_out_damaged=leave_out_damaged) as tape:
        emit(tape.changes(symbol, start, end), form, limit=limit, columns=CHANGES_SHOWN)


@click.command("trades")
@root_argument
@symbol_option
@window_options
@format_option
@limit_option
@reporting_errors
def trades_command(
    root: Path,
    leave_out_damaged: bool,
    symbol: str,
    start: int | None,
    end: int | None,
    form: Format,
    limit: int | None,
) -> None:
    """Print the trades of a symbol, by arrival.

    \b
    Example:
      fixtape trades ./tape --symbol BTC/USD --from 2026-03-01T12:00Z --format csv
    """
    with _opened(root, leave_out_damaged=leave_out_damaged) as tape:
        emit(tape.trades(symbol, start, end), form, limit=limit, columns=TRADES_SHOWN)


@click.command("book")
@root_argument
@symbol_option
@click.option("--at", type=UTC_TIME, help="Moment of receive time, in UTC. [default: the end of what is recorded]")
@click.option("--depth", type=click.IntRange(min=1), default=10, show_default=True, help="Price levels of each side.")
@format_option
@reporting_errors
def book_command(root: Path, leave_out_damaged: bool, symbol: str, at: int | None, depth: int, form: Format) -> None:
    """Print the book of a symbol as it stood at a moment, and what it rests on.

    CSV has the levels, one a line; JSON is one object with both sides and the certificate. It exits with 3 if the
    rebuilt book has another checksum than the one recorded.

    \b
    Example:
      fixtape book ./tape --symbol BTC/USD --at 2026-03-01T12:00:00.250Z
    """
    with _opened(root, leave_out_damaged=leave_out_damaged) as tape:
        found = tape.book(symbol, at, depth)
        _print_book(found, form)
    if found.certificate.checksum_agrees is False:
        sys.exit(EXIT_FINDINGS)


@click.command("silence")
@root_argument
@click.option("--symbol", help="Symbol as the venue lists it; without one, whole sessions are judged.")
@window_options
@click.option("--totals", is_flag=True, help="Seconds of each state instead of runs.")
@format_option
@limit_option
@reporting_errors
def silence_command(
    root: Path,
    leave_out_damaged: bool,
    symbol: str | None,
    start: int | None,
    end: int | None,
    totals: bool,
    form: Format,
    limit: int | None,
) -> None:
    """Print which seconds were active, proven quiet, or unknown, in runs, for each session.

    Numbered heartbeats and messages prove that nothing between them is missing, so a second without a message is
    evidence of silence. Unknown are the seconds after a session's last number, those of a gap that was not sent again,
    and those in which a symbol's book did not stand.

    \b
    Example:
      fixtape silence ./tape --symbol BTC/USD --totals
    """
    with _opened(root, leave_out_damaged=leave_out_damaged) as tape:
        emit(tape.silence(symbol, start, end, totals=totals), form, limit=limit, columns=SILENCE_SHOWN)


@click.command("sql")
@root_argument
@click.argument("query")
@format_option
@limit_option
@reporting_errors
def sql_command(root: Path, leave_out_damaged: bool, query: str, form: Format, limit: int | None) -> None:
    """Print the answer to one SELECT over the tape.

    Views: book_changes, order_changes, trades, quotes, books, messages, instruments, events; in schema raw the same as
    stored. The statement sees nothing but the tape: no other file, no network, no setting.

    \b
    Example:
      fixtape sql ./tape "SELECT symbol, count(*) AS trades FROM trades GROUP BY symbol ORDER BY trades DESC"
    """
    with _opened(root, leave_out_damaged=leave_out_damaged) as tape:
        emit(tape.sql(query), form, limit=limit)


def _print_book(book: BookAt, form: Format) -> None:
    if form == "table":
        click.echo(str(book))
    elif form == "json":
        click.echo(json_text(book.as_dict()))
    else:
        emit(book.to_arrow(), form)


@contextmanager
def _opened(root: Path, *, leave_out_damaged: bool) -> Iterator[Tape]:
    """Give a tape; at the end tell what was left out of the answer."""
    with Tape(root, leave_out_damaged=leave_out_damaged) as tape:
        with _running():
            yield tape
        for path, reason in tape.left_out.items():
            click.echo(f"fixtape: left out: {escaped(str(path))}: {escaped(reason)}", err=True)
        if tape.left_out:
            sys.exit(EXIT_FINDINGS)


@contextmanager
def _running() -> Iterator[None]:
    """Turn what DuckDB finds wrong only as it runs into an error of ours."""
    try:
        yield
    except duckdb.Error as error:
        raise StatementFailed(str(error)) from error
    except RuntimeError as error:
        if "interrupted" not in str(error):
            raise
        raise KeyboardInterrupt from error  # As DuckDB 2.0 tells of Ctrl-C.
