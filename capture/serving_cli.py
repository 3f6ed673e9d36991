"""What commands that serve a venue do alike: a pace, a certificate, words on how to reach it, and an end.

Layer: command line, beside `cli_support`. Imports what is heavy on use.
"""

import asyncio
import signal
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

if TYPE_CHECKING:
    from capture.venue.certificates import Credentials
    from capture.venue.faults import FaultPlan
    from capture.venue.listener import Listener
    from capture.venue.settings import VenueSettings
    from capture.venue.source import Source

SPEED_LIMIT: Final = 1_000_000.0
MARKET_PORT: Final = 4000
SYMBOLS_SHOWN: Final = 12


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


def ca_file_of(port: int) -> Path:
    """Return where the certificate goes by which a venue is verified, unless another place is named."""
    return Path("venue-ca.pem" if port == MARKET_PORT else f"venue-ca-{port}.pem")


def proof_of(host: str, **options: Any) -> "Credentials":
    """Return certificates for every name by which this venue may be called."""
    from capture.venue import certificates

    names = ("localhost", "127.0.0.1", "::1")
    return certificates.make(*names, *({host} - set(names)), **options)


def serve_market(
    market: "Source",
    settings: "VenueSettings",
    proof: "Credentials",
    *,
    faults: "FaultPlan | None" = None,
    host: str,
    port: int,
    ca_file: Path,
    seconds: float | None,
) -> None:
    """Serve market data until stopped, or for so many seconds."""
    from capture.client import run
    from capture.venue.server import VenueServer

    server = VenueServer(market, settings, proof.context, faults=faults, host=host, port=port)

    def listening() -> None:
        proof.write_ca(ca_file)
        names = list(market.instruments)
        listed = ", ".join(names[:SYMBOLS_SHOWN]) + (", …" if len(names) > SYMBOLS_SHOWN else "")
        click.echo(f"listening on {host}:{server.port}; {len(names)} symbols: {listed}")
        click.echo(
            f"record it:  fixtape record --host {host} --port {server.port} --ca {ca_file}"
            " --sender CLIENT --symbol all --root tape",
            err=True,
        )

    run(serve(server, seconds, listening))


async def serve(
    server: "Listener[Any]",
    seconds: float | None,
    listening: Callable[[], None],
    stop: asyncio.Event | None = None,
) -> None:
    """Listen until a signal, `stop`, or so many seconds; `listening` is called once it does."""
    stop = stop or asyncio.Event()
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
