"""Two recorders of one feed, each with losses, outages and a clock of its own, merged and held against the feed."""

from feeds import Row
from hypothesis import event, given, settings
from hypothesis import strategies as st
from two_recorders import Levels, Recorded, Truth
from unions import united_rows

from capture.columns import Action, Flag, Side

edits = st.lists(
    st.tuples(st.sampled_from(["bid", "offer"]), st.integers(1, 30), st.integers(0, 3)), min_size=15, max_size=40
)
outages = st.lists(
    st.tuples(st.sampled_from(["down", "lost"]), st.integers(0, 25), st.integers(2, 20)), min_size=1, max_size=4
)


@st.composite
def recorders(draw: st.DrawFn) -> tuple[Truth, list[Recorded]]:
    truth = Truth(draw(edits))
    made = []
    for _ in range(2):
        fates = ["got"] * len(truth.sent)
        for fate, begin, count in draw(outages):
            length = count if fate == "down" else count % 3 + 1
            fates[begin : begin + length] = [fate] * len(fates[begin : begin + length])
        clock = draw(st.integers(-50_000_000, 50_000_000))
        seed, patience = draw(st.integers(0, 99)), draw(st.integers(0, 3))
        made.append(Recorded(truth, fates, offset_ns=clock, seed=seed, patience=patience))
    return truth, made


def applied(levels: dict[tuple[int, int], int], changes: list[Row]) -> None:
    """Apply the rows of a message, in the order in which they were made."""
    if changes[0]["action"] in (Action.SNAPSHOT, Action.CLEAR):
        levels.clear()
    for row in changes:
        if row["action"] in (Action.DELETE, Action.EVICT) or not row["size"]:
            levels.pop((row["side"], row["price"]), None)
        else:
            levels[row["side"], row["price"]] = row["size"]


def sides(levels: dict[tuple[int, int], int]) -> Levels:
    """Return both sides, best first."""
    bids = sorted(((price, size) for (side, price), size in levels.items() if side == Side.BID), reverse=True)
    return bids, sorted((price, size) for (side, price), size in levels.items() if side == Side.OFFER)


@settings(max_examples=25, deadline=None)
@given(play=recorders(), cut=st.integers(0, 60))
def test_books_of_a_merged_lake_are_the_truth(play: tuple[Truth, list[Recorded]], cut: int) -> None:
    """Each is the venue's where either recorder had all since the snapshot; elsewhere it is the venue's or suspect."""
    truth, made = play
    numbers = {sent.entry_ms: number for number, sent in enumerate(truth.sent, 1)}

    rows = united_rows([it.tables() for it in made], cut)

    changes: dict[int, list[Row]] = {}
    for row in rows["book_changes"]:
        changes.setdefault(row["msg_seq_num"], []).append(row)
    levels: dict[tuple[int, int], int] = {}
    clock_ns, reached, whole = 0, 0, False
    told: set[int] = set()
    for message in rows["messages"]:
        of_message = changes[message["msg_seq_num"]]
        assert message["receive_ns"] >= clock_ns, "rows of a symbol never go back"
        clock_ns = message["receive_ns"]
        applied(levels, of_message)
        suspect = any(row["flags"] & Flag.SUSPECT_BOOK for row in of_message)
        if message["msg_type"] == "W":
            counts = [it for it in range(reached, len(truth.sent) + 1) if truth.book_after(it) == sides(levels)]
            assert counts, "a snapshot is a book that the venue had, and not of before"
            reached, whole = counts[0], True
            continue
        number = numbers[of_message[0]["entry_ms"]]
        assert number not in told, "no message is there twice"
        told.add(number)
        whole = whole and number == reached + 1
        reached = number
        event("whole" if whole else "suspect" if suspect else "right after a hole")
        if whole or not suspect:
            assert sides(levels) == truth.book_after(number)
    assert told == {number for recorded in made for number in recorded.seen}


@settings(max_examples=12, deadline=None)
@given(play=recorders())
def test_without_a_hole_nothing_is_suspect(play: tuple[Truth, list[Recorded]]) -> None:
    """Where one recorder was never away and lost nothing, no row is suspect, whatever became of the other."""
    truth, (_, other) = play
    whole = Recorded(truth, ["got"] * len(truth.sent), offset_ns=30_000_000, seed=7, patience=0)

    rows = united_rows([other.tables(), whole.tables()], 0)

    assert not [row for row in rows["book_changes"] if row["flags"] & Flag.SUSPECT_BOOK and row["msg_seq_num"] > 1]
    assert [row["kind"] for row in rows["events"]].count("mismatch") == 0
