"""What a feed makes of Level 3: rows, proof and flags by the rules of Level 2, and by the slow lane alone."""

import pytest
from feeds import LEVELS, LIST, FeedPlay, flags
from fix import QUEUE_NS, SECOND, UPDATE_NS, listing, refresh, snapshot
from lake_rows import PROVEN

from capture.columns import Action, Flag, Proof, Verdict
from capture.findings import BookSuspect, SubscriptionRejected
from capture.market.requests import LEVEL_3

ORDERS = ("offer 101.0 1 X 5", "bid 100.0 3 B 9", "bid 100.0 1 A 2", "bid 99.0 2 C 1")


@pytest.fixture
def play() -> FeedPlay:
    """A feed with a Level 3 subscription, M1 of BTC/USD, whose snapshot is in."""
    it = FeedPlay()
    it.open(listed=LIST)
    it.subscribe("M1", level=LEVEL_3)
    it.venue(snapshot(*ORDERS))
    return it


def test_a_snapshot_becomes_order_rows(play: FeedPlay) -> None:
    """Each order is a row with its id and its times; no level is one, and no whole book is written."""
    rows = play.rows("order_changes")

    assert [(row["order_id"], row["price"], row["size"], row["action"]) for row in rows] == [
        ("X", 1010, 10**8, Action.SNAPSHOT),
        ("B", 1000, 3 * 10**8, Action.SNAPSHOT),
        ("A", 1000, 10**8, Action.SNAPSHOT),
        ("C", 990, 2 * 10**8, Action.SNAPSHOT),
    ]
    assert [row["queue_ns"] - QUEUE_NS for row in rows] == [5, 9, 2, 1]
    assert {row["update_ns"] for row in rows} == {UPDATE_NS}
    assert [flags(row) for row in rows] == [Flag.SNAPSHOT] * 3 + [Flag.SNAPSHOT | Flag.LAST_ENTRY]
    assert {row["proof"] for row in rows} == {Proof.SEQUENCE | Proof.INVARIANTS}
    assert play.rows("book_changes") == play.rows("trades") == []
    assert [event["count"] for event in play.events("subscribe", "snapshot")] == [10, 4]


def test_verified_rows_are_proven(play: FeedPlay) -> None:
    """Where 5041 is that of the orders, the message is verified and its rows are proven."""
    play.venue(play.proven("change bid 100.0 2 A 2", "delete bid 99.0 0 C 1"))

    rows = play.rows("order_changes")[4:]
    assert [(row["action"], row["proof"], row["remaining_size"]) for row in rows] == [
        (Action.CHANGE, PROVEN, None), (Action.DELETE, PROVEN, None),
    ]  # fmt: skip
    assert play.rows("messages")[-1]["verdict"] == Verdict.VERIFIED
    assert play.feed.books_proven == 1


def test_quotes_are_sums(play: FeedPlay) -> None:
    """The top of book is what all orders at the best price hold together."""
    play.venue(play.proven("change bid 98.0 2 A 2"))
    play.venue(play.proven("new bid 97.0 1 D 3"))

    first, second = play.rows("quotes")
    assert (first["bid_price"], first["bid_size"], first["bid_total"]) == (1000, 4 * 10**8, 6 * 10**8)
    assert (second["bid_price"], second["bid_size"], second["bid_total"]) == (1000, 3 * 10**8, 7 * 10**8)


def test_no_key_frame_is_written(play: FeedPlay) -> None:
    """However much a book of orders changes, a table of levels does not get it."""
    for number in range(20):
        play.venue(play.proven(f"new bid 98.0 1 N{number} {number}"))

    assert play.rows("books") == []


