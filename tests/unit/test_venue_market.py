"""The synthetic market: every checksum right at every depth, the same for the same seed, endless in bounded memory."""

import tracemalloc
from itertools import islice, pairwise

import pytest
from peer import Peer
from view_clients import client_of, decoded, instrument_of

from capture.book.book import Book
from capture.columns import Verdict
from capture.errors import SettingInvalid
from capture.venue.market import SyntheticMarket
from capture.venue.source import VENUE_DEPTHS, Shape


@pytest.fixture(scope="module")
def market():
    """A small market."""
    return SyntheticMarket(3, rate=100, seed=7)


@pytest.mark.parametrize("depth", VENUE_DEPTHS)
def test_every_checksum_agrees_at_every_depth(market, depth):
    """A client's book verifies each 5041, is never crossed, and never deletes what it does not hold."""
    for symbol in market.symbols:
        _, verdicts, violations = client_of(market, symbol, Shape(depth), limit=3000)

        assert Verdict.MISMATCH not in verdicts
        assert violations == []
        if depth != 1:
            assert verdicts.count(Verdict.VERIFIED) > 2500


@pytest.mark.parametrize(
    "shape",
    [Shape(10, evicted="silent"), Shape(10, evicted_order="new-first"), Shape(25, checksum="entry")],
    ids=str,
)
def test_every_checksum_agrees_under_each_switch(market, shape):
    """Switches change what is said, never what is true."""
    _, verdicts, violations = client_of(market, "BTC/USD", shape, limit=3000)

    assert Verdict.MISMATCH not in verdicts
    assert violations == []


def test_the_book_is_the_same_at_every_depth(market):
    """What is seen at a depth is the top of what is there, at the same moment."""
    at_ns = 20_000_000_000
    tops = []
    for depth in (10, 1000):
        instrument, book = instrument_of(market, "ETH/USD"), None
        for body in market.bodies("ETH/USD", Shape(depth)):
            if body.offset_ns > at_ns:
                break
            message = decoded(body, instrument)
            book = book or Book(instrument, depth or 1000)
            (book.snapshot if body.msg_type == b"W" else book.refresh)(message)
        tops.append((book.bids.best(10), book.offers.best(10)))

    assert tops[0] == tops[1]


def test_the_same_seed_is_the_same_bytes():
    """Two markets of one seed are equal byte for byte, another seed is another market."""
    one, two, other = (
        [body for symbol in ("BTC/USD", "ETH/USD") for body in islice(it.bodies(symbol, Shape(10)), 500)]
        for it in (SyntheticMarket(2, seed=1), SyntheticMarket(2, seed=1), SyntheticMarket(2, seed=2))
    )

    assert one == two
    assert one != other


@pytest.mark.parametrize("trades_first", [True, False])
def test_a_trade_and_the_change_that_it_caused(market, trades_first):
    """They are two messages of one moment, the trade first unless a switch says otherwise; sizes add up."""
    shape = Shape(25, trades_first=trades_first)
    bodies = list(islice(market.bodies("BTC/USD", shape), 5000))
    places = [place for place, body in enumerate(bodies) if body.has_trades]

    assert places
    for place in places[:-1]:
        change = bodies[place + (1 if trades_first else -1)]
        assert not bodies[place].has_book
        assert change.has_book
        assert change.offset_ns == bodies[place].offset_ns


def test_everything_happens(market):
    """New, change, delete, eviction, trade, several entries, bursts and pauses: all within some thousand messages."""
    bodies = list(islice(market.bodies("BTC/USD", Shape(10)), 5000))
    text = b"".join(body.after for body in bodies[1:])

    for part in (b"279=0\x01269=0", b"279=1\x01269=1", b"279=2\x01269=0", b"269=2", b"268=3\x01", b"40=1\x012446=1"):
        assert part in text
    gaps = [after.offset_ns - before.offset_ns for before, after in pairwise(bodies)]
    assert min(gaps) >= 0
    assert sum(gap <= 1_000_000 for gap in gaps) > len(gaps) / 3
    assert max(gaps) > 5 * sum(gaps) / len(gaps)


def test_the_rate_is_kept():
    """Over all symbols so many messages come in a second of the market's time, at full depth."""
    market = SyntheticMarket(5, rate=500, seed=3)

    count = sum(sum(1 for _ in _until(market.bodies(symbol, Shape(1000)), 60_000_000_000)) for symbol in market.symbols)

    assert 400 < count / 60 < 600


def _until(bodies, at_ns):
    for body in bodies:
        if body.offset_ns > at_ns:
            return
        yield body


def test_memory_is_bounded(market):
    """A stream that has gone on for long holds no more than one that has just begun to."""
    stream = market.bodies("BTC/USD", Shape(10))
    for _ in islice(stream, 5000):
        pass
    tracemalloc.start()
    try:
        for _ in islice(stream, 60_000):
            pass
        grown, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert grown < 4_000_000


def test_a_market_stays_a_market(market):
    """After a hundred thousand messages the spread is some ticks, the ten best levels stand close, prices are near."""
    stream = market.bodies("BTC/USD", Shape(10))
    flow = stream.gi_frame.f_locals["self"]
    for _ in islice(stream, 100_000):
        pass

    bids, offers = (end.keys for end in flow._ends)
    start = flow._instrument.price
    assert 0 < -offers[-1] - bids[-1] < 200
    assert all(keys[-1] - keys[-10] < 500 for keys in (bids, offers))
    assert all(140 <= len(keys) <= 180 for keys in (bids, offers))
    assert abs(bids[-1] - start) < start / 2


def test_any_number_of_symbols():
    """A thousand symbols have a thousand names, the first of them as the venue has them."""
    symbols = list(SyntheticMarket(1000).instruments)

    assert len(set(symbols)) == 1000
    assert symbols[:2] == ["BTC/USD", "ETH/USD"]


@pytest.mark.parametrize("wrong", [{"symbols": 0}, {"symbols": 1, "rate": 0}, {"symbols": 1, "levels": 5}])
def test_markets_that_cannot_be(wrong):
    """A setting out of its range is refused with its range."""
    with pytest.raises(SettingInvalid, match="synthetic market"):
        SyntheticMarket(**wrong)


def test_a_changed_precision_is_served(market):
    """After a precision grew a new subscription's 5041 is computed at it."""
    peer = Peer(market)
    listing = peer.acceptor.listing
    before = instrument_of(market, "BTC/USD").price_precision
    listing.update("BTC/USD", price_precision=before + 1)

    shape = peer.acceptor.settings.shape(10, listing.precision("BTC/USD"))

    changed = instrument_of(market, "BTC/USD", price_precision=before + 1)
    _, verdicts, violations = client_of(market, "BTC/USD", shape, limit=500, instrument=changed)
    assert Verdict.MISMATCH not in verdicts
    assert Verdict.VERIFIED in verdicts
    assert violations == []
