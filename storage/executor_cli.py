"""Options of commands whose work is done in parts: by this process, several, or a cluster.

Layer: command line; below the commands.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

if TYPE_CHECKING:
    from storage.executors import Executor

Command = TypeVar("Command", bound=Callable[..., Any])
ENGINES: Final = ("one", "processes", "dask")


def executor_options(command: Command) -> Command:
    """Add --engine, --workers and --scheduler; hand them on to `executor_of`."""
    for option in reversed(
        (
            click.option(
                "--engine",
                type=click.Choice(ENGINES),
                default="one",
                show_default=True,
                help="Who does the work: this process, several here, or a Dask cluster.",
            ),
            click.option(
                "--workers", type=click.IntRange(min=1), help="Processes, with --engine processes.  [default: cores]"
            ),
            click.option("--scheduler", metavar="ADDRESS", help="Of the cluster, such as tcp://10.0.0.5:8786."),
        )
    ):
        command = option(command)
    return command


def executor_of(engine: str, workers: int | None, scheduler: str | None) -> "Executor":
    """Return who does the work; a context manager. Errors: click.UsageError."""
    from storage.executors import Dask, Processes, ThisProcess

    if workers is not None and engine != "processes":
        raise click.UsageError("--workers is for --engine processes")
    if (scheduler is not None) != (engine == "dask"):
        raise click.UsageError("--engine dask and --scheduler ADDRESS go together")
    if engine == "dask":
        assert scheduler is not None, "checked above"
        return Dask(scheduler)
    return ThisProcess() if engine == "one" else Processes(workers or 0)
