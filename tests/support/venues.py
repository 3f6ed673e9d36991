"""A simulated venue in a thread of its own, and recorders against it."""

import gzip
import json
from contextlib import contextmanager
from pathlib import Path

from capture.backoff import Backoff
from capture.client import run
from capture.config import MarketSection, SessionSection, Settings, StorageSection, VenueSection
from capture.venue import recording
from capture.venue.thread import VenueThread
from storage.recorder import Recorder

DATA = Path(__file__).parents[1] / "data"
SOFTWARE = "fixtape test"


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
def venue_thread(market=None, *, clients=(), **options):
    """Serve a market on loopback; yields the server, which knows its port, and the credentials to believe it."""
    known = frozenset(it.encode() for it in clients)
    with VenueThread(market or recordings("ethusd-d25"), clients=known, **options) as venue:
        yield venue.server, venue.credentials


def settings_for(server, ca_file, root, *, symbols=("all",), depth=1000, level=2, heartbeat_s=60, **storage):
    """Settings of a recorder of this venue."""
    return Settings(
        venue=VenueSection(host="127.0.0.1", port=server.port, ca_file=str(ca_file)),
        session=SessionSection(sender_comp_id="CLIENT", heartbeat_s=heartbeat_s),
        market=MarketSection(symbols=symbols, depth=depth, level=level),
        storage=StorageSection(root=str(root), **storage),
    )


def record_until(settings, done, *, seconds=30.0):
    """Record until `done(recorder)` or for so many seconds; returns the summary and the recorder."""
    with Recorder(settings, SOFTWARE, backoff=Backoff(lambda _low, _high: 0.2)) as recorder:
        summaries = []

        def watch():
            if done(recorder):
                recorder.stop()

        async def main():
            summaries.append(await recorder.run(seconds=seconds, watch=watch))

        run(main())
    return summaries[0], recorder
