"""What entries do to a book: the rules of the venue reference, section 4.8, one by one."""

from dataclasses import replace

import pytest
from fix import BTC, decoded, refresh, snapshot

from capture.book.book import Applied, Book, BookState, Change
from capture.columns import Action, Side, Verdict

LEVELS = ("offer 101.0 1", "offer 102.0 2", "bid 100.0 1", "bid 99.0 2")
E8 = 10**8


def book(*entries: str, depth: int = 10) -> Book:
    """A book after a snapshot."""
    it = Book(BTC, depth)
    it.snapshot(decoded(snapshot(*(entries or LEVELS))))
    return it


def refreshed(it: Book, *entries: str, checksum: int | None = None) -> Applied:
    """Apply a refresh."""
    return it.refresh(decoded(refresh(*entries, checksum=checksum)))


def offers(it: Book) -> list[tuple[int, int]]:
    """Offers as price in tenths and whole size."""
    return [(level.price, level.size // E8) for level in it.offers.levels()]


def bids(it: Book) -> list[tuple[int, int]]:
    """Bids likewise."""
    return [(level.price, level.size // E8) for level in it.bids.levels()]


def test_snapshot_is_the_whole_book() -> None:
    """A snapshot's levels are the book, each a row of its own."""
    it = Book(BTC, 10)

    applied = it.snapshot(decoded(snapshot(*LEVELS)))

    assert offers(it) == [(1010, 1), (1020, 2)]
    assert bids(it) == [(1000, 1), (990, 2)]
    assert it.state is BookState.LIVE
    assert [change.action for change in applied.changes] == [Action.SNAPSHOT] * 4
    assert [change.entry_index for change in applied.changes] == [0, 1, 2, 3]
    assert (applied.verdict, applied.violations) == (Verdict.UNVERIFIED, [])


def test_refresh_before_the_snapshot_is_not_applied() -> None:
    """Rule 1: what comes before the snapshot becomes rows and nothing else."""
    it = Book(BTC, 10)

    applied = refreshed(it, "new bid 100.0 1", checksum=5)

    assert bids(it) == []
    assert it.state is BookState.AWAITING_SNAPSHOT
    assert [change.action for change in applied.changes] == [Action.NEW]
    assert (applied.verdict, applied.computed) == (Verdict.UNVERIFIED, None)


@pytest.mark.parametrize(
    ("entry", "expected", "action"),
    [
        ("new bid 100.0 5", [(1000, 5), (990, 2)], Action.NEW),  # On an existing price: sets it.
        ("new bid 98.0 5", [(1000, 1), (990, 2), (980, 5)], Action.NEW),
        ("change bid 99.0 7", [(1000, 1), (990, 7)], Action.CHANGE),  # The total, not a difference.
        ("change bid 98.0 7", [(1000, 1), (990, 2), (980, 7)], Action.CHANGE),  # Of an unknown price: inserts it.
        ("delete bid 100.0 0", [(990, 2)], Action.DELETE),
        ("delete bid 100.0 3", [(990, 2)], Action.EVICT),  # Left the depth, but still exists.
        ("new bid 100.0 0", [(990, 2)], Action.NEW),  # No size: removes.
        ("change bid 99.0 0.0", [(1000, 1)], Action.CHANGE),
    ],
)
def test_entry_does_what_the_venue_says(entry: str, expected: list[tuple[int, int]], action: Action) -> None:
    """Rule 2: new and change set the level, delete removes it, and nothing else moves."""
    it = book()

    applied = refreshed(it, entry)

    assert bids(it) == expected
    assert offers(it) == [(1010, 1), (1020, 2)]
    assert [change.action for change in applied.changes] == [action]
    assert applied.violations == []


def test_change_row_holds_what_the_level_holds_now() -> None:
    """A row bears the new size; that of an evicted level stands in a column of its own."""
    it = book()

    applied = refreshed(it, "change bid 99.0 7", "delete bid 99.0 0", "delete bid 100.0 3")

    entry_ms = applied.changes[0].entry_ms
    assert applied.changes == [
        Change(0, Side.BID, Action.CHANGE, 990, 7 * E8, 1, 8, entry_ms, None),
        Change(1, Side.BID, Action.DELETE, 990, 0, 1, 8, entry_ms, None),
        Change(2, Side.BID, Action.EVICT, 1000, 0, 1, 8, entry_ms, 3 * E8),
    ]


def test_entries_are_applied_in_order() -> None:
    """Rule 2: a level may be deleted and made again in one message, and the last word counts."""
    it = book()

    refreshed(it, "delete bid 100.0 0", "new bid 100.0 4", "change bid 100.0 6", "new bid 99.0 1", "delete bid 99.0 0")

    assert bids(it) == [(1000, 6)]


def test_cut_comes_after_the_whole_message() -> None:
    """Rule 3: a level pushed out in the middle of a message is still there when its neighbour goes again."""
    it = book(depth=2)

    applied = refreshed(it, "new offer 100.5 9", "delete offer 100.5 0")

    assert offers(it) == [(1010, 1), (1020, 2)]
    assert [change.entry_index for change in applied.changes] == [0, 1]


def test_level_beyond_the_depth_is_cut_and_becomes_a_row() -> None:
    """Rule 3: the worst levels past the depth go, each as an eviction that no entry told, worst first."""
    it = book(depth=2)

    applied = refreshed(it, "new offer 100.5 8", "new offer 100.6 9")

    assert offers(it) == [(1005, 8), (1006, 9)]
    assert applied.changes[2:] == [
        Change(-1, Side.OFFER, Action.EVICT, 1020, 0, 1, 8, None, 2 * E8),
        Change(-1, Side.OFFER, Action.EVICT, 1010, 0, 1, 8, None, 1 * E8),
    ]


def test_snapshot_deeper_than_the_subscription_is_cut() -> None:
    """A snapshot with more levels than asked for is cut like a refresh."""
    it = book("bid 100.0 1", "bid 99.0 1", "bid 98.0 1", depth=2)

    assert bids(it) == [(1000, 1), (990, 1)]


def test_checksum_agrees_or_not() -> None:
    """Rule 4: with 5041 there the book is verified or not, and proven only while the last one agreed."""
    it = book()
    refreshed(it, "new bid 98.0 1")
    right = it.checksum()

    assert refreshed(it, "change bid 98.0 1", checksum=right).verdict is Verdict.VERIFIED
    assert it.proven
    mismatch = refreshed(it, "change bid 98.0 2", checksum=right)

    assert (mismatch.verdict, mismatch.computed) == (Verdict.MISMATCH, it.checksum())
    assert not it.proven


def test_missing_checksum_is_unverified_and_ends_the_proof() -> None:
    """5041 absent is no fault; but what came after the last proof is not proven."""
    it = book()
    refreshed(it, "change bid 99.0 2", checksum=it.checksum())
    assert it.proven

    assert refreshed(it, "change bid 99.0 3").verdict is Verdict.UNVERIFIED
    assert not it.proven


def test_book_of_fewer_than_ten_levels_by_subscription_cannot_be_verified() -> None:
    """The checksum needs ten levels; at a smaller depth it is not compared."""
    it = book(depth=5)

    assert refreshed(it, "change bid 99.0 3", checksum=1).verdict is Verdict.UNVERIFIED


def test_trades_do_not_touch_the_book() -> None:
    """Rule 5: a message of trades alone changes nothing and owes no checksum."""
    it = book()

    applied = refreshed(it, "trade 100.0 1", "trade 101.0 2")

    assert (applied.changes, applied.verdict) == ([], Verdict.NOT_DUE)
    assert bids(it) == [(1000, 1), (990, 2)]


def test_trade_beside_a_change_keeps_the_places() -> None:
    """Rows of the book bear the entry's place in its message, trades counted."""
    applied = refreshed(book(), "trade 100.0 1", "change bid 100.0 3")
    assert [change.entry_index for change in applied.changes] == [1]


def test_snapshot_in_mid_stream_replaces_everything() -> None:
    """A second snapshot is a fresh start, for a suspect book too."""
    it = book()
    it.suspect()

    it.snapshot(decoded(snapshot("bid 50.0 1")))

    assert (bids(it), offers(it), it.state) == ([(500, 1)], [], BookState.LIVE)


def test_empty_snapshot_clears_the_book() -> None:
    """A snapshot of nothing leaves an empty book, told by one row without side and price; refreshes go on."""
    it = book()

    applied = it.snapshot(decoded(snapshot()))
    refreshed(it, "new bid 100.0 1")

    assert [(change.action, change.side) for change in applied.changes] == [(Action.CLEAR, None)]
    assert (bids(it), offers(it)) == ([(1000, 1)], [])


def test_suspect_book_is_left_alone() -> None:
    """A suspect book takes no refresh until its next snapshot; one that waits goes on waiting."""
    it, waiting = book(), Book(BTC, 10)
    it.suspect()
    waiting.suspect()

    applied = refreshed(it, "delete bid 100.0 0", checksum=it.checksum())

    assert bids(it) == [(1000, 1), (990, 2)]
    assert (applied.verdict, len(applied.changes)) == (Verdict.UNVERIFIED, 1)
    assert waiting.state is BookState.AWAITING_SNAPSHOT


def test_more_decimals_than_the_precision_are_never_applied() -> None:
    """A value beyond the precision is scaled otherwise than the book: its message becomes rows, the book suspect."""
    it = book()

    applied = refreshed(it, "change bid 99.0 1", "new bid 98.05 1")

    assert bids(it) == [(1000, 1), (990, 2)]
    assert it.state is BookState.SUSPECT
    assert list(map(str, applied.violations)) == ["a value has more decimals than the instrument's precision"]
    assert (applied.changes[1].price, applied.changes[1].price_scale) == (9805, 2)


def test_snapshot_beyond_the_precision_leaves_an_empty_suspect_book() -> None:
    """Nothing of such a snapshot is applied either, and nothing of the old book is left."""
    it = book()

    applied = it.snapshot(decoded(snapshot("bid 100.05 1", "bid 99.0 1")))

    assert (bids(it), offers(it), it.state) == ([], [], BookState.SUSPECT)
    assert len(applied.changes) == 2


@pytest.mark.parametrize(("price", "scaled"), [("99.5", 995), ("50.0", 500)])
def test_unknown_delete_within_the_view_is_a_violation(price: str, scaled: int) -> None:
    """A delete of a level that would be seen if it existed breaks an invariant; a short side is in view wholly."""
    applied = refreshed(book(), f"delete bid {price} 0")

    assert list(map(str, applied.violations)) == [f"delete of a level not held: {scaled}"]


@pytest.mark.parametrize(
    "entries",
    [
        ("delete bid 98.0 0",),  # Behind the worst of a full side: cut here before.
        ("delete bid 99.5 3",),  # Told to have left the depth: cut here already.
        ("delete bid 100.0 0", "delete bid 98.0 0"),  # The side was full when the message began.
    ],
)
def test_unknown_delete_beyond_the_view_is_none(entries: tuple[str, ...]) -> None:
    """A delete of what was out of sight is innocent."""
    assert refreshed(book(depth=2), *entries).violations == []


def test_crossed_book_is_a_violation() -> None:
    """A best bid at or above the best offer breaks an invariant; the book takes it, for the checksum decides."""
    it = book()

    assert list(map(str, refreshed(it, "new bid 101.0 1").violations)) == ["crossed: bid 1010, offer 1010"]
    assert bids(it)[0] == (1010, 1)
    assert it.state is BookState.LIVE


def test_tick_and_lot_are_held() -> None:
    """A price off the tick or a size off the lot is a violation, where the instrument has such a step."""
    instrument = replace(BTC, tick=5, lot=1000)
    it = Book(instrument, 10)

    applied = it.snapshot(decoded(snapshot("bid 100.3 1", "bid 100.0 0.00000500"), instrument))

    assert list(map(str, applied.violations)) == [
        "price 1003 is no multiple of the tick 5",
        "size 500 is no multiple of the lot 1000",
    ]
    assert book("bid 100.3 0.00000001").bids.best_price() == 1003


def test_level_twice_in_a_snapshot_is_a_violation() -> None:
    """A snapshot that names a price twice is odd; the last one counts."""
    it = Book(BTC, 10)

    applied = it.snapshot(decoded(snapshot("bid 100.0 1", "bid 100.0 2")))

    assert list(map(str, applied.violations)) == ["level 1000 twice in a snapshot"]
    assert bids(it) == [(1000, 2)]


def test_sides_are_sorted_whatever_the_order_of_entries() -> None:
    """The order of a snapshot's entries is not relied on."""
    assert bids(book("bid 98.0 1", "offer 103.0 1", "bid 100.0 1")) == [(1000, 1), (980, 1)]
