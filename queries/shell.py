"""An interactive shell for SQL over a tape: statements that end in `;`, and commands that begin with a dot.

Layer: queries, over the tape. Reads lines from whoever gives them, prints rows and words.
Source: the habits of the shells of SQLite and DuckDB.
Left to others: editing of lines (`queries.line_editing`), what a statement may do (`queries.sql_session`).
"""

import fnmatch
import time
from collections.abc import Callable, Iterator
from typing import Final, Protocol, TextIO

import duckdb

from queries.errors import QueryError
from queries.line_editing import completions
from queries.render import Format, emit
from queries.sql_session import SqlSession
from queries.tape import Tape
from queries.text import shown
from storage.schemas import SCHEMAS

PROMPT: Final = "fixtape> "
PROMPT_MORE: Final = "     ..> "
_BETWEEN: Final = "; \t\r\n"  # Statements.
STATEMENT_CHARACTERS: Final = 1_000_000
FORMATS: Final[tuple[Format, ...]] = ("table", "csv", "json")
KEYWORDS: Final = (
    "ALL", "AND", "AS", "ASC", "ASOF", "BETWEEN", "BY", "CASE", "CAST", "COUNT", "CROSS", "DESC", "DESCRIBE",
    "DISTINCT", "ELSE", "END", "EXCLUDE", "EXISTS", "FILTER", "FROM", "FULL", "GROUP", "HAVING", "IN", "INNER",
    "INTERSECT", "IS", "JOIN", "LEFT", "LIKE", "LIMIT", "NOT", "NULL", "NULLS", "OFFSET", "ON", "OR", "ORDER",
    "OVER", "PARTITION", "QUALIFY", "RIGHT", "ROWS", "SELECT", "SUMMARIZE", "THEN", "UNION", "UNNEST", "USING",
    "VALUES", "WHEN", "WHERE", "WINDOW", "WITH",
)  # fmt: skip
HELP: Final = """\
A statement is one SELECT and ends in ;  Tab completes tables, columns, symbols and functions.
  .tables             tables, and in schema raw the same as stored
  .columns TABLE      columns of a table, and their types
  .symbols [PATTERN]  symbols of the tape, e.g. .symbols BTC/*
  .functions          functions of fixtape's own
  .format FORMAT      table, csv or json
  .limit N            rows at most, 0 for all
  .help               this
  .quit               ends, as Ctrl-D does; Ctrl-C stops a statement"""


class Lines(Protocol):
    """Where the lines of a shell come from."""

    def read(self, prompt: str) -> str:
        """Return the next line. Errors: EOFError at the end, KeyboardInterrupt."""
        ...

    def remember(self, statement: str) -> None:
        """Take a statement into the history."""
        ...


class Shell:
    """Answers one statement after another until there is no more. out: for rows; words: for everything else."""

    def __init__(
        self,
        tape: Tape,
        session: SqlSession,
        *,
        out: TextIO,
        words: TextIO,
        form: Format = "table",
        limit: int | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._tape, self._session, self._clock = tape, session, clock
        self._out, self._words = out, words
        self._form: Format = form
        self._limit = limit

    def run(self, lines: Lines, *, ends_on_failure: bool = False) -> None:
        """Read and answer until the end of the lines or `.quit`; what fails is told, and the next is read.

        ends_on_failure: it is raised instead. Errors: QueryError, KeyboardInterrupt.
        """
        for text in self._statements(lines):
            if text in (".quit", ".exit"):
                return
            is_command = text.startswith(".")
            lines.remember(text if is_command else f"{text};")
            try:
                self._obey(text) if is_command else self.answer(text)
            except (QueryError, KeyboardInterrupt) as error:
                if ends_on_failure:
                    raise
                self._say(str(error) or "stopped")

    def answer(self, statement: str) -> None:
        """Print the answer to one statement, and how long it took. Errors: QueryError."""
        began = self._clock()
        with self._session.limited():
            emit(self._session.ask(statement), self._form, limit=self._limit, file=self._out)
        self._out.flush()
        if self._form == "table":
            self._say(f"{self._clock() - began:.2f} s")

    def completions(self) -> list[str]:
        """Return whatever may be typed: tables, columns, functions, keywords, and symbols as strings."""
        columns = self._session.ask("SELECT DISTINCT column_name FROM duckdb_columns() WHERE NOT internal").fetchall()
        names = {*SCHEMAS, *(f"raw.{table}" for table in SCHEMAS), *(name for (name,) in columns)}
        names |= {f"{name}(" for name in self._functions()}
        symbols = [f"'{symbol}'".replace("\n", " ") for symbol in self._tape.symbols()]
        return [*sorted(names), *symbols, *KEYWORDS, *(line.split()[0] for line in HELP.splitlines()[1:])]

    def _statements(self, lines: Lines) -> Iterator[str]:
        """Yield statements and dot commands; one that Ctrl-C breaks off is forgotten."""
        held = ""
        while True:
            try:
                line = lines.read(PROMPT_MORE if held else PROMPT)
            except EOFError:
                yield from split(held)
                return
            except KeyboardInterrupt:
                self._say("")
                held = ""
                continue
            if not held and line.strip().startswith("."):
                yield line.strip()
                continue
            held = f"{held}\n{line}" if held else line
            if not held.strip():
                held = ""
            elif is_whole(held) or len(held) > STATEMENT_CHARACTERS:
                yield from split(held)
                held = ""

    def _obey(self, command: str) -> None:
        name, *given = command.split(maxsplit=1)
        value = given[0].strip() if given else ""
        if name == ".tables":
            self._out.write("".join(f"{table}\nraw.{table}\n" for table in SCHEMAS))
        elif name == ".columns" and value.removeprefix("raw.") in SCHEMAS:
            self.answer(f"SELECT column_name, column_type FROM (DESCRIBE {value})")  # noqa: S608  A name of ours.
        elif name == ".symbols":
            found = [it for it in self._tape.symbols() if fnmatch.fnmatchcase(it, value.upper() or "*")]
            self._out.write("".join(f"{shown(symbol)}\n" for symbol in found))
        elif name == ".functions":
            self._out.write("".join(f"{function}\n" for function in self._functions()))
        elif name == ".format" and completions(value, FORMATS) == [value]:
            self._form = FORMATS[FORMATS.index(value)]
        elif name == ".limit" and value.isascii() and value.isdigit():
            self._limit = int(value)
        else:
            self._say(HELP if name == ".help" else f"{shown(command)}: no such command; see .help")

    def _functions(self) -> list[str]:
        query = "SELECT DISTINCT function_name FROM duckdb_functions() WHERE NOT internal ORDER BY 1"
        return [name for (name,) in self._session.ask(query).fetchall()]

    def _say(self, text: str) -> None:
        self._words.write(f"{text}\n")
        self._words.flush()


def split(text: str) -> list[str]:
    """Return the statements in a text; all of it as one, where DuckDB cannot make them out and is to say why."""
    try:
        return [found.query.strip(_BETWEEN) for found in duckdb.extract_statements(text)]
    except duckdb.Error:
        return [text.strip()]


def is_whole(text: str) -> bool:
    """Return whether what was typed ends a statement: with a `;` that is not within a string or a comment."""
    if not text.rstrip().endswith(";"):
        return False
    try:
        count = len(duckdb.extract_statements(text))
    except duckdb.Error as error:
        return "unterminated" not in str(error)  # Anything else is wrong however it goes on.
    try:
        return len(duckdb.extract_statements(f"{text}\nVALUES (1)")) == count + 1
    except duckdb.Error:
        return False  # What follows would be part of it: the `;` is in a comment.
