"""A recorded journal served again by the venue: the same messages, and a book in mid-stream that proves itself."""

import re
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest
from venues import record_until, recordings, settings_for, venue_thread

import fixtape
from capture.market.requests import DEPTHS
from capture.venue.recording import Recordings
from capture.venue.source import Body, Shape
from storage.errors import NothingToServe
from storage.journal_market import market_of

pytestmark = pytest.mark.venue

SETS = ("ethusd-d25", "spot10-d1000")
MESSAGES = 3_000


@pytest.fixture(scope="module")
def source() -> Recordings:
    """What was served to whoever recorded the tape."""
    return recordings(*SETS)


@pytest.fixture(scope="module")
def tape(source: Recordings, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recorded tape."""
    root = tmp_path_factory.mktemp("recorded") / "tape"
    with venue_thread(source, speed=float("inf")) as (server, credentials):
        ca_file = credentials.write_ca(root.parent / "ca.pem")
        record_until(settings_for(server, ca_file, root), lambda it: it.counters.market_data >= MESSAGES)
    return root


def levels(snapshot: Body) -> set[tuple[str, Decimal, Decimal]]:
    """Return a snapshot's entry types, prices and sizes."""
    entries = re.findall(rb"269=([01])\x01(?:278=[^\x01]*\x01)?270=([^\x01]*)\x01271=([^\x01]*)", snapshot.after)
    return {(side.decode(), Decimal(price.decode()), Decimal(size.decode())) for side, price, size in entries}


def recorded(market: Recordings, folder: Path) -> None:
    """Record all that a market serves; every checksum must agree."""
    count = sum(len(it.messages) for it in market.streams.values())
    with venue_thread(market, speed=float("inf")) as (server, credentials):
        ca_file = credentials.write_ca(folder / "ca.pem")
        settings = settings_for(server, ca_file, folder / "again")
        _, recorder = record_until(settings, lambda it: it.counters.market_data >= count)
    assert recorder.counters.market_data == count
    assert recorder.counters.verified > count // 2
    assert recorder.counters.mismatches == 0


def test_the_messages_are_the_bytes_that_were_received(tape: Path, source: Recordings) -> None:
    """Each symbol's stream is the beginning of the one that was served, byte for byte."""
    market = market_of(tape)

    count = 0
    for symbol in market.recordings.symbols:
        shape = Shape(DEPTHS[-1])
        ours, theirs = market.recordings.bodies(symbol, shape), source.bodies(symbol, shape)
        for mine, its in zip(ours, theirs, strict=False):
            assert (mine.before, mine.after, mine.has_book) == (its.before, its.after, its.has_book)
            count += 1
    assert count == market.message_count >= MESSAGES
    assert market.left_out == set()


def test_a_window_begins_with_the_books_as_they_stood(tape: Path, tmp_path: Path) -> None:
    """In mid-stream every book is there at once, and the venue's own checksums prove it from the next refresh on."""
    with fixtape.open(tape) as it:
        ((middle,),) = it.sql("SELECT CAST(quantile_disc(receive_ns, 0.5) AS BIGINT) FROM messages").fetchall()
        first_seen = it.sql("SELECT symbol, min(receive_ns) FROM book_changes GROUP BY symbol").fetchall()
        market = market_of(tape, begin_ns=middle).recordings
        stood = {symbol: it.book(symbol, middle - 1, depth=1000) for symbol, at in first_seen if at < middle}

    assert stood
    assert stood.keys() <= set(market.symbols)
    for symbol, book in stood.items():
        assert levels(market.streams[symbol].messages[0]) == {
            *(("0", *level[:2]) for level in book.bids),
            *(("1", *level[:2]) for level in book.offers),
        }
    recorded(market, tmp_path)


def test_a_book_of_which_nothing_comes_stands_as_it_stood(tape: Path) -> None:
    """After the last message the connection still stands, and so does every book: a snapshot each, nothing after it."""
    with fixtape.open(tape) as it:
        ((last,),) = it.sql("SELECT max(receive_ns) FROM messages").fetchall()
        seen = {symbol for (symbol,) in it.sql("SELECT DISTINCT symbol FROM book_changes").fetchall()}

    market = market_of(tape, begin_ns=last + 1)

    streams = market.recordings.streams
    assert set(streams) == seen
    assert {len(stream.messages) for stream in streams.values()} == {1}
    assert market.left_out == set()


def test_a_symbol_is_chosen_and_one_that_is_not_there_is_named(tape: Path) -> None:
    """What is asked for and not there is left out by name; nothing at all is an error."""
    market = market_of(tape, symbols=["ETH/USD", "NO/NE"])

    assert (set(market.recordings.symbols), market.left_out) == ({"ETH/USD"}, {"NO/NE"})
    with pytest.raises(NothingToServe, match="no book of a symbol that is wanted"):
        market_of(tape, symbols=["NO/NE"])


def test_the_command_serves_and_ends(tape: Path, tmp_path: Path) -> None:
    """It says what it serves, and how to record it."""
    done = subprocess.run(
        [
            sys.executable, "-m", "fixtape", "journal", "replay", str(tape), "--port", "0", "--for", "0.2",
            "--speed", "max", "--symbol", "ETH/USD", "--symbol", "NO/NE", "--ca-out", str(tmp_path / "ca.pem"),
        ],
        capture_output=True, text=True, check=False, timeout=30,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("listening on 127.0.0.1:")
    assert "left out: NO/NE" in done.stderr
    assert "messages of 1 symbols" in done.stderr
    assert (tmp_path / "ca.pem").exists()
