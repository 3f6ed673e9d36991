"""The command that prints measures.

Layer: queries, at the top. Parses, asks once, prints.
Source: style guide section 8.
"""

from pathlib import Path

import click

from capture.cli_support import reporting_errors
from queries.bars import EVERY_DEFAULT
from queries.cli_support import format_option, limit_option, opened_tape, root_argument, symbol_option, window_options
from queries.measures import DEFAULTS, NAMES, Options
from queries.render import Format, emit


@click.command("measures")
@root_argument
@symbol_option
@window_options
@click.option("--every", metavar="LENGTH", default=EVERY_DEFAULT, show_default=True, help="Interval, e.g. 1s, 5m, 1h.")
@click.option("--name", "names", type=click.Choice(NAMES), multiple=True, help="Measure to print; may be given again.")
@click.option(
    "--strict", is_flag=True, help="Exit with 3 where anything is not known, instead of printing nothing there."
)
@click.option("--horizon", default=DEFAULTS.horizon, show_default=True, help="Time after a trade, for realised spread.")
@click.option("--levels", default=DEFAULTS.levels, show_default=True, help="Price levels, for imbalance_of_levels.")
@click.option("--bps", default=DEFAULTS.bps, show_default=True, help="Basis points from the middle, for the depths.")
@click.option("--size", default=str(DEFAULTS.size), show_default=True, help="Size traded, for the costs.")
@click.option("--depth", default=DEFAULTS.depth, show_default=True, help="Price levels of each side looked at.")
@format_option
@limit_option
@reporting_errors
def measures_command(
    root: Path | str,
    leave_out_damaged: bool,
    symbol: str,
    start: int | None,
    end: int | None,
    every: str,
    names: tuple[str, ...],
    strict: bool,
    horizon: str,
    levels: int,
    bps: int,
    size: str,
    depth: int,
    form: Format,
    limit: int | None,
) -> None:
    """Print measures of a market by interval: spreads, depth, flow, costs, impact, latency.

    Where anything of an interval is not known there are no measures, and the column `reason` says so. Formulas and
    their sources are in docs/measures.md.

    \b
    Example:
      fixtape measures ./tape --symbol BTC/USD --every 1m --name spread_bps --name order_flow_imbalance
    """
    options = Options(horizon=horizon, levels=levels, bps=bps, size=size, depth=depth)
    with opened_tape(root, leave_out_damaged=leave_out_damaged) as tape:
        found = tape.measures(symbol, start, end, every=every, names=names or None, strict=strict, options=options)
        emit(found, form, limit=limit, columns=("from_time", "state", "reason", *(names or NAMES)))
