"""A simulated venue in a thread of its own, and recorders against it."""

import asyncio
import gzip
import json
import threading
from contextlib import contextmanager
from pathlib import Path

from capture.client import run
from capture.config import MarketSection, SessionSection, Settings, StorageSection, VenueSection
from capture.venue import certificates, recording
from capture.venue.acceptor import FAST, VenueSettings
from capture.venue.faults import FaultPlan, parse_faults
from capture.venue.server import VenueServer
from storage.recorder import Recorder

DATA = Path(__file__).parents[1] / "data"
SOFTWARE = "fixtape test"
VENUE_S = 1200.0  # No venue outlives its test by more.


def recordings(*names):
    """The shipped recordings of these names; all of them without a name."""
    if not names:
        return recording.shipped()
    return recording.load([recording.SHIPPED / f"{name}.fix.gz" for name in names])


def truth(name):
    """The ground truth of a shipped recording."""
    with gzip.open(DATA / f"{name}.truth.json.gz") as file:
        return json.load(file)


@contextmanager
def venue_thread(market=None, *, speed=FAST, clients=(), credentials=None, plain=False, faults=(), seed=1, **switches):
    """Serve a market on loopback; yields the server, which knows its port, and the credentials to believe it."""
    credentials = credentials or certificates.make("localhost", "127.0.0.1")
    settings = VenueSettings(speed=speed, clients=frozenset(it.encode() for it in clients), **switches)
    context = None if plain else credentials.context
    plan = FaultPlan(parse_faults(faults), seed=seed)
    server = VenueServer(market or recordings("ethusd-d25"), settings, context, faults=plan)
    listening, loops = threading.Event(), []
    server.loops = []  # For tests that do something to the venue from within.

    async def serve():
        async with server:
            stop = asyncio.Event()
            loops.append((asyncio.get_running_loop(), stop))
            server.loops.append(asyncio.get_running_loop())
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
        yield server, credentials
    finally:
        loop, stop = loops[0]
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)


def settings_for(server, ca_file, root, *, symbols=("all",), depth=1000, heartbeat_s=60, **storage):
    """Settings of a recorder of this venue."""
    return Settings(
        venue=VenueSection(host="127.0.0.1", port=server.port, ca_file=str(ca_file)),
        session=SessionSection(sender_comp_id="CLIENT", heartbeat_s=heartbeat_s),
        market=MarketSection(symbols=symbols, depth=depth),
        storage=StorageSection(root=str(root), **storage),
    )


def record_until(settings, done, *, seconds=30.0):
    """Record until `done(recorder)` or for so many seconds; returns the summary and the recorder."""
    with Recorder(settings, SOFTWARE) as recorder:
        summaries = []

        def watch():
            if done(recorder):
                recorder.stop()

        async def main():
            summaries.append(await recorder.run(seconds=seconds, watch=watch))

        run(main())
    return summaries[0], recorder
