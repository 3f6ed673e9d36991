"""Which symbols a recorder asks for, against a venue whose listings come and go."""

import subprocess
import sys
from pathlib import Path

import pytest
from venues import record_until, settings_for, venue_thread

import fixtape
from capture.venue.market import SyntheticMarket

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
