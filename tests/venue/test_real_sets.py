"""The real recordings, served by the venue over TLS, recorded, compared with the truth, and rebuilt."""

import hashlib
from decimal import Decimal

import pytest
from venues import SOFTWARE, record_until, recordings, settings_for, truth, venue_thread

import fixtape
from storage.journal.verify import verify_journal
from storage.rebuild import rebuild

pytestmark = pytest.mark.venue

SETS = {"spot10-d1000": (1000, 4269), "btcusd-d10-resubscribe": (10, 296), "ethusd-d25": (25, 1128)}


@pytest.fixture(scope="module", params=SETS)
def recorded(request, tmp_path_factory):
    """One real set, recorded over TLS: its truth, the run's summary, and the tape's root."""
    name, root = request.param, tmp_path_factory.mktemp(request.param) / "tape"
    expected = truth(name)
    sent = len(expected["messages"]) - 1
    with venue_thread(recordings(name)) as (server, credentials):
        ca_file = credentials.write_ca(root.with_suffix(".pem"))
        settings = settings_for(server, ca_file, root, depth=SETS[name][0])
        summary, _ = record_until(settings, lambda recorder: recorder.counters.market_data >= sent)
    return name, expected, summary, root


def files_of(lake):
    """Every Parquet file of a lake by its path, with its digest."""
    return {
        path.relative_to(lake).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in lake.rglob("*.parquet")
    }


def test_every_checksum_is_verified(recorded):
    """Each incremental checksum that Kraken sent agrees with the book kept, and none is passed over."""
    name, expected, summary, _ = recorded

    counters = summary.counters

    assert counters.verified == SETS[name][1] == expected["totals"]["checksums_on_wire"]
    assert (counters.mismatches, counters.unverified, counters.gaps) == (0, 0, 0)
    assert summary.books_proven == len(expected["final_books"])


def test_every_level_of_every_book_equals_the_truth(recorded):
    """The books rebuilt from the lake hold the levels that the exchange's own books held at the end."""
    _, expected, _, root = recorded

    with fixtape.open(root) as tape:
        books = {symbol: tape.book(symbol, depth=10_000) for symbol in expected["final_books"]}

    for symbol, final in expected["final_books"].items():
        assert [(it.price, it.size) for it in books[symbol].offers] == [
            (Decimal(p), Decimal(s)) for p, s in final["asks"]
        ]
        assert [(it.price, it.size) for it in books[symbol].bids] == [
            (Decimal(p), Decimal(s)) for p, s in final["bids"]
        ]
        assert books[symbol].certificate.checksum_agrees


def test_rows_equal_the_entries_sent(recorded):
    """Each entry is one row, by its action, and each trade one row of trades."""
    _, expected, _, root = recorded
    entries = dict(expected["totals"]["entries"])
    trades = entries.pop("trade", 0)

    with fixtape.open(root) as tape:
        actions = dict(tape.sql("SELECT action, count(*) FROM book_changes GROUP BY action").fetchall())
        rows_of_trades = tape.sql("SELECT count(*) FROM trades").fetchall()

    actions["delete"] = actions.get("delete", 0) + actions.pop("evict", 0)
    assert {action: count for action, count in actions.items() if count} == entries
    assert rows_of_trades == [(trades,)]


def test_evictions_are_told_from_deletes(recorded):
    """A level that left the subscribed depth is an eviction that says what it still held."""
    _, expected, _, root = recorded
    left = expected["totals"]["notes"].get("level left the subscribed depth", 0)

    with fixtape.open(root) as tape:
        evicted = tape.sql("SELECT count(*) FROM book_changes WHERE action = 'evict' AND remaining_size > 0").fetchall()

    assert evicted == [(left,)]


def test_a_rebuild_gives_the_same_bytes(recorded, tmp_path):
    """The lake made anew from the journal has the same files, byte for byte."""
    _, _, summary, root = recorded

    report = rebuild(root / "journal", tmp_path / "lake", software=SOFTWARE)

    assert files_of(tmp_path / "lake") == files_of(root / "lake")
    assert report.rows == summary.rows_committed
    assert report.verified == summary.counters.verified


def test_the_journal_verifies(recorded):
    """Every block of the journal is as it was written."""
    _, _, _, root = recorded

    reports = list(verify_journal(root / "journal"))

    assert reports
    assert [finding for report in reports for finding in report.findings] == []
