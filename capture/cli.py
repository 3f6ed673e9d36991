"""Commands of capture: the simulated venue.

Layer: command line. Parses, calls, prints; imports what is heavy on use.
"""

import asyncio
import logging
import signal
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from capture.cli_support import reporting_errors

if TYPE_CHECKING:
    from capture.venue.server import VenueServer

SPEED_LIMIT = 1_000_000.0
CA_FILE = "venue-ca.pem"


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
@click.option("--speed", type=Speed(), default="1", show_default=True, help="Recorded seconds a second, or max.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=4000, show_default=True, help="Port; 0 picks one.")
@click.option("--client", "clients", multiple=True, help="SenderCompID that may log on; any, if none is named.")
@click.option(
    "--ca-out",
    type=click.Path(dir_okay=False, path_type=Path),
    default=CA_FILE,
    show_default=True,
    help="Where to write the certificate that clients verify this venue by.",
)
@click.option("--for", "seconds", type=click.FloatRange(min=0.1), help="End after so many seconds.")
@reporting_errors
def venue(
    recordings: tuple[Path, ...],
    speed: float,
    host: str,
    port: int,
    clients: tuple[str, ...],
    ca_out: Path,
    seconds: float | None,
) -> None:
    """Serve recordings as a simulated Kraken, over TLS 1.3.

    RECORDINGS are FIX files (raw bytes, plain or gzipped); without any, the real ones that come with fixtape.

    \b
    Example:
      fixtape venue --speed max --port 4000
    """
    from capture.client import run
    from capture.venue import certificates, recording
    from capture.venue.acceptor import VenueSettings
    from capture.venue.server import VenueServer

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    market = recording.load(recordings) if recordings else recording.shipped()
    credentials = certificates.make("localhost", "127.0.0.1", "::1", *({host} - {"localhost", "127.0.0.1", "::1"}))
    credentials.write_ca(ca_out)
    settings = VenueSettings(speed=speed, clients=frozenset(it.encode() for it in clients))
    server = VenueServer(market, settings, credentials.context, host=host, port=port)
    depth = max(stream.depth for stream in market.streams.values())

    def listening() -> None:
        click.echo(f"listening on {host}:{server.port}; {len(market.streams)} symbols: {', '.join(market.streams)}")
        click.echo(
            f"record it:  fixtape record --host {host} --port {server.port} --ca {ca_out}"
            f" --sender CLIENT --symbol all --depth {depth} --root tape",
            err=True,
        )

    run(_serve(server, seconds, listening))


async def _serve(server: "VenueServer", seconds: float | None, listening: Callable[[], None]) -> None:
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
