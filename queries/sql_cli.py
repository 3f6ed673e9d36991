"""The command that takes SQL: one SELECT over the tape, a shell for many, a script for a DuckDB of one's own.

Layer: queries, at the top. Parses, asks, prints.
Source: style guide section 8; faults E2 and E3.
"""

import sys
from collections.abc import Iterable
from pathlib import Path

import click

from capture.cli_support import reporting_errors
from queries.cli_support import limit_option, opened_tape, root_argument
from queries.errors import Misused
from queries.output import BINARY, BinaryFormat, write_rows
from queries.render import Format, emit
from queries.sql_session import SqlSession
from queries.tape import Tape


@click.command("sql")
@root_argument
@click.argument("query", required=False)
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "csv", "json", *BINARY]),
    default="table",
    show_default=True,
    help="A table to read, CSV, one JSON object a line; Parquet or Arrow, with --output.",
)
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="File to write instead of printing.")
@limit_option
@click.option("--memory-limit", metavar="SIZE", help="Memory that DuckDB may use, e.g. 2GiB. [default: 80 % of all]")
@click.option("--threads", type=int, help="Threads that DuckDB may use. [default: one a core]")
@click.option("--timeout", "timeout_s", type=float, metavar="SECONDS", help="Time that a statement has. [default: any]")
@click.option("--init-script", is_flag=True, help="Print SQL that makes the views in a DuckDB of one's own.")
@reporting_errors
def sql_command(
    root: Path | str,
    leave_out_damaged: bool,
    query: str | None,
    form: Format | BinaryFormat,
    output: Path | None,
    limit: int | None,
    memory_limit: str | None,
    threads: int | None,
    timeout_s: float | None,
    init_script: bool,
) -> None:
    """Print the answer to one SELECT over the tape; without one, open a shell.

    Views: book_changes, order_changes, trades, quotes, books, messages, instruments, events; in schema raw the same as
    stored. A statement sees nothing but the tape: no other file, no network, no setting. Statements may come from
    standard input too, each ending in a semicolon.

    \b
    Example:
      fixtape sql ./tape "SELECT symbol, count(*) AS trades FROM trades GROUP BY symbol ORDER BY trades DESC"
      fixtape sql ./tape --format parquet --output trades.parquet "FROM trades WHERE symbol = 'BTC/USD'"
      fixtape sql ./tape --init-script > tape.sql && duckdb -init tape.sql
    """
    if init_script and (query is not None or output is not None):
        raise Misused("sql: --init-script stands alone; leave out the statement and --output")
    if form in BINARY and (output is None or query is None):
        raise Misused(f"sql: {form} is for a file; give a statement and --output FILE")
    if output is not None and query is None:
        raise Misused("sql: --output is for one statement; give it")
    with opened_tape(root, leave_out_damaged=leave_out_damaged, memory_limit=memory_limit, threads=threads) as tape:
        if init_script:
            click.echo(tape.init_script(), nl=False)
            return
        session = tape.sql_session(timeout_s=timeout_s)
        if query is None:
            assert form in ("table", "csv", "json"), "binary formats need a statement"
            _converse(tape, session, form, limit)
            return
        with session.limited():
            if output is not None:
                write_rows(session.ask(query), form, output, tape=tape.path, limit=limit)
            else:
                assert form in ("table", "csv", "json"), "binary formats go to a file"
                emit(session.ask(query), form, limit=limit)


class _Piped:
    """Lines of standard input that is no terminal."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._lines = iter(lines)

    def read(self, prompt: str) -> str:
        del prompt
        for line in self._lines:
            return line.rstrip("\n")
        raise EOFError

    def remember(self, statement: str) -> None:
        """Nothing: what was not typed is no history."""


def _converse(tape: Tape, session: SqlSession, form: Format, limit: int | None) -> None:
    """Answer statements of a terminal, or of another standard input, where the first failure ends it."""
    from queries.line_editing import LineEditor, history_path
    from queries.shell import Shell

    shell = Shell(tape, session, out=sys.stdout, words=sys.stderr, form=form, limit=limit)
    if not sys.stdin.isatty():
        shell.run(_Piped(sys.stdin), ends_on_failure=True)
        return
    click.echo("One SELECT a statement, ending in a semicolon; .help says more, Ctrl-D leaves", err=True)
    with LineEditor(shell.completions, history=history_path()) as editor:
        shell.run(editor)
