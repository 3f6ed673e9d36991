"""`fixtape journal replay`: a recorded journal served again to any FIX client, by the simulated venue.

Layer: journal, command line. Parses, calls, prints.
"""

import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from capture.cli_support import EXIT_FINDINGS, escaped, reporting_errors
from capture.serving_cli import MARKET_PORT, Speed, ca_file_of, proof_of, serve_market
from storage.journal.options import UtcTime, finding_text, root_argument

if TYPE_CHECKING:
    from storage.journal.reader import JournalDamage


@click.command("replay")
@root_argument
@click.option("--symbol", "symbols", multiple=True, help="Only this Symbol(55); may be given again.")
@click.option("--from", "from_ns", type=UtcTime(), help="From this UTC time on, with the books as they stood then.")
@click.option("--to", "to_ns", type=UtcTime(), help="Up to this UTC time, which is left out.")
@click.option("--speed", type=Speed(), default="1", show_default=True, help="Recorded seconds a second, or max.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=MARKET_PORT, show_default=True, help="0 picks one.")
@click.option("--client", "clients", multiple=True, help="SenderCompID that may log on; any, if none is named.")
@click.option(
    "--ca-out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where to write the certificate that clients verify this venue by.  [default: venue-ca.pem, or"
    " venue-ca-PORT.pem where the port is not 4000]",
)
@click.option("--for", "seconds", type=click.FloatRange(min=0.1), help="End after so many seconds.")
@reporting_errors
def replay_journal(
    root: Path,
    symbols: tuple[str, ...],
    from_ns: int | None,
    to_ns: int | None,
    speed: float,
    host: str,
    port: int,
    clients: tuple[str, ...],
    ca_out: Path | None,
    seconds: float | None,
) -> None:
    """Serve what a tape or a journal recorded to any FIX client, as a simulated Kraken over TLS 1.3.

    The bytes of each message are those that were received; header, numbers, times and MDReqID(262) are the new
    session's. What cannot be served is named on standard error: symbols without a book in the window, and Level 3.
    Damage is told there too and read past; the exit code is then 3.

    \b
    Example:
      fixtape journal replay ./tape --from 2026-11-22T10:00:00Z --to 2026-11-22T11:00:00Z --speed 10
    """
    from capture.venue.settings import VenueSettings
    from storage.journal_market import market_of

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    found = 0

    def tell(finding: "JournalDamage") -> None:
        nonlocal found
        found += 1
        click.echo(finding_text(finding), err=True)

    market = market_of(root, begin_ns=from_ns, end_ns=to_ns, symbols=symbols, on_damage=tell)
    if market.left_out:
        click.echo(f"left out: {escaped(', '.join(sorted(market.left_out)))}", err=True)
    click.echo(f"{market.message_count:,} messages of {len(market.recordings.symbols):,} symbols", err=True)
    serve_market(
        market.recordings,
        VenueSettings(speed=speed, clients=frozenset(it.encode() for it in clients)),
        proof_of(host),
        host=host,
        port=port,
        ca_file=ca_out or ca_file_of(port),
        seconds=seconds,
    )
    if found:
        sys.exit(EXIT_FINDINGS)