def test_a_mismatch_makes_the_book_suspect_until_the_next_snapshot(play: FeedPlay) -> None:
    """As of Level 2: an event, a finding to subscribe anew by, marked rows, and a snapshot that heals it."""
    good_ns = play.now_ns
    play.after(1)
    play.venue(refresh("new bid 98.0 1 D 3", checksum=1))
    play.venue(refresh("new bid 97.0 1 E 4", checksum=1))
    play.venue(snapshot(*ORDERS))

    mismatch, ignored, *fresh = play.rows("order_changes")[4:]
    assert (flags(mismatch), flags(ignored)) == (Flag.LAST_ENTRY | Flag.SUSPECT_BOOK,) * 2
    assert not any(flags(row) & Flag.SUSPECT_BOOK for row in fresh)
    (event,) = play.events("mismatch")
    assert (event["from_ns"], event["to_ns"]) == (good_ns, good_ns + SECOND)
    assert [event["kind"] for event in play.events("healed")] == ["healed"]
    assert len(play.found(BookSuspect)) == 1


def test_an_order_that_does_not_read_is_malformed(play: FeedPlay) -> None:
    """An entry with a time that is none becomes no row and leaves the book suspect."""
    play.venue(refresh("new bid 98.0 1 D 3").replace("5273=2026", "5273=26"))

    assert play.rows("messages")[-1]["verdict"] == Verdict.MALFORMED
    assert len(play.rows("order_changes")) == 4
    assert [event["kind"] for event in play.events("malformed", "suspect")] == ["malformed", "suspect"]


def test_a_refusal_is_one_like_any_other() -> None:
    """A venue without Level 3 refuses with B: an event and a finding, and the subscription is over."""
    play = FeedPlay()
    play.open(listed=LIST)
    play.subscribe("M1", level=LEVEL_3)

    play.venue("35=Y 262=M1 281=B 58=Level 3 not available")

    (event,) = play.events("subscription_rejected")
    assert (event["symbol"], event["received"], event["text"]) == ("BTC/USD", "B", "Level 3 not available")
    assert play.found(SubscriptionRejected) == [SubscriptionRejected("BTC/USD", "M1", "B", "Level 3 not available")]
    assert play.feed.by_symbol == {}


def test_the_lane_leaves_orders_alone(play: FeedPlay) -> None:
    """In one read, what is of Level 3 goes message by message, and its neighbour of Level 2 by the kernels."""
    play.subscribe("M2", "ETH/USD")
    play.venue(snapshot(*LEVELS, symbol="ETH/USD", md_req_id="M2"))
    slowly = play.feed._frame
    taken: list[bytes] = []
    play.feed._frame = lambda *it: (taken.append(it[2]), slowly(*it))  # type: ignore[assignment,method-assign]
    level_2 = refresh("new bid 98.0 1", symbol="ETH/USD", md_req_id="M2")

    play.venue(level_2, refresh("new bid 98.0 1 D 3"), level_2, snapshot(*ORDERS), refresh("delete bid 98.0 0 D 3"))

    assert [b"262=M1" in frame for frame in taken] == [True] * 3
    assert play.feed.counters.market_data == 7


@pytest.mark.parametrize("change", ["listing", "again"])
def test_the_lane_leaves_orders_alone_after_changes(play: FeedPlay, change: str) -> None:
    """Neither a new version of the instrument nor another subscription hands a book of orders to the kernels."""
    if change == "listing":
        play.venue(listing("BTC/USD", extra="58=again ").replace("5011=0.0001", "5011=0.0002"))
    else:
        play.unsubscribe("M1")
        play.subscribe("M1", level=LEVEL_3)
        play.venue(snapshot(*ORDERS))
    seen = len(play.rows("order_changes"))

    play.venue(play.proven("new bid 98.0 1 D 3"))

    (row,) = play.rows("order_changes")[seen:]
    assert (row["order_id"], row["proof"]) == ("D", PROVEN)


def test_what_comes_of_an_ended_subscription_is_kept_and_applied_nowhere(play: FeedPlay) -> None:
    """Stragglers are rows of orders too, marked suspect."""
    play.unsubscribe("M1")
    play.venue(refresh("new bid 98.0 1 D 3"), snapshot(*ORDERS[:1]))

    rows = play.rows("order_changes")[4:]
    assert [(row["order_id"], bool(flags(row) & Flag.SUSPECT_BOOK)) for row in rows] == [("D", True), ("X", True)]
