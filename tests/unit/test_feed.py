"""Facts in, rows and findings out: proofs, marks, and what heals."""

import pytest
from feeds import LEVELS, LIST, FeedPlay, flags, standing
from fix import T0, listing, refresh, snapshot

from capture.columns import Action, Flag, Proof, Verdict
from capture.findings import BookSuspect, SnapshotArrived

PROVEN = Proof.SEQUENCE | Proof.CHECKSUM | Proof.INVARIANTS


@pytest.fixture
def play() -> FeedPlay:
    """A feed with one subscription whose snapshot is in."""
    return standing()


def test_snapshot_rows_bear_sequence_and_invariants(play: FeedPlay) -> None:
    """A snapshot has no checksum: two witnesses hold for its rows; the last one is marked as such."""
    rows = play.rows("book_changes")

    assert [row["proof"] for row in rows] == [Proof.SEQUENCE | Proof.INVARIANTS] * 4
    assert [flags(row) for row in rows] == [Flag.SNAPSHOT] * 3 + [Flag.SNAPSHOT | Flag.LAST_ENTRY]
    assert [row["action"] for row in rows] == [Action.SNAPSHOT] * 4
    assert {(row["symbol"], row["msg_seq_num"], row["session_id"]) for row in rows} == {
        ("BTC/USD", 3, "20260301T120000.000000000Z")
    }


def test_verified_rows_are_proven(play: FeedPlay) -> None:
    """Where the checksum agrees too, all three witnesses hold, and the message says so."""
    play.venue(play.proven("new bid 98.0 5"))

    assert play.rows("book_changes")[-1]["proof"] == PROVEN
    message = play.rows("messages")[-1]
    assert message["verdict"] == Verdict.VERIFIED
    assert message["checksum_received"] == message["checksum_computed"]
    assert play.feed.books_proven == 1


def test_broken_invariant_takes_its_witness_away(play: FeedPlay) -> None:
    """A crossed book is an event, and the rows of that message lack the third witness; the book goes on."""
    play.venue(play.proven("new bid 101.5 1"))
    play.venue(play.proven("delete bid 101.5 0"))

    crossed, back = play.rows("book_changes")[-2:]
    assert crossed["proof"] == Proof.SEQUENCE | Proof.CHECKSUM
    assert back["proof"] == PROVEN
    (event,) = play.events("invariant")
    assert (event["symbol"], event["count"], event["text"]) == ("BTC/USD", 1, "crossed: bid 1015, offer 1010")


def test_mismatch_is_told_with_both_checksums_from_the_last_good_message(play: FeedPlay) -> None:
    """The event says expected and computed, and lasts from the last message that was good."""
    good = play.after(1)
    play.venue(play.proven("new bid 98.0 5"))
    play.after(1)
    play.venue(refresh("change bid 98.0 6"))
    bad = play.after(1)
    play.venue(refresh("change bid 98.0 7", checksum=5))

    (event,) = play.events("mismatch")
    assert (event["from_ns"], event["to_ns"], event["receive_ns"]) == (good, bad, bad)
    assert (event["symbol"], event["msg_seq_num"], event["expected"]) == ("BTC/USD", 6, "5")
    assert event["received"] == str(play.rows("messages")[-1]["checksum_computed"])
    assert event["text"].startswith("BTC/USD: checksum mismatch after MsgSeqNum 6: expected 5, computed ")
    assert [it.symbol for it in play.found(BookSuspect)] == ["BTC/USD"]
    assert play.feed.books_proven == 0


def test_suspect_rows_until_the_new_snapshot(play: FeedPlay) -> None:
    """From the mismatch on rows are flagged, unproven and not applied; the new subscription's are not."""
    play.venue(refresh("change bid 99.0 7", checksum=5))
    play.venue(refresh("delete bid 99.0 0", checksum=6))
    play.unsubscribe("M1")
    play.subscribe("M2")
    healed = play.after(2)
    play.venue(snapshot("bid 100.0 1", md_req_id="M2"))

    mismatch, ignored, fresh = play.rows("book_changes")[4:]
    assert Flag.SUSPECT_BOOK in flags(mismatch)
    assert Flag.SUSPECT_BOOK in flags(ignored)
    assert Proof.CHECKSUM not in Proof(mismatch["proof"]) | Proof(ignored["proof"])
    assert flags(fresh) == Flag.SNAPSHOT | Flag.LAST_ENTRY
    assert [row["verdict"] for row in play.rows("messages")[-3:]] == [
        Verdict.MISMATCH, Verdict.UNVERIFIED, Verdict.UNVERIFIED,
    ]  # fmt: skip
    (event,) = play.events("healed")
    assert (event["from_ns"], event["to_ns"], event["symbol"]) == (T0, healed, "BTC/USD")
    assert len(play.events("mismatch", "suspect")) == 1, "said once"


