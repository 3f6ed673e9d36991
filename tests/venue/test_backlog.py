"""A lake's writer that is too slow: the journal has all, and the lake gets it, in the same files."""

import threading
import time

import pytest
from venues import SOFTWARE, settings_for, venue_thread

import fixtape
from capture.client import run
from capture.venue.market import SyntheticMarket
from storage.rebuild import rebuild
from storage.recorder import Recorder

pytestmark = pytest.mark.venue


def files_of(lake):
    """Every Parquet file of a lake, by its place."""
    return {path.relative_to(lake): path.read_bytes() for path in lake.rglob("*.parquet")}


@pytest.mark.parametrize("released_s", [3.0, None], ids=["while recording", "after the end"])
def test_batches_without_room_are_made_from_the_journal(released_s, tmp_path):
    """A writer that stands still costs no row and no memory: it catches up, while recording or after its end."""
    gate, most = threading.Event(), [0]
    with venue_thread(SyntheticMarket(8, rate=300, seed=3), speed=1.0) as (server, credentials):
        ca_file = credentials.write_ca(tmp_path / "ca.pem")
        settings = settings_for(server, ca_file, tmp_path / "tape", depth=100, batch_s=1)
        with Recorder(settings, SOFTWARE) as recorder:
            write, begun = recorder.writer._write, time.monotonic()

            def slow(batch, again):
                gate.wait(30)
                return write(batch, again)

            recorder.writer._write = slow

            def watch():
                most[0] = max(most[0], recorder.backlog.behind)
                if released_s is not None and time.monotonic() - begun >= released_s + 3:
                    gate.set()
                if time.monotonic() - begun >= (12 if released_s is not None else 8):
                    gate.set()
                    recorder.stop()

            run(recorder.run(seconds=30, watch=watch))

    assert most[0] >= 2, "the writer was never behind, so nothing was tried"
    assert recorder.writer.waiting == 0
    rebuild(tmp_path / "tape" / "journal", tmp_path / "again", software=SOFTWARE)
    made, again = files_of(tmp_path / "tape" / "lake"), files_of(tmp_path / "again")
    assert made == again
    with fixtape.open(tmp_path / "tape") as tape:
        notes = [text for (text,) in tape.sql("SELECT expected FROM events WHERE kind = 'note'").fetchall()]
        ((count,),) = tape.sql("SELECT count(*) FROM messages").fetchall()
    assert notes[0] == "lag"
    assert ("caught up" in notes) is (released_s is not None)
    assert count == recorder.counters.messages


def test_the_last_batch_is_written_once_where_there_is_no_room_for_it(tmp_path):
    """A stop while as many batches wait as there is room for: the last record's rows are not made a second time."""
    with venue_thread(SyntheticMarket(4, rate=300, seed=3), speed=1.0) as (server, credentials):
        settings = settings_for(
            server, credentials.write_ca(tmp_path / "ca.pem"), tmp_path / "tape", depth=10, batch_s=1
        )
        with Recorder(settings, SOFTWARE) as recorder:
            write, end_as_ever, gate = recorder.writer._write, recorder.backlog.end, threading.Event()

            def slow(batch, again):
                gate.wait(30)
                return write(batch, again)

            def end():
                gate.set()
                end_as_ever()

            def watch():
                if recorder.writer.waiting == 1 and recorder.counters.messages > 100:
                    recorder.stop()

            recorder.writer._write = slow
            recorder.backlog.end = end  # Nothing is written before the last batch is handed over.
            run(recorder.run(seconds=30, watch=watch))

    rebuild(tmp_path / "tape" / "journal", tmp_path / "again", software=SOFTWARE)
    assert files_of(tmp_path / "tape" / "lake") == files_of(tmp_path / "again")
