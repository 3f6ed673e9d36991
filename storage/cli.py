"""`fixtape record`.

Layer: command line. Parses, calls, prints; imports what is heavy on use.
"""

import asyncio
import os
import signal
import sys
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from capture.cli_support import EXIT_FINDINGS, escaped, reporting_errors

if TYPE_CHECKING:
    from capture.config import Settings
    from storage.recorder import Recorder, Summary

ENVIRONMENT_PREFIX: Final = "FIXTAPE_"
COMMAND_LINE: Final = "command line"
SHORTFALLS_SHOWN: Final = 20  # Symbols; a summary is for reading.

# Option or variable to setting: FIXTAPE_VENUE_HOST stands for venue.host, as --host does.
_OPTIONS: Final = {
    "host": ("venue", "host"),
    "port": ("venue", "port"),
    "ca": ("venue", "ca_file"),
    "server_name": ("venue", "server_name"),
    "sender": ("session", "sender_comp_id"),
    "target": ("session", "target_comp_id"),
    "heartbeat": ("session", "heartbeat_s"),
    "symbols": ("market", "symbols"),
    "depth": ("market", "depth"),
    "level": ("market", "level"),
    "root": ("storage", "root"),
    "lake": ("storage", "lake"),
    "batch_s": ("storage", "batch_s"),
    "fsync_ms": ("storage", "fsync_ms"),
    "on_damage": ("storage", "on_damage"),
}


def software() -> str:
    """Return what wrote a file, as files say it."""
    return f"fixtape {version('fixtape')}"


def effective(config: Path | None, options: dict[str, Any]) -> "Settings":
    """Return settings by precedence: option, environment, file, default. Errors: what `capture.config` raises."""
    import msgspec

    from capture.config import Settings, check, read

    settings = read(config) if config is not None else Settings()
    sections: dict[str, dict[str, Any]] = msgspec.to_builtins(settings)
    for name, (section, key) in _OPTIONS.items():
        variable = f"{ENVIRONMENT_PREFIX}{section.upper()}_{key.upper()}"
        value = options.get(name)
        if value in (None, ()) and variable in os.environ:
            text = os.environ[variable]
            value = [it.strip() for it in text.split(",")] if key == "symbols" else text
        if value not in (None, ()):
            sections[section][key] = value
    where = str(config) if config is not None else COMMAND_LINE
    try:
        return check(msgspec.convert(sections, Settings, strict=False), where=where)
    except msgspec.ValidationError as error:
        raise click.UsageError(f"{error}") from None


