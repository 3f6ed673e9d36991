"""What a shallower subscription sees of a deeper book: every checksum agrees, at every depth, over all real data."""

import pytest
from view_clients import client_of, instrument_of

from capture.book.book import BookState
from capture.columns import Verdict
from capture.venue import recording
from capture.venue.source import VENUE_DEPTHS, Shape

PRECISIONS = ("price_precision", "size_precision")


@pytest.fixture(scope="module")
def recordings():
    """All shipped recordings."""
    return recording.shipped()


@pytest.mark.parametrize("depth", VENUE_DEPTHS)
def test_every_checksum_agrees_at_every_depth(recordings, depth):
    """A client's book at any depth verifies each 5041, never deletes what it does not hold, and never has to cut."""
    for symbol in recordings.symbols:
        book, verdicts, violations = client_of(recordings, symbol, Shape(depth))

        assert Verdict.MISMATCH not in verdicts
        assert violations == []
        assert book.state is BookState.LIVE
        if depth != 1:
            assert Verdict.VERIFIED in verdicts


@pytest.mark.parametrize("depth", [1, 10, 25, 100])
def test_what_is_seen_is_the_top_of_what_is_there(recordings, depth):
    """At the end of each stream the shallow book holds exactly the best levels of the deep one."""
    for symbol in recordings.symbols:
        deep, _, _ = client_of(recordings, symbol, Shape(1000))
        shallow, _, _ = client_of(recordings, symbol, Shape(depth))

        assert list(shallow.bids.levels()) == deep.bids.best(depth)
        assert list(shallow.offers.levels()) == deep.offers.best(depth)


def test_a_message_that_shows_nothing_is_not_sent(recordings):
    """Less depth is fewer messages, and each of them has an entry."""
    counts = []
    for depth in (1, 10, 100, 1000):
        bodies = list(recordings.bodies("XMR/USD", Shape(depth)))
        counts.append(len(bodies))
        assert all(b"\x01268=0\x01" not in body.after for body in bodies)

    assert counts == sorted(counts)
    assert counts[0] < counts[-1]


@pytest.mark.parametrize(
    "shape",
    [
        Shape(10, evicted="silent"),
        Shape(25, evicted="silent"),
        Shape(10, evicted_order="new-first"),
        Shape(10, checksum="entry"),
        Shape(25, checksum="entry"),
        Shape(10, precision=(4, 9)),
        Shape(1000, precision=(4, 9)),
    ],
    ids=str,
)
def test_every_checksum_agrees_under_each_switch(recordings, shape):
    """Silent evictions, their order, the place of 5041 and another precision change no book."""
    for symbol in ("BTC/USD", "ETH/USD", "XMR/USD", "KSM/BTC") if shape.precision is None else ("BTC/USD", "ETH/USD"):
        changes = {} if shape.precision is None else dict(zip(PRECISIONS, shape.precision, strict=True))
        instrument = instrument_of(recordings, symbol, **changes)

        _, verdicts, violations = client_of(recordings, symbol, shape, instrument=instrument)

        assert Verdict.MISMATCH not in verdicts
        assert Verdict.VERIFIED in verdicts
        assert violations == []


def test_the_checksum_can_be_left_out(recordings):
    """Without 5041 a book is unverified, never wrong."""
    _, verdicts, _ = client_of(recordings, "ETH/USD", Shape(25, checksum="omitted"))

    assert set(verdicts) == {Verdict.UNVERIFIED}


def test_a_level_that_comes_into_view_bears_its_own_time(recordings):
    """An entry that only scrolls in has the MDEntryTime(273) under which the deep stream last spoke of it."""
    deep_times = {}
    for body in recordings.bodies("XMR/USD", Shape(1000)):
        for part in (body.before + b"0" + body.after).split(b"279=" if body.msg_type == b"X" else b"269="):
            fields = dict(it.split(b"=", 1) for it in part.split(b"\x01") if b"=" in it)
            deep_times.setdefault(fields.get(b"278"), set()).add(fields.get(b"273"))

    for body in recordings.bodies("XMR/USD", Shape(10)):
        for part in body.after.split(b"279=0\x01")[1:]:
            fields = dict(it.split(b"=", 1) for it in part.split(b"\x01") if b"=" in it)
            assert fields[b"273"] in deep_times[fields[b"278"]]
