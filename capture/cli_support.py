"""What every command shares: one line for an error, its exit code, and the end by a signal.

Layer: below every `cli.py`. Imports nothing but click, so that help is quick.
Source: style guide section 8; exit codes after sysexits.h, listed in the README.
"""

import functools
import os
import sys
from collections.abc import Callable
from typing import NoReturn, ParamSpec, TypeVar

import click

P = ParamSpec("P")
R = TypeVar("R")

EXIT_FINDINGS = 3
EXIT_IO = 74
EXIT_INTERRUPTED = 130


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
            return function(*args, **kwargs)
        except BrokenPipeError:
            # The reader of our output has seen enough; Python would complain once more when it flushes at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(0)
        except OSError as error:
            end_with(f"{error.filename or 'input/output'}: {error.strerror or error}", EXIT_IO)
        except KeyboardInterrupt:
            sys.exit(EXIT_INTERRUPTED)
        except Exception as error:
            exit_code = getattr(error, "exit_code", None)
            if not isinstance(exit_code, int) or isinstance(error, click.exceptions.ClickException):
                raise
            end_with(str(error), exit_code)

    return wrapped