def test_snapshot_that_does_not_agree_heals_nothing(play: FeedPlay) -> None:
    """A snapshot may bear a checksum too; a wrong one leaves the hole open, from where it began."""
    play.venue(refresh("change bid 99.0 7", checksum=5))
    play.subscribe("M2")
    play.after(1)
    play.venue(snapshot(*LEVELS, md_req_id="M2") + " 5041=7")

    assert play.events("healed") == []
    assert [(row["from_ns"], row["to_ns"]) for row in play.events("mismatch")] == [(T0, T0), (T0, play.now_ns)]
    assert all(Flag.SUSPECT_BOOK in flags(row) for row in play.rows("book_changes")[-4:])


def test_stragglers_are_rows_and_never_applied(play: FeedPlay) -> None:
    """What still comes for a subscription that was stopped is kept, flagged, and touches neither book."""
    play.unsubscribe("M1")
    play.subscribe("M2")
    play.venue(snapshot("bid 50.0 1", md_req_id="M2"))
    play.venue(refresh("new bid 98.0 5", checksum=5), snapshot("bid 40.0 1"))

    book = play.feed.by_symbol["BTC/USD"].book
    assert book is not None
    assert [it.price for it in book.bids.levels()] == [500]
    old_refresh, old_snapshot = play.rows("book_changes")[-2:]
    assert [old_refresh["action"], old_snapshot["action"]] == [Action.NEW, Action.SNAPSHOT]
    assert all(Flag.SUSPECT_BOOK in flags(row) for row in (old_refresh, old_snapshot))
    assert play.events("mismatch", "suspect", "healed") == []
    assert [it.symbol for it in play.found(SnapshotArrived)] == ["BTC/USD", "BTC/USD"]


def test_refresh_before_the_snapshot_is_unverified_and_flagged() -> None:
    """What comes before a snapshot becomes rows that nobody should build upon, and no complaint."""
    play = FeedPlay()
    play.open(listed=LIST)
    play.subscribe("M1")
    play.venue(refresh("new bid 98.0 5", checksum=5))

    assert Flag.SUSPECT_BOOK in flags(play.rows("book_changes")[0])
    assert play.rows("messages")[-1]["verdict"] == Verdict.UNVERIFIED
    assert play.found(BookSuspect) == []


def test_gap_marks_every_book_of_the_session(play: FeedPlay) -> None:
    """Missing numbers make every book suspect from its last good message; once they are lost it is asked for anew."""
    play.subscribe("M2", "ETH/USD")
    play.venue(snapshot("bid 10.0 1", symbol="ETH/USD", md_req_id="M2"))
    play.findings.clear()
    play.after(1)
    play.venue(refresh("change bid 99.0 7", checksum=5), seq=8)

    (gap,) = play.events("gap")
    assert (gap["msg_seq_num"], gap["count"], gap["expected"], gap["received"]) == (5, 3, "5", "8")
    assert play.found(BookSuspect) == [], "they may yet be sent again"
    assert play.feed.books_proven == 0
    assert play.feed.counters.gaps == 1

    play.venue("35=4 43=Y 123=Y 36=8", seq=5)

    assert {it.symbol for it in play.found(BookSuspect)} == {"BTC/USD", "ETH/USD"}
    assert {(row["symbol"], row["from_ns"]) for row in play.events("suspect")} == {("BTC/USD", T0), ("ETH/USD", T0)}
    assert len(play.events("suspect")) == 2, "said once of each"


def test_rows_after_a_gap_lack_the_sequence_until_a_snapshot(play: FeedPlay) -> None:
    """What was held is kept with its marks; the first witness holds again from the next snapshot on."""
    play.venue(refresh("change bid 99.0 7"), seq=5)
    play.venue("35=4 43=Y 123=Y 36=5", seq=4)
    play.venue(snapshot(*LEVELS))

    held, *fresh = play.rows("book_changes")[4:]
    assert (held["msg_seq_num"], flags(held)) == (5, Flag.SUSPECT_BOOK | Flag.LAST_ENTRY)
    assert Proof.SEQUENCE not in Proof(held["proof"])
    assert all(Proof.SEQUENCE in Proof(row["proof"]) for row in fresh)
    assert not any(Flag.SUSPECT_BOOK in flags(row) for row in fresh)
    assert [row["kind"] for row in play.events("gap", "gap_closed", "healed")] == ["gap", "gap_closed", "healed"]


