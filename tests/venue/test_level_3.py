"""Level 3 of the synthetic market: recorded order by order, proven, rebuilt, and in sum what Level 2 is."""

from itertools import groupby, islice
from operator import attrgetter

import pytest
from feeds import FeedPlay
from venues import SOFTWARE, record_until, settings_for, venue_thread

import fixtape
from capture.market.requests import LEVEL_2, LEVEL_3
from capture.venue.market import SyntheticMarket
from capture.venue.source import Shape
from storage.rebuild import rebuild

pytestmark = pytest.mark.venue

QUOTES = (
    "SELECT bid_price, bid_size, bid_total, offer_price, offer_size, offer_total FROM quotes"
    " WHERE symbol = $symbol ORDER BY receive_ns, msg_seq_num"
)


def market_of(*, symbols=5, seed=5):
    """A small synthetic market."""
    return SyntheticMarket(symbols, rate=600, seed=seed, levels=60)


@pytest.mark.parametrize(
    ("depth", "switches"),
    [(10, {}), (25, {"evicted": "silent"}), (0, {"field_order": 3}), (10, {"checksum": "entry"})],
)
def test_a_market_of_orders_is_recorded_whole(depth, switches, tmp_path):
    """Every checksum agrees, nothing is suspect, each order has its times, and the lake is rebuilt byte for byte."""
    root = tmp_path / "tape"
    with venue_thread(market_of(), speed=1.0, level_3=True, **switches) as (server, credentials):
        ca_file = credentials.write_ca(tmp_path / "ca.pem")
        settings = settings_for(server, ca_file, root, depth=depth, level=LEVEL_3)

        summary, recorder = record_until(settings, lambda recorder: recorder.counters.market_data >= 1500)

    counters = summary.counters
    assert (summary.books, summary.books_proven, summary.shortfalls) == (5, 5, {})
    assert counters.verified > 1000
    assert (counters.mismatches, counters.gaps, counters.unverified, counters.trades) == (0, 0, 0, 0)
    if depth:
        assert all(len(it.book.bids) <= depth for it in recorder.feed.by_symbol.values())
    with fixtape.open(root) as tape:
        ((rows, nameless, timeless, suspect, cut),) = tape.sql(
            "SELECT count(*), count(*) - count(order_id), count(*) - count(queue_time),"
            " count(*) FILTER (flags & 4 > 0), count(*) FILTER (entry_index < 0) FROM order_changes"
        ).fetchall()
        others = tape.sql(
            "SELECT symbol FROM book_changes UNION ALL SELECT symbol FROM trades UNION ALL SELECT symbol FROM books"
        ).fetchall()
    assert rows > 3000
    assert (nameless, suspect, others) == (0, 0, [])
    assert timeless == cut
    assert bool(cut) == ("evicted" in switches)
    rebuild(root / "journal", tmp_path / "again", software=SOFTWARE)
    assert _names(tmp_path / "again") == _names(root / "lake")


def test_recordings_of_both_levels_agree(tmp_path):
    """The tops of one market, recorded once by order and once by level, are the same one after another."""
    quotes = []
    for level in (LEVEL_2, LEVEL_3):
        root = tmp_path / f"tape{level}"
        with venue_thread(market_of(symbols=2), speed=1.0, level_3=True) as (server, credentials):
            ca_file = credentials.write_ca(tmp_path / "ca.pem")
            settings = settings_for(server, ca_file, root, depth=10, level=level)
            record_until(settings, lambda recorder: recorder.counters.market_data >= 1500)
        with fixtape.open(root) as tape:
            quotes.append({it: tape.cursor().execute(QUOTES, {"symbol": it}).fetchall() for it in tape.symbols()})

    by_level, by_order = quotes
    assert by_level.keys() == by_order.keys()
    for symbol, tops in by_level.items():
        count = min(len(tops), len(by_order[symbol]))
        assert count > 100
        assert tops[:count] == by_order[symbol][:count]


