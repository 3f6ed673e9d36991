"""The command that tells the story of a window.

Layer: queries, at the top. Parses, asks once, prints.
Source: style guide section 8.
"""

from pathlib import Path
from typing import Final

import click

from capture.cli_support import reporting_errors
from queries.cli_support import format_option, limit_option, opened_tape, root_argument, symbol_option, window_options
from queries.render import Format, emit

WHY_SHOWN: Final = ("at_time", "what", "symbol", "says", "count", "seconds", "msg_seq_num", "segment_offset")


@click.command("why")
@root_argument
@symbol_option
@window_options
@format_option
@limit_option
@reporting_errors
def why_command(
    root: Path | str,
    leave_out_damaged: bool,
    symbol: str,
    start: int | None,
    end: int | None,
    form: Format,
    limit: int | None,
) -> None:
    """Print what happened to a symbol in a window, in order, with places in the journal.

    Events of the symbol and its session, runs of messages, quiet and unknown seconds, times without a session, and how
    far the clocks agree. The offset is of a line's own message, or else of the last one before it: CSV and JSON say
    which, and name the segment.

    \b
    Example:
      fixtape why ./tape --symbol BTC/USD --from 2026-03-01T21:59Z --to 2026-03-01T22:02Z
    """
    with opened_tape(root, leave_out_damaged=leave_out_damaged) as tape:
        emit(tape.why(symbol, start, end), form, limit=limit, columns=WHY_SHOWN)
