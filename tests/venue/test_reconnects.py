"""A venue that accepts and drops again and again: the recorder comes back each time, and nothing of it grows.

FIXTAPE_RECONNECTS sets how often; `make soak` takes ten thousand.
"""

import asyncio
import gc
import os
from pathlib import Path

import pytest
from venues import SOFTWARE, recordings, settings_for

from capture.backoff import Backoff
from capture.client import run
from capture.session.states import State
from capture.venue.thread import VenueThread
from storage.recorder import Recorder

pytestmark = [pytest.mark.venue, pytest.mark.timeout(1200)]

RECONNECTS = int(os.environ.get("FIXTAPE_RECONNECTS", "300"))
SETTLED = 3000  # Fewer reconnects than this measure how allocators settle, not what leaks.
RESIDENT_KIB_LIMIT = 16 * 1024  # Of growth over the second half.
OBJECTS_LIMIT = 5_000
SECONDS_LIMIT = 1100.0


def resident_kib():
    """Memory of this process, both ends of the connection included."""
    fields = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(fields["VmRSS"].split()[0])


def descriptors():
    """How many files and sockets this process holds."""
    return len(list(Path("/proc/self/fd").iterdir()))


async def _drop_whoever_is_logged_on(server):
    while True:
        for connection in list(server.connections):
            if connection.acceptor.session.state is State.ACTIVE:
                connection.abort()
        await asyncio.sleep(0.002)


def test_reconnects_leave_memory_and_descriptors_flat(tmp_path):
    """Over the second half of the reconnects neither objects nor memory nor descriptors grow."""
    seen = []

    def measure():
        gc.collect()
        return resident_kib(), descriptors(), len(gc.get_objects())

    def watch():
        if recorder.client.connections >= RECONNECTS // 2 and not seen:
            seen.append(measure())
        if recorder.client.connections >= RECONNECTS:
            seen.append(measure())
            recorder.stop()

    with VenueThread(recordings("btcusd-d10-resubscribe")) as venue:
        dropping = venue.call(asyncio.ensure_future, _drop_whoever_is_logged_on(venue.server))
        ca_file = venue.credentials.write_ca(tmp_path / "ca.pem")
        settings = settings_for(venue, ca_file, tmp_path / "tape", batch_s=1)
        with Recorder(settings, SOFTWARE, backoff=Backoff(lambda _low, _high: 0.0)) as recorder:
            run(recorder.run(seconds=SECONDS_LIMIT, watch=watch))
        venue.call(dropping.cancel)

    (half_kib, half_files, half_objects), (kib, files, objects) = seen[0], seen[-1]
    print(
        f"{recorder.client.connections} reconnects, second half: {half_kib} to {kib} KiB,"
        f" {half_files} to {files} descriptors, {half_objects} to {objects} objects"
    )
    assert recorder.client.connections >= RECONNECTS
    assert files - half_files <= 12
    assert objects - half_objects < OBJECTS_LIMIT
    if RECONNECTS >= SETTLED:
        assert kib - half_kib < RESIDENT_KIB_LIMIT