@click.command()
@click.option("--config", type=click.Path(dir_okay=False, path_type=Path), help="TOML file; options override it.")
@click.option("--host", help="Host of the venue.")
@click.option("--port", type=click.IntRange(1, 65535), help="Port of the venue.  [default: 4000]")
@click.option("--ca", type=click.Path(dir_okay=False), help="PEM file to verify the venue by, instead of the system's.")
@click.option("--server-name", help="Name that the certificate must prove; the host if not given.")
@click.option("--sender", help="SenderCompID(49) that the venue assigned to you.")
@click.option("--target", help="TargetCompID(56) of the venue.  [default: KRAKEN-MD]")
@click.option("--heartbeat", type=int, help="HeartBtInt(108) in seconds.  [default: 60]")
@click.option(
    "--symbol",
    "symbols",
    metavar="[!]NAME[:DEPTH]",
    multiple=True,
    help="What to record; repeat. A symbol as the venue lists it (BTC/USD), a glob ('*/USD'), or: all. ! leaves out.",
)
@click.option("--depth", type=int, help="Price levels a side: 10, 25, 100, 500 or 1000; 0 is all.  [default: 1000]")
@click.option(
    "--level",
    type=click.IntRange(2, 3),
    help="2 is price levels and trades. 3 is single orders without trades: unproven on a real feed; Kraken has it on"
    " port 4005.  [default: 2]",
)
@click.option("--root", type=click.Path(file_okay=False), help="Directory of the tape.  [default: tape]")
@click.option(
    "--lake",
    metavar="ADDRESS",
    help="Where the lake is, if not in ROOT/lake: s3://BUCKET/PREFIX. The root keeps it in mind.",
)
@click.option("--batch-s", type=int, help="Seconds of receive time in one batch; a divisor of 86400.  [default: 60]")
@click.option("--fsync-ms", type=int, help="The most that a power cut can take.  [default: 200]")
@click.option("--for", "seconds", type=click.FloatRange(min=0.1), help="Stop after so many seconds.")
@reporting_errors
def record(config: Path | None, seconds: float | None, **options: Any) -> None:
    """Record a venue's market data until stopped.

    Ctrl-C or SIGTERM ends it in order: Logout, last batch committed, exit 0. It exits with 3 if a symbol was not
    recorded, or not all the time, because the venue refused, delisted or never served it, and with a code of its own
    for each way of not getting started; the README lists them. Settings come from options, then FIXTAPE_SECTION_KEY
    variables, then the file.

    \b
    Examples:
      fixtape record --host 127.0.0.1 --ca venue-ca.pem --sender CLIENT --symbol BTC/USD --root tape
      fixtape record --config config.toml --symbol '*/USD:100' --symbol BTC/USD:1000 --symbol '!DOGE/*'
    """
    settings = effective(config, options)
    from capture import kernels
    from capture.client import run
    from storage.recorder import Recorder
    from storage.status import StatusPrinter, log_line

    printers: list[StatusPrinter] = []

    def failed(reason: str, delay_s: float) -> None:
        printers[0].say(f"disconnected: {escaped(reason)}; trying again in {delay_s:.0f} s")

    def alarmed(text: str) -> None:
        printers[0].say(escaped(text))

    def recovered(text: str) -> None:
        log_line(escaped(text))

    with Recorder(settings, software(), on_failure=failed, on_recovery=recovered, on_alarm=alarmed) as recorder:
        printers.append(StatusPrinter(recorder))
        if (slow := kernels.warning(kernels.status())) is not None:
            printers[0].say(slow)
        summaries: list[Summary] = []
        run(_record(recorder, seconds, printers[0], summaries))
    _print_summary(summaries[0], settings, recorder.lake_at)
    if summaries[0].shortfalls:
        sys.exit(EXIT_FINDINGS)


async def _record(recorder: "Recorder", seconds: float | None, printer: "Any", summaries: "list[Summary]") -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, recorder.stop)
    settings = recorder.settings
    printer.say(f"recording {', '.join(settings.market.symbols)} of {settings.venue.host} into {recorder.root}")
    summaries.append(await recorder.run(seconds=seconds, watch=printer))
    printer.say("stopped in order")


def _print_summary(summary: "Summary", settings: "Settings", lake_at: str) -> None:
    from storage.status import bytes_text

    counters = summary.counters
    due = counters.verified + counters.mismatches
    click.echo(f"messages   {counters.messages:,} ({counters.entries:,} entries, {counters.trades:,} trades)")
    click.echo(f"checksums  {counters.verified:,} of {due:,} verified, {counters.unverified:,} without one")
    click.echo(f"books      {summary.books_proven} of {summary.books} proven at the end, {counters.gaps} gaps")
    counts = summary.counts
    click.echo(f"journal    {bytes_text(counts.durable_bytes)} in {settings.storage.root}/journal")
    click.echo(f"           {counts.text()}")
    click.echo(f"lake       {summary.rows_committed:,} rows, {bytes_text(summary.lake_bytes)} in {lake_at}")
    if summary.incidents or summary.incidents_not_written:
        left = f", {summary.incidents_not_written} more not written" if summary.incidents_not_written else ""
        click.echo(f"incidents  {summary.incidents}{left}: fixtape incident ls {settings.storage.root}")
    for symbol, text in islice(summary.shortfalls.items(), SHORTFALLS_SHOWN):
        click.echo(f"fixtape: {escaped(symbol)}: {escaped(text)}", err=True)
    beyond = len(summary.shortfalls) - SHORTFALLS_SHOWN
    if beyond > 0:
        click.echo(f"fixtape: and {beyond} more were not recorded, or not all the time; see the table events", err=True)
