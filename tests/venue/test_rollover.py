"""The daily roll-over while recording: the recorder reads shortly before 22:00 UTC, and the venue rolls over."""

import threading
from datetime import UTC, datetime

import pytest
from venues import SOFTWARE, recordings, settings_for

import fixtape
from capture import clock
from capture.backoff import Backoff
from capture.client import run
from capture.clock import Now
from capture.venue.thread import VenueThread
from storage.rebuild import rebuild
from storage.recorder import Recorder

pytestmark = pytest.mark.venue

REFUSED_S = 2.0
BEFORE_22_S = 12.0  # New requests stop 10 s before.


def shortly_before_ten():
    """A clock that reads 21:59:48 now, and goes on from there."""
    start = clock.read().wall_ns
    ten = datetime.now(UTC).replace(hour=22, minute=0, second=0, microsecond=0)
    shift = int(ten.timestamp() * 1e9) - int(BEFORE_22_S * 1e9) - start

    def read():
        now = clock.read()
        return Now(now.wall_ns + shift, now.mono_ns)

    return read


@pytest.fixture(scope="module")
def tape(tmp_path_factory):
    """A recording across a roll-over."""
    folder = tmp_path_factory.mktemp("rollover")
    # The venue's clock stays where it is, so times are far off from each other: that ends no session here.
    with VenueThread(recordings(), speed=1.0, sending_time_limit_s=10**9) as venue:
        settings = settings_for(venue, venue.credentials.write_ca(folder / "ca.pem"), folder / "tape")
        timer = threading.Timer(BEFORE_22_S + 0.5, lambda: venue.call(venue.server.roll_over, REFUSED_S))
        timer.start()
        read_clock = shortly_before_ten()
        with Recorder(settings, SOFTWARE, backoff=Backoff(lambda low, _: low), read_clock=read_clock) as recorder:
            proven = []

            def watch():
                again = [it for it in recorder.feed.by_symbol.values() if it.book is not None and it.book.proven]
                if recorder.client.connections > 1 and len(again) == 12:
                    proven.append(len(again))
                    recorder.stop()

            run(recorder.run(seconds=60, watch=watch))
        timer.cancel()
    return folder / "tape", proven


def events(root, kind):
    """The events of a kind: symbol, text."""
    with fixtape.open(root) as tape:
        return tape.sql(f"SELECT symbol, text FROM events WHERE kind = '{kind}'").fetchall()  # noqa: S608


def test_it_is_one_planned_event(tape):
    """One roll-over, no rule broken, nothing asked for again."""
    root, _ = tape

    assert len(events(root, "rollover")) == 1
    for kind in ("violation", "gap", "resend_request", "garbled"):
        assert events(root, kind) == []


def test_every_book_is_proven_again(tape):
    """Recording goes on by itself, and each book's hole is bounded by its new snapshot."""
    root, proven = tape

    assert proven == [12]
    assert len(events(root, "logon")) == 2
    assert len({symbol for symbol, _ in events(root, "healed")}) == 12


def test_a_rebuild_sees_the_same_roll_over(tape, tmp_path):
    """The window is judged by the times in the journal, so a rebuild agrees byte for byte."""
    root, _ = tape

    rebuild(root / "journal", tmp_path / "lake", software=SOFTWARE)

    assert {it.name for it in (tmp_path / "lake").rglob("*.parquet")} == {
        it.name for it in (root / "lake").rglob("*.parquet")
    }
