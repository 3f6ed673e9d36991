"""What every command shares: one line for an error, its exit code, and the end by a signal.

Layer: below every `cli.py`. Imports nothing but click, so that help is quick.
Source: style guide section 8; exit codes after sysexits.h, listed in the README.
"""

import functools
import os
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any, NoReturn, ParamSpec, TypeVar

import click

P = ParamSpec("P")
R = TypeVar("R")

EXIT_FINDINGS = 3
EXIT_IO = 74
EXIT_INTERRUPTED = 130


class Commands(click.Group):
    """A command of commands, each listed with the whole first sentence of its help."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list."""
        helps = {name: (command.help or "") for name, command in self.commands.items()}
        with formatter.section("Commands"):
            formatter.write_dl([(name, " ".join(text.partition("\n\n")[0].split())) for name, text in helps.items()])


class UtcDate(click.ParamType[str]):
    """A UTC date on the command line, YYYY-MM-DD; with `months` also a whole month, YYYY-MM."""

    name = "date"

    def __init__(self, *, months: bool = False) -> None:
        self._months = months

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the date as it is in the names of directories, or end with a usage error."""
        text = str(value)
        whole = f"{text}-01" if self._months and len(text) == len("YYYY-MM") else text
        if not _is_date(whole):
            forms = "YYYY-MM-DD, or YYYY-MM for a month" if self._months else "YYYY-MM-DD"
            self.fail(f"{text!r} is no date; use {forms}", param, ctx)
        return text


class Place(click.Path):
    """A tape on the command line: a directory, or an address such as s3://bucket/prefix, which is a string."""

    name = "place"

    def __init__(self, *, exists: bool) -> None:
        super().__init__(exists=exists, file_okay=False, path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return a path or an address."""
        return value if isinstance(value, str) and "://" in value else super().convert(value, param, ctx)


def _is_date(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text  # Python takes other forms of ISO 8601 as well.
    except ValueError:
        return False


def escaped(text: str) -> str:
    """Return text of the venue or of a file on one line, with nothing that a terminal would act upon."""
    return "".join(it if it.isprintable() else repr(it)[1:-1] for it in text)


def end_with(message: str, exit_code: int) -> NoReturn:
    """Print one line to standard error and end."""
    click.echo(f"fixtape: {escaped(message)}", err=True)
    sys.exit(exit_code)


def reporting_errors(function: Callable[P, R]) -> Callable[P, R]:
    """Wrap a command so that an error with an `exit_code` ends it with one line instead of a traceback."""

    @functools.wraps(function)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            result = function(*args, **kwargs)
            sys.stdout.flush()  # A full disk or a reader that left shows here, not as a complaint at exit.
        except BrokenPipeError:
            _forget_output()
            sys.exit(0)
        except KeyboardInterrupt:
            sys.exit(EXIT_INTERRUPTED)
        except click.exceptions.ClickException:
            raise
        except Exception as error:
            exit_code = getattr(error, "exit_code", None)
            if isinstance(exit_code, int):
                end_with(str(error), exit_code)
            if isinstance(error, OSError):
                _forget_output()
                end_with(f"{error.filename or 'input/output'}: {error.strerror or error}", EXIT_IO)
            raise
        return result

    return wrapped


def _forget_output() -> None:
    """Send what is still buffered nowhere; Python would stumble over it once more when it flushes at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
