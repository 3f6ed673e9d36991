"""Commands of capture: the simulated venue.

Layer: command line. Parses, calls, prints; imports what is heavy on use.
"""

import asyncio
import logging
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from capture.cli_support import EXIT_FINDINGS, escaped, reporting_errors
from capture.serving_cli import MARKET_PORT, Speed, ca_file_of, proof_of, serve, serve_market

if TYPE_CHECKING:
    from capture.venue.source import Source

PORTS = {"market": MARKET_PORT, "trading": 4001, "echo": 4010}
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
ECHO_OPTIONS = ("plain", "name", "begin_string", "test_req_id", "heartbeat", "store", "refuse_silently")


@click.command()
@click.argument("recordings", nargs=-1, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--profile",
    type=click.Choice(list(PORTS)),
    default="market",
    show_default=True,
    help="What to serve: market data, order entry for `fixtape trade`, or an echo for conformance tests.",
)
@click.option("--symbols", type=click.IntRange(min=1), help="Serve a synthetic market of so many symbols instead.")
@click.option(
    "--rate", type=float, default=1000, show_default=True, help="Synthetic messages a second, over all symbols."
)
@click.option(
    "--seed",
    type=int,
    default=1,
    show_default=True,
    help="Of the synthetic market and of faults: the same is the same.",
)
@click.option("--speed", type=Speed(), default="1", show_default=True, help="Recorded seconds a second, or max.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), help="0 picks one.  [default: 4000; trading: 4001; echo: 4010]")
@click.option(
    "--client", "--target", "clients", multiple=True, help="SenderCompID that may log on; any, if none is named."
)
@click.option(
    "--ca-out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where to write the certificate that clients verify this venue by.  [default: venue-ca.pem, or"
    " venue-ca-PORT.pem where the port is not 4000]",
)
@click.option(
    "--switch",
    "switches",
    multiple=True,
    metavar="NAME=VALUE",
    help="Behave otherwise where Kraken's pages leave it open; `help` lists the switches. Repeatable.",
)
@click.option(
    "--fault",
    "faults",
    multiple=True,
    metavar="NAME@N",
    help="Go wrong at the N-th market message; `help` lists the faults. Repeatable.",
)
@click.option(
    "--script",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Play a conversation file to one client instead, and say where it answers otherwise than written (exit 3).",
)
@click.option(
    "--credentials",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Order entry: file of mode 0600 with the API key and secret to expect, instead of FIXTAPE_API_KEY and"
    " FIXTAPE_API_SECRET.",
)
@click.option("--plain", is_flag=True, help="Echo and scripts: no TLS; loopback addresses only.")
@click.option("--name", "--sender", default="KRAKEN-MD", show_default=True, help="Echo: its own CompID.")
@click.option(
    "--heartbeat",
    type=click.IntRange(0, 3600),
    default=0,
    help="Echo: a Heartbeat after so many seconds of silence of its own; as HeartBtInt(108) says, where that is less.",
)
@click.option(
    "--store",
    type=click.Path(file_okay=False, path_type=Path),
    help="Echo: directory to keep numbers and messages in, over connections and restarts.",
)
@click.option("--begin-string", default="FIX.4.4", show_default=True, help="Echo: BeginString(8) of its sessions.")
@click.option("--test-req-id", default="", help="Echo: TestReqID(112) of its TestRequests; a fresh one each if empty.")
@click.option("--refuse-silently", is_flag=True, help="Echo: drop a wrong Logon without a Logout.")
@click.option("--for", "seconds", type=click.FloatRange(min=0.1), help="End after so many seconds.")
@reporting_errors
def venue(
    recordings: tuple[Path, ...],
    profile: str,
    host: str,
    port: int | None,
    clients: tuple[str, ...],
    ca_out: Path | None,
    credentials: Path | None,
    seconds: float | None,
    switches: tuple[str, ...],
    faults: tuple[str, ...],
    script: Path | None,
    **market: Any,
) -> None:
    """Serve recordings as a simulated Kraken, over TLS 1.3.

    RECORDINGS are FIX files (raw bytes, plain or gzipped); without any, the real ones that come with fixtape. With
    --symbols a synthetic market takes their place, which never ends. With --profile trading it takes orders instead,
    against the first book of each recording, which stands still. With --profile echo it is a bare FIX session that
    sends application messages back, for conformance tests of other engines. With --script it says the `<` lines of a
    conversation file, and holds what comes against its `>` lines.

    \b
    Examples:
      fixtape venue --speed max --port 4000
      fixtape venue --symbols 200 --rate 20000 --seed 1
      fixtape venue --profile trading
      fixtape venue --profile echo --plain --sender ISLD --target TW44
      fixtape venue --script tests/conversations/GAP-3_resent_messages_are_recovered.txt
    """
    from capture.venue.faults import describe_faults
    from capture.venue.settings import TradingVenueSettings, VenueSettings
    from capture.venue.switches import describe_switches

    if "help" in switches:
        click.echo("\n".join(describe_switches(TradingVenueSettings if profile == "trading" else VenueSettings)))
        return
    if "help" in faults:
        click.echo("\n".join(describe_faults()))
        return
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    port = PORTS[profile] if port is None else port
    ca_file = ca_out or ca_file_of(port)
    known = frozenset(it.encode() for it in clients)
    echo = {it: market.pop(it) for it in ECHO_OPTIONS}
    if script is not None:
        if recordings or faults or switches or market["symbols"] or profile != "market":
            raise click.UsageError("--script is all that is played; name nothing else to serve, and no fault or switch")
        _serve_script(script, plain=echo["plain"], host=host, port=port, ca_file=ca_file, seconds=seconds)
    elif profile == "echo":
        _serve_echo(known, host=host, port=port, ca_file=ca_file, seconds=seconds, **echo)
    elif profile == "trading":
        _serve_trading(recordings, known, switches, credentials, host=host, port=port, ca_file=ca_file, seconds=seconds)
    else:
        _serve_market(
            recordings, known, switches, faults, host=host, port=port, ca_file=ca_file, seconds=seconds, **market
        )


def _market(recordings: tuple[Path, ...], symbols: int | None, rate: float, seed: int) -> "Source":
    """Return what is served: a synthetic market, or recordings."""
    from capture import clock
    from capture.venue import recording
    from capture.venue.market import SyntheticMarket
    from capture.wire.values import MILLISECOND_NS

    if symbols is None:
        return recording.load(recordings) if recordings else recording.shipped()
    if recordings:
        raise click.UsageError("--symbols makes a synthetic market; name no recordings beside it")
    # Entries bear the time of day at which the market began, and what passed since.
    return SyntheticMarket(symbols, rate=rate, seed=seed, began_ms=clock.read().wall_ns // MILLISECOND_NS)


def _serve_market(
    recordings: tuple[Path, ...],
    clients: frozenset[bytes],
    switches: tuple[str, ...],
    faults: tuple[str, ...],
    *,
    symbols: int | None,
    rate: float,
    seed: int,
    speed: float,
    host: str,
    port: int,
    ca_file: Path,
    seconds: float | None,
) -> None:
    """Serve market data until stopped."""
    from capture.venue.faults import FaultPlan, parse_faults
    from capture.venue.settings import VenueSettings
    from capture.venue.switches import parse_switches

    planned = parse_faults(faults)
    whole = {it.name for it in planned if not it.at}
    market = _market(recordings, symbols, rate, seed)
    settings = VenueSettings(speed=speed, clients=clients, **parse_switches(switches, VenueSettings))
    version = "1.2" if "tls-1.2" in whole else settings.tls
    proof = proof_of(host, version=version, believed="certificate" not in whole)
    serve_market(
        market,
        settings,
        proof,
        faults=FaultPlan(planned, seed=seed),
        host=host,
        port=port,
        ca_file=ca_file,
        seconds=seconds,
    )


def _serve_echo(
    clients: frozenset[bytes],
    *,
    plain: bool,
    name: str,
    begin_string: str,
    test_req_id: str,
    heartbeat: int,
    store: Path | None,
    refuse_silently: bool,
    host: str,
    port: int,
    ca_file: Path,
    seconds: float | None,
) -> None:
    """Serve the echo until stopped."""
    from capture.client import run
    from capture.venue.echo import EchoSettings
    from capture.venue.echo_server import EchoServer

    if plain and host not in LOOPBACK:
        raise click.UsageError(f"--plain sends everything readable: {host} is no loopback address")
    if len(clients) > 1:
        raise click.UsageError("the echo knows one --target, or takes any")
    settings = EchoSettings(
        name=name.encode(),
        client=next(iter(clients), b""),
        begin_string=begin_string.encode(),
        test_req_id=test_req_id.encode(),
        heartbeat_s=heartbeat,
        refuse_silently=refuse_silently,
    )
    proof = None if plain else proof_of(host)
    context = None if proof is None else proof.context
    server = EchoServer(settings, context, store_folder=store, host=host, port=port)

    def listening() -> None:
        if proof is not None:
            proof.write_ca(ca_file)
        click.echo(f"echo on {host}:{server.port} as {name}")

    run(serve(server, seconds, listening))


def _serve_script(path: Path, *, plain: bool, host: str, port: int, ca_file: Path, seconds: float | None) -> None:
    """Play a script to its end, and end with 3 where the client differed from it."""
    from capture.client import run
    from capture.venue import conversation
    from capture.venue.script import Script
    from capture.venue.script_server import ScriptServer

    if plain and host not in LOOPBACK:
        raise click.UsageError(f"--plain sends everything readable: {host} is no loopback address")
    script = Script(path.name, conversation.read(path))
    proof = None if plain else proof_of(host)
    over = asyncio.Event()
    server = ScriptServer(
        script,
        None if proof is None else proof.context,
        hint=lambda text: click.echo(f"the client's turn: {escaped(text)}", err=True),
        ended=over.set,
        host=host,
        port=port,
    )

    def listening() -> None:
        if proof is not None:
            proof.write_ca(ca_file)
        click.echo(f"script on {host}:{server.port}: {path.name}")

    run(serve(server, seconds, listening, over))
    script.stop()
    for text in script.differences:
        click.echo(escaped(text), err=True)
    click.echo(f"{script.sent} messages sent, {script.received_count} received, {len(script.differences)} differences")
    if script.differences:
        sys.exit(EXIT_FINDINGS)


def _serve_trading(
    recordings: tuple[Path, ...],
    clients: frozenset[bytes],
    switches: tuple[str, ...],
    credentials: Path | None,
    *,
    host: str,
    port: int,
    ca_file: Path,
    seconds: float | None,
) -> None:
    """Serve order entry until stopped."""
    from capture.client import run
    from capture.trading.credentials import load
    from capture.venue import recording
    from capture.venue.exchange import Exchange
    from capture.venue.settings import TradingVenueSettings
    from capture.venue.switches import parse_switches
    from capture.venue.trading_server import TradingServer

    expected = load(os.environ, credentials)
    proof = proof_of(host)
    exchange = Exchange(recording.load(recordings) if recordings else recording.shipped())
    settings = TradingVenueSettings(clients=clients, **parse_switches(switches, TradingVenueSettings))
    server = TradingServer(exchange, settings, expected, proof.context, host=host, port=port)

    def listening() -> None:
        proof.write_ca(ca_file)
        click.echo(f"order entry on {host}:{server.port}; {len(exchange.books)} symbols: {', '.join(exchange.books)}")
        click.echo(
            f"trade:  fixtape trade buy 0.001 BTC/USD --limit 25000 --host {host} --port {server.port} --ca {ca_file}"
            " --sender CLIENT",
            err=True,
        )

    run(serve(server, seconds, listening))
