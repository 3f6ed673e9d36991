"""Which symbols a recorder asks for, against a venue whose listings come and go."""

import subprocess
import sys
from pathlib import Path

import pytest
from venues import SOFTWARE, record_until, settings_for, venue_thread

import fixtape
from capture.venue.market import SyntheticMarket
from storage.rebuild import rebuild

pytestmark = pytest.mark.venue

FIXTAPE = str(Path(sys.executable).with_name("fixtape"))


def asked(root):
    """Every request of a tape as (kind, symbol, depth), in order."""
    with fixtape.open(root) as tape:
        return tape.sql(
            "SELECT kind, symbol, count FROM events WHERE kind IN ('subscribe', 'unsubscribe')"
            " ORDER BY receive_ns, msg_seq_num"
        ).fetchall()


def record(server, credentials, tmp_path, *options):
    """Run `fixtape record` to its end."""
    ca_file = credentials.write_ca(tmp_path / "ca.pem")
    command = [FIXTAPE, "record", "--host", "127.0.0.1", "--port", str(server.port), "--ca", str(ca_file)]
    command += ["--sender", "CLIENT", "--root", str(tmp_path / "tape"), *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_patterns_of_the_command_line_are_recorded(tmp_path):
    """A glob with a depth, an exclusion, and a name with another depth: just these, each at its depth, all proven."""
    with venue_thread(SyntheticMarket(40, rate=500), speed=1.0) as (server, credentials):
        patterns = ["*/EUR:10", "!SOL/*", "ETH/EUR:25", "BTC/USD"]
        options = [word for it in patterns for word in ("--symbol", it)]

        done = record(server, credentials, tmp_path, *options, "--depth", "100", "--for", "4")

    assert done.returncode == 0, done.stderr
    quoted = ["ADA", "BTC", "DOGE", "DOT", "ETH", "LTC", "XRP"]
    depths = {f"{base}/EUR": 10 for base in quoted} | {"ETH/EUR": 25, "BTC/USD": 100}
    assert sorted(asked(tmp_path / "tape")) == sorted(("subscribe", *it) for it in depths.items())
    assert f"{len(depths)} of {len(depths)} proven" in done.stdout


def test_glob_that_matches_nothing_is_told(tmp_path):
    """A quote that the venue does not have ends the run before anything is recorded."""
    with venue_thread(SyntheticMarket(40)) as (server, credentials):
        done = record(server, credentials, tmp_path, "--symbol", "BTC/USD", "--symbol", "*/usd", "--for", "20")

    assert done.returncode == 78
    assert "*/usd: matches none of the 40 instruments that the venue lists; did you mean */USD?" in done.stderr


def test_listings_are_followed_as_they_come(tmp_path):
    """What comes out of hiding is recorded from then on; what is listed and not served is refused and named."""
    root = tmp_path / "tape"
    steps = []

    def done(recorder):
        if recorder.feed.books_proven == 4 and not steps:
            steps.append("listed")
            venue = next(iter(server.connections))
            for symbol in ("ETH/USD", "NEW/USD", "NEW/EUR"):
                venue._loop.call_soon_threadsafe(lambda it=symbol: server.update_instrument(it, status=1))
        return recorder.feed.books_proven == 5

    with venue_thread(SyntheticMarket(5, rate=500), speed=1.0) as (server, credentials):
        server.listing.update("ETH/USD", status=0)
        settings = settings_for(server, credentials.write_ca(tmp_path / "ca.pem"), root, symbols=("*/USD",), depth=10)
        summary, _ = record_until(settings, done)

    assert summary.books_proven == 5
    assert [symbol for _, symbol, _ in asked(root)][4:] == ["ETH/USD", "NEW/USD"]
    assert summary.shortfalls == {
        "NEW/USD": "not recorded, the venue refused it: "
        "MarketData subscription failed due to unsupported symbol: NEW/USD"
    }


def test_symbol_that_a_later_list_lacks_is_named(tmp_path):
    """Gone while the connection was down: the run goes on with the others, and its summary says what is missing."""
    root = tmp_path / "tape"
    steps = []

    def done(recorder):
        if recorder.feed.books_proven == 3 and not steps:
            steps.append("dropped")
            server.listing.update("ETH/USD", status=0)
            for connection in list(server.connections):
                connection._loop.call_soon_threadsafe(connection.abort)
        return recorder.client.connections == 2 and recorder.feed.books_proven == 2

    with venue_thread(SyntheticMarket(3, rate=500), speed=1.0) as (server, credentials):
        settings = settings_for(server, credentials.write_ca(tmp_path / "ca.pem"), root, depth=10)
        summary, _ = record_until(settings, done)

    assert summary.shortfalls == {"ETH/USD": "no longer recorded, the venue no longer lists it"}


def recorded(market, root, tmp_path, act, done):
    """Record a market; `act(server)` runs on the venue's loop once all books are proven."""
    steps = []

    def watch(recorder):
        if recorder.feed.books_proven == len(market.symbols) and not steps:
            steps.append("acted")
            next(iter(server.connections))._loop.call_soon_threadsafe(act, server)
        return bool(steps) and done(recorder)

    with venue_thread(market, speed=1.0) as (server, credentials):
        settings = settings_for(server, credentials.write_ca(tmp_path / "ca.pem"), root, depth=10)
        summary, _ = record_until(settings, watch, seconds=15)
    rebuild(root / "journal", tmp_path / "again", software=SOFTWARE)
    again, lake = (
        {path.relative_to(it).as_posix() for path in it.rglob("*.parquet")}
        for it in (tmp_path / "again", root / "lake")
    )
    assert again == lake
    return summary


def test_delisted_symbol_is_an_event_a_version_and_in_the_summary(tmp_path):
    """Its subscription is stopped, its version ends, the others go on."""
    root = tmp_path / "tape"

    summary = recorded(
        SyntheticMarket(3, rate=500),
        root,
        tmp_path,
        lambda server: server.update_instrument("ETH/USD", status=6),
        lambda recorder: "ETH/USD" not in recorder.feed.by_symbol,
    )

    assert summary.shortfalls == {"ETH/USD": "no longer recorded, the venue lists it as delisted"}
    assert summary.books_proven == summary.books == 2
    assert asked(root)[3:] == [("unsubscribe", "ETH/USD", 10)]
    with fixtape.open(root) as tape:
        assert tape.sql(
            "SELECT symbol, expected, received FROM events WHERE kind = 'instrument_status'"
        ).fetchall() == [("ETH/USD", "online", "delisted")]
        assert tape.sql(
            "SELECT status_name, valid_to_ns IS NULL FROM instruments WHERE symbol = 'ETH/USD' ORDER BY valid_from_ns"
        ).fetchall() == [("online", False), ("delisted", True)]


def test_after_maintenance_the_symbol_is_recorded_again(tmp_path):
    """The venue ended the stream without a word; a new subscription begins it anew, and nothing is missed."""
    root = tmp_path / "tape"

    def act(server):
        server.update_instrument("ETH/USD", status=2)
        server.update_instrument("ETH/USD", status=1)

    summary = recorded(
        SyntheticMarket(3, rate=500), root, tmp_path, act, lambda recorder: recorder.counters.snapshots == 4
    )

    assert summary.shortfalls == {}
    assert asked(root)[3:] == [("unsubscribe", "ETH/USD", 10), ("subscribe", "ETH/USD", 10)]


def test_status_of_the_venue_is_recorded(tmp_path):
    """The answer to the request after the logon, and each change."""
    root = tmp_path / "tape"
    statuses = []

    def act(server):
        server.set_status(102)
        statuses.append(102)

    recorded(SyntheticMarket(2, rate=500), root, tmp_path, act, lambda _: bool(statuses))

    with fixtape.open(root) as tape:
        rows = tape.sql("SELECT expected, received FROM events WHERE kind = 'trading_status' ORDER BY receive_ns")
        assert rows.fetchall() == [(None, "online"), ("online", "post-only")]
        assert tape.sql("SELECT count(*) FROM events WHERE kind = 'unknown_message'").fetchall() == [(0,)]
