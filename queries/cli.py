"""Commands that print what a tape holds: changes, trades, quotes, book, silence.

Layer: queries, at the top. Parses, asks once, prints; rows to standard output, words to standard error.
Source: style guide section 8.
Left to others: what all commands share (`queries.cli_support`), SQL of the user (`queries.sql_cli`).
"""

import sys
from pathlib import Path
from typing import Any, Final

import click

from capture.cli_support import EXIT_FINDINGS, reporting_errors
from queries.books import BookAt
from queries.cli_support import (
    UTC_TIME,
    entries_options,
    format_option,
    limit_option,
    opened_tape,
    root_argument,
    symbol_option,
    window_options,
)
from queries.render import Format, emit, json_text

CHANGES_SHOWN: Final = ("receive_time", "msg_seq_num", "side", "action", "price", "size", "proven")
TRADES_SHOWN: Final = ("receive_time", "msg_seq_num", "aggressor_side", "order_type", "price", "size", "proven")
QUOTES_SHOWN: Final = ("receive_time", "msg_seq_num", "bid_size", "bid_price", "offer_price", "offer_size", "proven")
SILENCE_SHOWN: Final = ("session_id", "symbol", "state", "from_time", "to_time", "seconds")


@click.command("changes")
@entries_options
@reporting_errors
def changes_command(
    root: Path | str, leave_out_damaged: bool, symbol: str, form: Format, limit: int | None, **asked: Any
) -> None:
    """Print the book changes of a symbol, by arrival.

    A table shows the columns that a person reads; CSV and JSON have them all.

    \b
    Example:
      fixtape changes ./tape --symbol BTC/USD --from 2026-03-01T12:00Z --to 2026-03-01T12:05Z
    """
    with opened_tape(root, leave_out_damaged=leave_out_damaged) as tape:
        emit(tape.changes(symbol, **asked), form, limit=limit, columns=CHANGES_SHOWN)


@click.command("trades")
@entries_options
@reporting_errors
def trades_command(
    root: Path | str, leave_out_damaged: bool, symbol: str, form: Format, limit: int | None, **asked: Any
) -> None:
    """Print the trades of a symbol, by arrival.

    \b
    Example:
      fixtape trades ./tape --symbol BTC/USD --from 2026-03-01T12:00Z --format csv
    """
    with opened_tape(root, leave_out_damaged=leave_out_damaged) as tape:
        emit(tape.trades(symbol, **asked), form, limit=limit, columns=TRADES_SHOWN)


@click.command("quotes")
@entries_options
@reporting_errors
def quotes_command(
    root: Path | str, leave_out_damaged: bool, symbol: str, form: Format, limit: int | None, **asked: Any
) -> None:
    """Print the changes of the top of a symbol's book, by arrival.

    \b
    Example:
      fixtape quotes ./tape --symbol BTC/USD --by venue --proven --limit 20
    """
    with opened_tape(root, leave_out_damaged=leave_out_damaged) as tape:
        emit(tape.quotes(symbol, **asked), form, limit=limit, columns=QUOTES_SHOWN)


@click.command("book")
@root_argument
@symbol_option
@click.option("--at", type=UTC_TIME, help="Moment of receive time, in UTC. [default: the end of what is recorded]")
@click.option("--depth", type=click.IntRange(min=1), default=10, show_default=True, help="Price levels of each side.")
@format_option
@reporting_errors
def book_command(
    root: Path | str, leave_out_damaged: bool, symbol: str, at: int | None, depth: int, form: Format
) -> None:
    """Print the book of a symbol as it stood at a moment, and what it rests on.

    CSV has the levels, one a line; JSON is one object with both sides and the certificate. It exits with 3 if the
    rebuilt book has another checksum than the one recorded.

    \b
    Example:
      fixtape book ./tape --symbol BTC/USD --at 2026-03-01T12:00:00.250Z
    """
    with opened_tape(root, leave_out_damaged=leave_out_damaged) as tape:
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
    root: Path | str,
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
    and those in which a symbol's book did not stand. Of a merged tape nothing can be told: ask the two it was made of.

    \b
    Example:
      fixtape silence ./tape --symbol BTC/USD --totals
    """
    with opened_tape(root, leave_out_damaged=leave_out_damaged) as tape:
        emit(tape.silence(symbol, start, end, totals=totals), form, limit=limit, columns=SILENCE_SHOWN)
        if tape.is_united:
            text = "a merged tape has no session whose numbers prove silence: ask the two tapes that it was made of"
            click.echo(f"fixtape: {text}", err=True)


def _print_book(book: BookAt, form: Format) -> None:
    if form == "table":
        click.echo(str(book))
    elif form == "json":
        click.echo(json_text(book.as_dict()))
    else:
        emit(book.to_arrow(), form)