@pytest.mark.parametrize("depth", [10, 25])
def test_orders_add_up_to_the_level_2_book_of_the_same_moment(depth):
    """One feed subscribed to both of one symbol: at each instant the sums per price are the levels, on both sides."""
    market = market_of(symbols=1)
    (symbol,) = market.symbols
    play = FeedPlay()
    play.open(listed=_text(b"y", b"320=L1\x01322=1\x01560=0\x01146=1\x01", market.instruments[symbol]))
    play.subscribe("M2", symbol, depth=depth)
    play.subscribe("M3", symbol, depth=depth, level=LEVEL_3)
    streams = [
        [(body, md_req_id) for body in islice(market.bodies(symbol, shape), 800) if body.has_book]
        for shape, md_req_id in ((Shape(depth), b"M2"), (Shape(depth, orders=True), b"M3"))
    ]
    last_ns = min(stream[-1][0].offset_ns for stream in streams)
    merged = sorted((it for stream in streams for it in stream), key=lambda it: it[0].offset_ns)

    moments = 0
    for at_ns, told in groupby(merged, key=lambda it: it[0].offset_ns):
        play.venue(*(_text(body.msg_type, body.before, md_req_id, body.after) for body, md_req_id in told))
        if at_ns >= last_ns:
            break
        levels, orders = (play.feed.books.subscriptions[it].book for it in ("M2", "M3"))
        for side in map(attrgetter, ("bids", "offers")):
            assert list(side(levels).levels()) == list(side(orders).levels())
        assert all(sum(it.size for it in orders.queues[0][price]) == size for price, size in levels.bids.levels())
        moments += 1

    assert moments > 500
    assert play.feed.counters.mismatches == 0
    assert play.feed.counters.verified >= 2 * moments - 2
    assert play.rows("order_changes")
    assert play.rows("book_changes")


def test_a_wrong_checksum_of_orders_is_found_and_healed(tmp_path):
    """One lie about 5041: that symbol alone is subscribed anew, and all is proven again."""
    root = tmp_path / "tape"
    with venue_thread(market_of(), speed=1.0, level_3=True, faults=["book-checksum@300"]) as (server, credentials):
        ca_file = credentials.write_ca(tmp_path / "ca.pem")
        settings = settings_for(server, ca_file, root, depth=10, level=LEVEL_3)

        summary, _ = record_until(settings, lambda recorder: recorder.counters.market_data >= 1500)

    assert (summary.counters.mismatches, summary.books_proven, summary.shortfalls) == (1, 5, {})
    with fixtape.open(root) as tape:
        found = tape.sql(
            "SELECT kind, count(DISTINCT symbol), count(*) FROM events WHERE kind IN ('mismatch', 'healed') GROUP BY 1"
        ).fetchall()
    assert sorted(found) == [("healed", 1, 1), ("mismatch", 1, 1)]
    rebuild(root / "journal", tmp_path / "again", software=SOFTWARE)
    assert _names(tmp_path / "again") == _names(root / "lake")


def test_a_venue_without_level_3_refuses_each_symbol(tmp_path):
    """Reject B is a refusal like any other: an event, and a name at the end with the venue's own words."""
    root = tmp_path / "tape"
    with venue_thread(market_of(symbols=2), speed=1.0) as (server, credentials):
        ca_file = credentials.write_ca(tmp_path / "ca.pem")
        settings = settings_for(server, ca_file, root, level=LEVEL_3)

        summary, _ = record_until(settings, lambda recorder: recorder.client.subscriber.settled, seconds=10)

    assert set(summary.shortfalls.values()) == {"not recorded, the venue refused it: Level 3 not available"}
    assert len(summary.shortfalls) == 2
    with fixtape.open(root) as tape:
        (refused,) = tape.sql(
            "SELECT count(*), any_value(received) FROM events WHERE kind = 'subscription_rejected'"
        ).fetchall()
    assert refused == (2, "B")


def _text(msg_type, *parts):
    """The text of a message of the market's own bytes, as a feed's player takes it."""
    fields = [part if isinstance(part, bytes) else b"".join(b"%d=%b\x01" % it for it in part) for part in parts]
    return (b"35=%b\x01" % msg_type + b"".join(fields)).decode().rstrip("\x01").replace("\x01", "|")


def _names(lake):
    return {path.relative_to(lake).as_posix() for path in lake.rglob("*.parquet")}
