"""The command that takes SQL: one SELECT over the tape.

Layer: queries, at the top. Parses, asks once, prints.
Source: style guide section 8; faults E2 and E3.
"""

from pathlib import Path

import click

from capture.cli_support import reporting_errors
from queries.cli_support import format_option, limit_option, opened_tape, root_argument
from queries.render import Format, emit


@click.command("sql")
@root_argument
@click.argument("query")
@format_option
@limit_option
@reporting_errors
def sql_command(root: Path | str, leave_out_damaged: bool, query: str, form: Format, limit: int | None) -> None:
    """Print the answer to one SELECT over the tape.

    Views: book_changes, order_changes, trades, quotes, books, messages, instruments, events; in schema raw the same as
    stored. The statement sees nothing but the tape: no other file, no network, no setting.

    \b
    Example:
      fixtape sql ./tape "SELECT symbol, count(*) AS trades FROM trades GROUP BY symbol ORDER BY trades DESC"
    """
    with opened_tape(root, leave_out_damaged=leave_out_damaged) as tape:
        emit(tape.sql(query), form, limit=limit)