def test_reset_by_the_venue_is_a_hole(play: FeedPlay) -> None:
    """A SequenceReset that skips numbers marks the books as a gap does; one that skips none does not."""
    play.venue("35=4 123=N 36=4", seq=4)
    assert play.found(BookSuspect) == []

    play.venue("35=4 123=N 36=20", seq=4)
    assert [it.symbol for it in play.found(BookSuspect)] == ["BTC/USD"]


def test_malformed_message_is_kept_told_and_makes_its_book_suspect(play: FeedPlay) -> None:
    """A message that cannot be read is a row without entries, an event, and a hole in its own book alone."""
    play.subscribe("M2", "ETH/USD")
    play.venue(snapshot("bid 10.0 1", symbol="ETH/USD", md_req_id="M2"))
    play.findings.clear()
    play.venue("35=X 55=BTC/USD 262=M1 268=1 279=9 269=0 270=1 271=1")

    assert play.rows("messages")[-1]["verdict"] == Verdict.MALFORMED
    (event,) = play.events("malformed")
    assert (event["symbol"], event["msg_seq_num"]) == ("BTC/USD", 5)
    assert "tag 279 one of 012" in event["text"]
    assert [it.symbol for it in play.found(BookSuspect)] == ["BTC/USD"]


@pytest.mark.parametrize(
    "text",
    [
        refresh("new bid 98.0 5", md_req_id="M9"),
        refresh("new bid 98.0 5", symbol="ETH/USD"),
        refresh("new bid 98.0 5", symbol="FOO/BAR"),
        "35=X 262=M1 268=0",
        "35=X 55=BTC/USD 268=0",
    ],
)
def test_message_of_no_subscription_is_malformed_and_harmless(play: FeedPlay, text: str) -> None:
    """A message whose 262 and 55 are no subscription's is told, and no book is blamed for it."""
    play.venue(text)

    assert play.rows("messages")[-1]["verdict"] == Verdict.MALFORMED
    assert len(play.events("malformed")) == 1
    assert play.found(BookSuspect) == []


def test_precision_change_makes_the_book_suspect_and_the_next_one_new(play: FeedPlay) -> None:
    """A changed precision stops its symbol at once; the next snapshot is read with the new one."""
    play.venue(listing("BTC/USD", price_precision=2))
    play.venue(snapshot("bid 100.05 1"))

    (event,) = play.events("precision_change")
    assert event["text"] == "BTC/USD: precision of price and size was (1, 8), is (2, 8)"
    assert [it.symbol for it in play.found(BookSuspect)] == ["BTC/USD"]
    row = play.rows("book_changes")[-1]
    assert (row["price"], row["price_scale"], flags(row)) == (10005, 2, Flag.SNAPSHOT | Flag.LAST_ENTRY)
    assert [row["price_precision"] for row in play.rows("instruments")] == [1, 1, 2]


def test_other_changes_of_an_instrument_leave_its_book(play: FeedPlay) -> None:
    """A new status is a new version of the instrument, and no reason to doubt its book."""
    play.venue(listing("BTC/USD").replace("5032=1", "5032=4"))
    play.venue(listing("BTC/USD").replace("5032=1", "5032=4"))

    assert [row["status"] for row in play.rows("instruments")] == [1, 1, 4]
    assert play.found(BookSuspect) == []


def test_value_beyond_the_precision_stops_its_symbol(play: FeedPlay) -> None:
    """More decimals than the precision are kept in the row with their own scale, and the book is suspect."""
    play.venue(refresh("new bid 98.05 5", checksum=5))

    row = play.rows("book_changes")[-1]
    assert (row["price"], row["price_scale"]) == (9805, 2)
    (finding,) = play.found(BookSuspect)
    assert isinstance(finding, BookSuspect)
    assert finding.reason == "a value has more decimals than the instrument's precision"


def test_trade_beyond_the_precision_does_not_stop_its_symbol(play: FeedPlay) -> None:
    """A trade at a finer price is kept as it is; the book that it does not touch goes on being verified."""
    play.venue(refresh("trade 100.05 5"))
    play.venue(play.proven("new bid 98.0 5"))

    assert (play.rows("trades")[0]["price"], play.rows("trades")[0]["price_scale"]) == (10005, 2)
    assert play.rows("messages")[-1]["verdict"] == Verdict.VERIFIED
    assert play.found(BookSuspect) == []
