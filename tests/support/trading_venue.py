"""The simulated venue's order entry in a thread, and `fixtape trade` as a person calls it."""

import asyncio
import os
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path

from trading import ENVIRONMENT, KEY, SECRET
from venues import recordings

from capture.client import run
from capture.trading.credentials import Credentials
from capture.venue import certificates
from capture.venue.exchange import Exchange
from capture.venue.trading import TradingVenueSettings
from capture.venue.trading_server import TradingServer

ROOT = Path(__file__).parents[2]
COMMAND_S = 30.0

# Dies as SIGKILL has it: right after the store's write, right after the send, right after the report was kept.
MORTAL = """
import os, signal, sys
import fixtape
from capture.trader import Trader
from capture.trading.session import TradingSession

point = sys.argv.pop(1)
next_frame, data_received = TradingSession.next_frame, Trader.data_received

def die():
    os.kill(os.getpid(), signal.SIGKILL)

def mortal_next_frame(self, wall_ns):
    if point == "stored" and self.ledger._unsent:
        die()
    return next_frame(self, wall_ns)

def mortal_data_received(self, data):
    report = b"\\x0135=8\\x01" in data
    if point == "sent" and report:
        die()
    data_received(self, data)
    if point == "reported" and report:
        die()

TradingSession.next_frame, Trader.data_received = mortal_next_frame, mortal_data_received
fixtape.main()
"""


class TradingVenue:
    """A venue that listens, and commands against it with a store of their own."""

    def __init__(self, server, folder, ca):
        self.server, self.folder, self.ca = server, folder, ca
        self.store = folder / "orders"

    @property
    def exchange(self):
        """What the venue knows."""
        return self.server.exchange

    def arguments(self, *words):
        """The command line of a trade command."""
        where = ["--host", "127.0.0.1", "--port", str(self.server.port), "--ca", str(self.ca)]
        return ["trade", *words, *where, "--sender", "CLIENT", "--store", str(self.store)]

    def trade(self, *words, environment=ENVIRONMENT, before=("-m", "fixtape"), arguments=()):
        """Run `fixtape trade`; returns the finished process."""
        return subprocess.run(
            [sys.executable, *before, *self.arguments(*words), *arguments],
            capture_output=True,
            text=True,
            timeout=COMMAND_S,
            env={**surroundings(), **environment},
            cwd=self.folder,
            check=False,
        )

    def die(self, point, *words):
        """Run `fixtape trade` and have it killed at a point of its way."""
        return self.trade(*words, before=("-c", MORTAL, point))


def surroundings():
    """The environment without anything of fixtape's, and with these sources."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("FIXTAPE_")}
    return {**kept, "PYTHONPATH": os.pathsep.join([str(ROOT), kept.get("PYTHONPATH", "")])}


VENUE_S = 60.0  # No venue outlives its test by more.


@contextmanager
def trading_venue(folder, *, settings=None):
    """Serve order entry on loopback."""
    proof = certificates.make("localhost", "127.0.0.1")
    exchange = Exchange(recordings("btcusd-d10-resubscribe"))
    server = TradingServer(exchange, settings or TradingVenueSettings(), Credentials(KEY, SECRET), proof.context)
    listening, loops = threading.Event(), []

    async def serve():
        async with server:
            stop = asyncio.Event()
            loops.append((asyncio.get_running_loop(), stop))
            listening.set()
            try:
                async with asyncio.timeout(VENUE_S):
                    await stop.wait()
            except TimeoutError:
                return

    thread = threading.Thread(target=lambda: run(serve()), daemon=True)
    thread.start()
    assert listening.wait(10)
    try:
        yield TradingVenue(server, folder, proof.write_ca(folder / "ca.pem"))
    finally:
        loop, stop = loops[0]
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)
