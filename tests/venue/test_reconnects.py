"""A venue that accepts and drops again and again: the recorder comes back each time, and nothing of it grows.

FIXTAPE_RECONNECTS sets how often; `make soak` takes ten thousand.
"""

import asyncio
import gc
import os

import pytest
from lake_rows import T0, add
from resources import descriptors, quarters, resident_kib
from venues import SOFTWARE, recordings, settings_for

from capture.backoff import Backoff
from capture.client import _Transport, run
from capture.columns import Columns
from capture.session.states import State
from capture.venue.thread import VenueThread
from storage.commits import CHECKPOINT_COMMITS
from storage.lake import Lake
from storage.recorder import Recorder
from storage.schemas import TABLES
from storage.tape_layout import LAKE

pytestmark = [pytest.mark.venue, pytest.mark.timeout(1200)]

RECONNECTS = int(os.environ.get("FIXTAPE_RECONNECTS", "300"))
SETTLED = 3000  # Fewer reconnects than this measure how allocators settle, not what leaks.
AGE = CHECKPOINT_COMMITS + 1 if RECONNECTS >= SETTLED else 0  # Batches that the lake has had before.
FREED = 20  # Reconnects without a collection.
RESIDENT_KIB_LIMIT = 16 * 1024  # Of growth over the second half.
OBJECTS_LIMIT = 5_000
SECONDS_LIMIT = 1100.0


async def _drop_whoever_is_logged_on(server):
    while True:
        for connection in list(server.connections):
            if connection.acceptor.session.state is State.ACTIVE:
                connection.abort()
        await asyncio.sleep(0.002)


def _age(path):
    """Make a lake past its first checkpoint: the memory that deltalake takes until then is no reconnect's."""
    lake = Lake.create_or_open(path)
    for number in range(1, AGE + 1):
        columns = Columns()
        for table in TABLES:
            add(columns, table)
        lake.write_batch(columns, label=f"b{number}", version=number, app_id="before", at_ns=T0, metadata={})


def _reconnect(tmp_path, watch):
    """Record from a venue that drops whoever has logged on, until `watch(recorder)` stops it."""
    _age(tmp_path / "tape" / LAKE)
    with VenueThread(recordings("btcusd-d10-resubscribe")) as venue:
        dropping = venue.call(asyncio.ensure_future, _drop_whoever_is_logged_on(venue.server))
        ca_file = venue.credentials.write_ca(tmp_path / "ca.pem")
        settings = settings_for(venue, ca_file, tmp_path / "tape", batch_s=1)
        with Recorder(settings, SOFTWARE, backoff=Backoff(lambda _low, _high: 0.0)) as recorder:
            run(recorder.run(seconds=SECONDS_LIMIT, watch=lambda: watch(recorder)))
        venue.call(dropping.cancel)


def test_reconnects_leave_memory_and_descriptors_flat(tmp_path):
    """Over the second half of the reconnects neither objects nor memory nor descriptors grow."""
    seen, resident = [], []

    def measure():
        gc.collect()
        return descriptors(), len(gc.get_objects())

    def watch(recorder):
        count = recorder.client.connections
        resident.append((count, resident_kib()))
        if count >= RECONNECTS // 2 and not seen:
            seen.append(measure())
        if count >= RECONNECTS:
            seen.append(measure())
            recorder.stop()

    _reconnect(tmp_path, watch)

    (half_files, half_objects), (files, objects) = seen[0], seen[-1]
    print(
        f"{resident[-1][0]} reconnects, second half: {half_files} to {files} descriptors,"
        f" {half_objects} to {objects} objects"
    )
    assert resident[-1][0] >= RECONNECTS
    assert files - half_files <= 12
    assert objects - half_objects < OBJECTS_LIMIT
    if RECONNECTS >= SETTLED:
        second, last = quarters(resident, RECONNECTS)
        print(f"second and last quarter: {second} and {last} KiB")
        assert last - second < RESIDENT_KIB_LIMIT


def test_a_connection_is_freed_as_it_ends(tmp_path):
    """No connection waits for the garbage collector: each would hold half a MiB of buffers until it comes."""
    alive = []

    def watch(recorder):
        if recorder.client.connections >= FREED:
            alive.append(sum(type(it) is _Transport for it in gc.get_objects()))
            recorder.stop()

    gc.collect()
    gc.disable()
    try:
        _reconnect(tmp_path, watch)
    finally:
        gc.enable()

    assert alive[0] <= 2  # The present one, and one that is just ending.
