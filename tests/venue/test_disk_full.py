"""A journal without room, beneath a whole recorder: the connection ends, and what was not kept is told."""

import errno
import os
import time

import pytest
from venues import SOFTWARE, settings_for, venue_thread

import fixtape
from capture.backoff import Backoff
from capture.client import run
from capture.venue.market import SyntheticMarket
from storage.journal import appending
from storage.rebuild import rebuild
from storage.recorder import Recorder

pytestmark = pytest.mark.venue


class FullDisk:
    """Stands for `os` where the journal writes: while it is full, no write finds room."""

    full = False

    def __getattr__(self, name):
        return getattr(os, name)

    def write(self, fd, data):
        if self.full:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return os.write(fd, data)


def files_of(lake):
    return {path.relative_to(lake): path.read_bytes() for path in lake.rglob("*.parquet")}


def test_a_hole_ends_the_connection_and_is_told_with_what_was_not_kept(tmp_path, monkeypatch):
    """The session ends, begins anew with snapshots once there is room, and a rebuild makes the same files."""
    disk, marks = FullDisk(), {}
    monkeypatch.setattr(appending, "os", disk)
    with venue_thread(SyntheticMarket(4, rate=300, seed=3), speed=1.0) as (server, credentials):
        ca_file = credentials.write_ca(tmp_path / "ca.pem")
        settings = settings_for(server, ca_file, tmp_path / "tape", depth=10, batch_s=1)
        with Recorder(settings, SOFTWARE, backoff=Backoff(lambda _low, _high: 0.1)) as recorder:

            def watch():
                messages, now = recorder.counters.market_data, time.monotonic()
                if "full" not in marks and messages > 200:
                    marks["full"], disk.full = now, True
                elif "full" in marks and "room" not in marks and now - marks["full"] > 1:
                    marks["room"], marks["kept"], disk.full = now, recorder.journal.written_bytes, False
                elif "room" in marks and recorder.client.connections == 2 and messages > 500:
                    recorder.stop()

            run(recorder.run(seconds=30, watch=watch))

    assert recorder.client.connections == 2
    with fixtape.open(tmp_path / "tape") as tape:
        rows = tape.sql("SELECT kind, expected, text, from_ns, to_ns FROM events ORDER BY receive_ns").fetchall()
    (hole,) = [row for row in rows if row[1] == "disk full" and "nothing recorded" in row[2]]
    ends = [row[2] for row in rows if row[0] == "disconnect"]
    assert ends == ["disk full: No space left on device", "logged out"]
    assert "1 reads, " in hole[2]
    assert hole[4] > hole[3]
    rebuild(tmp_path / "tape" / "journal", tmp_path / "again", software=SOFTWARE)
    assert files_of(tmp_path / "tape" / "lake") == files_of(tmp_path / "again")
