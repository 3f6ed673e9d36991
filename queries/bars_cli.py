"""The command that prints bars.

Layer: queries, at the top. Parses, asks once, prints.
Source: style guide section 8.
"""

from pathlib import Path
from typing import Final

import click

from capture.cli_support import reporting_errors
from queries.bars import EVERY_DEFAULT
from queries.cli_support import format_option, limit_option, opened_tape, root_argument, symbol_option, window_options
from queries.errors import Misused
from queries.render import Format, emit

BARS_SHOWN: Final = (
    "from_time", "state", "open", "high", "low", "close", "volume", "vwap", "trades", "buys", "sells", "proven",
)  # fmt: skip
QUOTE_BARS_SHOWN: Final = (
    "from_time", "state", "bid_open", "bid_high", "bid_low", "bid_close", "offer_open", "offer_high", "offer_low",
    "offer_close", "quotes", "proven",
)  # fmt: skip


@click.command("bars")
@root_argument
@symbol_option
@window_options
@click.option("--every", metavar="LENGTH", help=f"Interval, e.g. 1s, 5m, 1h. [default: {EVERY_DEFAULT}]")
@click.option("--ticks", type=int, help="Trades of each bar, instead of an interval.")
@click.option("--volume", metavar="SIZE", help="Volume of each bar, e.g. 0.5.")
@click.option("--notional", metavar="AMOUNT", help="Price times size of each bar, e.g. 100000.")
@click.option("--quotes", is_flag=True, help="Bars of the top of book instead of trades.")
@format_option
@limit_option
@reporting_errors
def bars_command(
    root: Path | str,
    leave_out_damaged: bool,
    symbol: str,
    start: int | None,
    end: int | None,
    every: str | None,
    ticks: int | None,
    volume: str | None,
    notional: str | None,
    quotes: bool,
    form: Format,
    limit: int | None,
) -> None:
    """Print bars of the trades of a symbol, or of its quotes.

    Each interval has a bar. In one that is active or quiet without a trade there was none; of one that is unknown,
    something may be missing. Bars of so many ticks, so much volume or notional begin at the window's first trade.

    \b
    Example:
      fixtape bars ./tape --symbol BTC/USD --from 2026-03-01T12:00Z --to 2026-03-01T13:00Z --every 1s
    """
    with opened_tape(root, leave_out_damaged=leave_out_damaged) as tape:
        if not quotes:
            bars = tape.bars(symbol, start, end, every=every, ticks=ticks, volume=volume, notional=notional)
            emit(bars, form, limit=limit, columns=BARS_SHOWN)
            return
        if any(it is not None for it in (ticks, volume, notional)):
            raise Misused("bars: quotes have an interval; leave out --ticks, --volume and --notional")
        emit(
            tape.quote_bars(symbol, start, end, every=every or EVERY_DEFAULT),
            form,
            limit=limit,
            columns=QUOTE_BARS_SHOWN,
        )
