"""Commands that print what a tape holds as a whole: tables, coverage, instruments.

Layer: queries, at the top. Parses, asks once, prints.
Source: style guide section 8.
"""

from pathlib import Path
from typing import Final

import click

from capture.cli_support import reporting_errors
from queries.cli_support import UTC_TIME, format_option, limit_option, opened_tape, root_argument
from queries.render import Format, emit

COVERAGE_SHOWN: Final = ("symbol", "first_time", "last_time", "messages", "messages_proven", "sessions")
INSTRUMENTS_SHOWN: Final = (
    "symbol", "status_name", "price_precision", "size_precision", "tick_size", "lot_size", "size_min", "cost_min",
    "valid_from_time", "valid_to_time",
)  # fmt: skip


@click.command("tables")
@root_argument
@format_option
@reporting_errors
def tables_command(root: Path | str, leave_out_damaged: bool, form: Format) -> None:
    """Print what each table holds: rows, bytes, files, dates, and from when to when.

    \b
    Example:
      fixtape tables ./tape
    """
    with opened_tape(root, leave_out_damaged=leave_out_damaged) as tape:
        emit(tape.tables(), form)


@click.command("coverage")
@root_argument
@format_option
@limit_option
@reporting_errors
def coverage_command(root: Path | str, leave_out_damaged: bool, form: Format, limit: int | None) -> None:
    """Print each symbol that a tape knows: from when to when, and how many of its messages are proven.

    \b
    Example:
      fixtape coverage ./tape --limit 0
    """
    with opened_tape(root, leave_out_damaged=leave_out_damaged) as tape:
        emit(tape.coverage(), form, limit=limit, columns=COVERAGE_SHOWN)


@click.command("instruments")
@root_argument
@click.option("--symbol", help="Symbol as the venue lists it; without one, all.")
@click.option("--at", type=UTC_TIME, help="Moment in UTC. [default: the newest versions]")
@format_option
@limit_option
@reporting_errors
def instruments_command(
    root: Path | str, leave_out_damaged: bool, symbol: str | None, at: int | None, form: Format, limit: int | None
) -> None:
    """Print the instruments as they were valid at a moment.

    \b
    Example:
      fixtape instruments ./tape --at 2026-03-01T12:00Z
    """
    with opened_tape(root, leave_out_damaged=leave_out_damaged) as tape:
        emit(tape.instruments(at, symbol=symbol), form, limit=limit, columns=INSTRUMENTS_SHOWN)
