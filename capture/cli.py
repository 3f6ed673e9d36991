"""Commands of capture: the simulated venue.

Layer: command line. Parses, calls, prints; imports what is heavy on use.
"""

import asyncio
import logging
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from capture.cli_support import reporting_errors

if TYPE_CHECKING:
    from capture.venue.recording import Recordings
    from capture.venue.server import VenueServer
    from capture.venue.trading_server import TradingServer

SPEED_LIMIT = 1_000_000.0
CA_FILE = "venue-ca.pem"
PORTS = {"market": 4000, "trading": 4001}


class Speed(click.ParamType[float]):
    """A factor of recorded time, or `max`."""

    name = "N|max"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the factor; infinity is as fast as the reader takes it."""
        if isinstance(value, float):
            return value
        if value == "max":
            return float("inf")
        try:
            speed = float(str(value))
        except ValueError:
            speed = 0.0
        if not 0 < speed <= SPEED_LIMIT:
            self.fail(f"{value!r} is no speed; use a number above 0 (1 is the recorded pace) or max", param, ctx)
        return speed


@click.command()
@click.argument("recordings", nargs=-1, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--profile",
    type=click.Choice(list(PORTS)),
    default="market",
    show_default=True,
    help="What to serve: market data, or order entry for `fixtape trade`.",
)
@click.option("--speed", type=Speed(), default="1", show_default=True, help="Recorded seconds a second, or max.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), help="Port; 0 picks one.  [default: 4000; trading: 4001]")
@click.option("--client", "clients", multiple=True, help="SenderCompID that may log on; any, if none is named.")
@click.option(
    "--ca-out",
    type=click.Path(dir_okay=False, path_type=Path),
    default=CA_FILE,
    show_default=True,
    help="Where to write the certificate that clients verify this venue by.",
)
@click.option(
    "--credentials",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Order entry: file of mode 0600 with the API key and secret to expect, instead of FIXTAPE_API_KEY and"
    " FIXTAPE_API_SECRET.",
)
@click.option("--for", "seconds", type=click.FloatRange(min=0.1), help="End after so many seconds.")
@reporting_errors
def venue(
    recordings: tuple[Path, ...],
    profile: str,
    speed: float,
    host: str,
    port: int | None,
    clients: tuple[str, ...],
    ca_out: Path,
    credentials: Path | None,
    seconds: float | None,
) -> None:
    """Serve recordings as a simulated Kraken, over TLS 1.3.

    RECORDINGS are FIX files (raw bytes, plain or gzipped); without any, the real ones that come with fixtape. With
    --profile trading it takes orders instead, against the first book of each recording, which stands still.

    \b
    Example:
      fixtape venue --speed max --port 4000
      fixtape venue --profile trading
    """
    from capture.client import run
    from capture.venue import certificates, recording
    from capture.venue.acceptor import VenueSettings
    from capture.venue.server import VenueServer

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    market = recording.load(recordings) if recordings else recording.shipped()
    port = PORTS[profile] if port is None else port
    known = frozenset(it.encode() for it in clients)
    if profile == "trading":
        _serve_trading(market, known, credentials, host=host, port=port, ca_out=ca_out, seconds=seconds)
        return
    proof = certificates.make("localhost", "127.0.0.1", "::1", *({host} - {"localhost", "127.0.0.1", "::1"}))
    proof.write_ca(ca_out)
    server = VenueServer(market, VenueSettings(speed=speed, clients=known), proof.context, host=host, port=port)
    depth = max(stream.depth for stream in market.streams.values())

    def listening() -> None:
        click.echo(f"listening on {host}:{server.port}; {len(market.streams)} symbols: {', '.join(market.streams)}")
        click.echo(
            f"record it:  fixtape record --host {host} --port {server.port} --ca {ca_out}"
            f" --sender CLIENT --symbol all --depth {depth} --root tape",
            err=True,
        )

    run(_serve(server, seconds, listening))


def _serve_trading(
    market: "Recordings",
    clients: frozenset[bytes],
    credentials: Path | None,
    *,
    host: str,
    port: int,
    ca_out: Path,
    seconds: float | None,
) -> None:
    """Serve order entry until stopped."""
    from capture.client import run
    from capture.trading.credentials import load
    from capture.venue import certificates
    from capture.venue.exchange import Exchange
    from capture.venue.trading import TradingVenueSettings
    from capture.venue.trading_server import TradingServer

    expected = load(os.environ, credentials)
    proof = certificates.make("localhost", "127.0.0.1", "::1", *({host} - {"localhost", "127.0.0.1", "::1"}))
    proof.write_ca(ca_out)
    exchange = Exchange(market)
    server = TradingServer(
        exchange, TradingVenueSettings(clients=clients), expected, proof.context, host=host, port=port
    )

    def listening() -> None:
        click.echo(f"order entry on {host}:{server.port}; {len(exchange.books)} symbols: {', '.join(exchange.books)}")
        click.echo(
            f"trade:  fixtape trade buy 0.001 BTC/USD --limit 25000 --host {host} --port {server.port} --ca {ca_out}"
            " --sender CLIENT",
            err=True,
        )

    run(_serve(server, seconds, listening))


async def _serve(server: "VenueServer | TradingServer", seconds: float | None, listening: Callable[[], None]) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with server:
        listening()
        try:
            async with asyncio.timeout(seconds):
                await stop.wait()
        except TimeoutError:
            return
