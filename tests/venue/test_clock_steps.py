"""A wall clock that is set while a recorder runs."""

import time

import pytest
from venues import SOFTWARE, settings_for, venue_thread

import fixtape
from capture import clock
from capture.client import run
from capture.clock import Now
from capture.venue.market import SyntheticMarket
from storage.rebuild import rebuild
from storage.recorder import Recorder

pytestmark = pytest.mark.venue


@pytest.mark.parametrize("step_s", [3600, -3600])
def test_a_step_of_the_wall_clock_is_told_with_its_size(step_s, tmp_path):
    """It is an event; the session goes on, and a rebuild, which has no clock, makes the same files."""
    step_ns = [0]

    def read_clock():
        now = clock.read()
        return Now(now.wall_ns + step_ns[0], now.mono_ns)

    with venue_thread(SyntheticMarket(4, rate=300, seed=3), speed=1.0) as (server, credentials):
        ca_file = credentials.write_ca(tmp_path / "ca.pem")
        settings = settings_for(server, ca_file, tmp_path / "tape", depth=10, batch_s=1)
        with Recorder(settings, SOFTWARE, read_clock=read_clock) as recorder:
            began = time.monotonic()

            def watch():
                messages = recorder.counters.market_data
                step_ns[0] = step_s * 10**9 if 100 < messages < 400 else 0
                if messages > 600:
                    recorder.stop()
                assert time.monotonic() < began + 30

            run(recorder.run(seconds=30, watch=watch))

    with fixtape.open(tmp_path / "tape") as tape:
        steps = tape.sql("SELECT text FROM events WHERE kind = 'note' AND expected = 'clock_step'").fetchall()
    rebuild(tmp_path / "tape" / "journal", tmp_path / "again", software=SOFTWARE)
    made, again = (
        {it.relative_to(lake): it.read_bytes() for it in lake.rglob("*.parquet")}
        for lake in (tmp_path / "tape" / "lake", tmp_path / "again")
    )
    told_s = sorted(float(text.split()[6]) for (text,) in steps)
    assert told_s == pytest.approx(sorted([step_s, -step_s]), abs=0.5)
    assert (recorder.client.connections, recorder.counters.gaps) == (1, 0)
    assert made == again
