"""The command that replays books: as rows for programs, or played in the terminal.

Layer: queries, at the top. Parses, asks once, prints.
Source: style guide section 8.
"""

import sys
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Final, TextIO

import click
import pyarrow as pa
import pyarrow.parquet as pq

from capture.cli_support import reporting_errors
from queries.cli_support import limit_option, opened_tape, root_argument, symbol_option, window_options
from queries.errors import Misused
from queries.frames import best_table, frames, write_csv, write_json
from queries.parts import SplitReplay
from queries.render import TABLE_ROWS, emit
from queries.replay import Replay
from storage.executor_cli import executor_of, executor_options

Books = Replay | SplitReplay
EVERY_DEFAULT: Final = "1s"
SPEED_DEFAULT: Final = 1.0


@click.command("replay")
@root_argument
@symbol_option
@window_options
@click.option("--every", metavar="LENGTH", help=f"Interval, e.g. 100ms, 1s, 5m. [default: {EVERY_DEFAULT}]")
@click.option("--events", is_flag=True, help="A book after each message on it, instead of an interval.")
@click.option("--depth", type=click.IntRange(1, 1000), default=10, show_default=True, help="Price levels of each side.")
@click.option(
    "--format", "form", type=click.Choice(["table", "csv", "json", "parquet", "arrow"]), default="table",
    show_default=True, help="A table of the best levels, all levels as CSV or JSON lines, Parquet, or an Arrow stream.",
)  # fmt: skip
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="File to write instead of printing.")
@limit_option
@click.option("--watch", "watched", is_flag=True, help="Play it in the terminal as a ladder; space pauses, q quits.")
@click.option("--speed", type=click.FloatRange(min=0, min_open=True), default=SPEED_DEFAULT, show_default=True,
              help="With --watch: seconds of tape in a second.")  # fmt: skip
@executor_options
@reporting_errors
def replay_command(
    root: Path | str,
    leave_out_damaged: bool,
    symbol: str,
    start: int | None,
    end: int | None,
    every: str | None,
    events: bool,
    depth: int,
    form: str,
    out: Path | None,
    limit: int | None,
    watched: bool,
    speed: float,
    engine: str,
    workers: int | None,
    scheduler: str | None,
) -> None:
    """Print the books of a symbol at an interval, or after each message.

    Prices and sizes are exact in every format: as decimals in text, as integers with their scale in Parquet and Arrow.
    In the terminal, space pauses, n or the right arrow steps, + and - change the speed, q quits.

    \b
    Example:
      fixtape replay ./tape --symbol BTC/USD --from 2026-03-01T12:00Z --to 2026-03-01T13:00Z --every 100ms --format csv
      fixtape replay ./tape --symbol BTC/USD --every 100ms --watch --speed 10
    """
    with (
        executor_of(engine, workers, scheduler) as executor,
        opened_tape(root, leave_out_damaged=leave_out_damaged) as tape,
    ):
        step = None if events and every is None else every or EVERY_DEFAULT
        replay: Books = tape.replay(symbol, start, end, every=step, events=events, depth=depth)
        if engine != "one":
            replay = tape.replay_by(executor, symbol, start, end, every=step, events=events, depth=depth)
        if watched:
            _watch(replay, symbol, depth, speed)
        elif form in ("parquet", "arrow"):
            _write_columns(replay, form, out, limit)
        elif out is None:
            _print(replay, form, depth, limit)
        else:
            with out.open("w", encoding="utf-8", newline="") as file:
                _write_text(replay, form, depth, limit, file)


def _watch(replay: Books, symbol: str, depth: int, speed: float) -> None:
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise Misused("replay: --watch plays in a terminal, and this is none; use --format for a file or a pipe")
    from queries.watch import watch

    watch(symbol, frames(replay), depth, speed)


def _print(replay: Books, form: str, depth: int, limit: int | None) -> None:
    if form == "table":
        most = TABLE_ROWS if limit is None else limit
        emit(best_table(islice(frames(replay), most + 1 if most else None)), "table", limit=most)
    else:
        _write_text(replay, form, depth, limit, sys.stdout)


def _write_text(replay: Books, form: str, depth: int, limit: int | None, file: TextIO) -> None:
    found = islice(frames(replay), limit or None)
    if form == "csv":
        write_csv(found, depth, file)
    elif form == "json":
        write_json(found, file)
    else:
        emit(best_table(found), "table", limit=0, file=file)


def _write_columns(replay: Books, form: str, out: Path | None, limit: int | None) -> None:
    """Write record batches; a file gets its name once it is whole."""
    batches = _first(replay, limit)
    if out is None:
        if form == "parquet":
            raise Misused("replay: --format parquet needs --out, a file to write")
        if sys.stdout.isatty():
            raise Misused("replay: --format arrow is for a pipe or --out, not for a terminal")
        with pa.ipc.new_stream(sys.stdout.buffer, replay.schema) as stream:
            _copy(batches, stream)
        return
    partial = out.with_name(f"{out.name}.partial")
    try:
        if form == "parquet":
            with pq.ParquetWriter(partial, replay.schema, compression="zstd") as writer:
                _copy(batches, writer)
        else:
            with partial.open("wb") as file, pa.ipc.new_stream(file, replay.schema) as stream:
                _copy(batches, stream)
        partial.replace(out)
    finally:
        partial.unlink(missing_ok=True)


def _copy(batches: Iterable[pa.RecordBatch], into: pa.ipc.RecordBatchStreamWriter | pq.ParquetWriter) -> None:
    for batch in batches:
        into.write_batch(batch)


def _first(batches: Iterable[pa.RecordBatch], limit: int | None) -> Iterator[pa.RecordBatch]:
    """Yield batches up to so many rows; 0 and None for all."""
    left = limit
    for batch in batches:
        yield batch.slice(0, left) if left else batch
        if left:
            left -= min(left, len(batch))
            if not left:
                return
