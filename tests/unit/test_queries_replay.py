"""Books at many instants: windows, sessions, clocks, memory, shapes."""

from itertools import chain, pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from lake_maker import make_lake
from lake_rows import SECOND, T0, add, add_change, add_clear, add_snapshot

from capture.columns import NULL, Action, Columns, Flag, Proof, Side
from queries.errors import BeyondInt64, EmptyWindow, Misused, UnknownSymbol
from queries.replay import BATCH_LEVELS, Replay
from queries.row_source import by_arrival
from queries.tape import Tape

BTC = "BTC/USD"
BID, OFFER = Side.BID, Side.OFFER


def small(*, seq: int = 1, at: int = T0, price: int = 100, **values: Any) -> Columns:
    """A snapshot of one level a side."""
    columns = Columns()
    add_snapshot(columns, seq=seq, at=at, levels=[(BID, price, 1), (OFFER, price + 1, 2)], **values)
    return columns


def bids(replay: Replay) -> list[tuple[int, int | None]]:
    """The moments after T0, and the best bid of each."""
    return [(row["at_ns"] - T0, row["bid_prices"][0]) for row in replay.to_arrow().to_pylist()]


def test_instants_are_whole_steps_from_the_start_of_a_half_open_window(tmp_path: Path) -> None:
    """The start is an instant, the end is none, and a moment includes its own messages."""
    columns = small()
    add_change(columns, seq=2, at=T0 + 10, side=BID, price=100, size=0, action=Action.DELETE)

    with Tape(make_lake(tmp_path, columns)) as tape:
        assert bids(tape.replay(BTC, T0 + 2, T0 + 18, every=4)) == [(2, 100), (6, 100), (10, None), (14, None)]


def test_without_a_start_instants_are_whole_steps_of_the_clock(tmp_path: Path) -> None:
    """The first one is the first whole second that the lake covers, the last one its end at most."""
    columns = small()
    add_change(columns, seq=2, at=T0 + 3 * SECOND, side=BID, price=90)

    with Tape(make_lake(tmp_path, columns)) as tape:
        moments = [row["at_ns"] for row in tape.replay(BTC, every="1s").to_arrow().to_pylist()]

    assert [at % SECOND for at in moments] == [0, 0, 0]
    assert T0 < moments[0] < T0 + SECOND


def test_either_an_interval_or_events(tmp_path: Path) -> None:
    """Neither or both is a misuse; so is what no other question takes."""
    with Tape(make_lake(tmp_path, small())) as tape:
        with pytest.raises(Misused, match="give either every, an interval such as 100ms, or events"):
            tape.replay(BTC)
        with pytest.raises(Misused):
            tape.replay(BTC, every="1s", events=True)
        with pytest.raises(UnknownSymbol, match="did you mean BTC/USD"):
            tape.replay("BTC/USB", every="1s")
        with pytest.raises(EmptyWindow, match="outside the lake, which covers"):
            tape.replay(BTC, "2020-01-01T00:00Z", "2020-01-02T00:00Z", every="1s")


def test_a_row_says_what_it_rests_on(tmp_path: Path) -> None:
    """Session, number, proof and suspicion are those of the last message applied; before a book all are null."""
    columns = small()
    rest = {"flags": Flag.SUSPECT_BOOK | Flag.LAST_ENTRY, "proof": Proof.SEQUENCE}
    add_change(columns, seq=2, at=T0 + 1, side=BID, price=99)
    add_change(columns, seq=3, at=T0 + 2, side=BID, price=98, **rest)

    with Tape(make_lake(tmp_path, columns)) as tape:
        rows = tape.replay(BTC, T0 - 1, T0 + 3, every=1, depth=2).to_arrow().to_pylist()

    assert [(it["session_id"], it["msg_seq_num"], it["proven"], it["suspect"]) for it in rows] == [
        (None, None, False, False),
        ("S1", 1, True, False),
        ("S1", 2, True, False),
        ("S1", 3, False, True),
    ]
    assert rows[0]["bid_prices"] == [None, None]
    assert (rows[1]["offer_prices"], rows[1]["offer_sizes"]) == ([101, None], [2, None])


def test_a_new_session_has_no_book_until_its_snapshot(tmp_path: Path) -> None:
    """From its first message on, be it a trade, the book of the session before is not carried over."""
    columns = small()
    add(columns, "trades", receive_ns=T0 + 4, session_id="S2")
    add(columns, "messages", receive_ns=T0 + 4, session_id="S2")
    add_snapshot(columns, seq=2, at=T0 + 6, levels=[(BID, 70, 1)], session_id="S2")

    with Tape(make_lake(tmp_path, columns)) as tape:
        assert bids(tape.replay(BTC, T0, T0 + 8, every=2)) == [(0, 100), (2, 100), (4, None), (6, 70)]
        assert bids(tape.replay(BTC, T0 + 5, T0 + 6, every=1)) == [(5, None)]
        assert bids(tape.replay(BTC, T0, T0 + 8, events=True)) == [(0, 100), (6, 70)]


def test_sessions_that_overlap_keep_their_books_apart(tmp_path: Path) -> None:
    """Two recorders at once: the book is that of whichever spoke last, each with its own levels."""
    first, second = small(), small(at=T0 + 2, price=200, session_id="S2")
    add_change(first, seq=2, at=T0 + 4, side=BID, price=110)
    add_change(second, seq=2, at=T0 + 6, side=BID, price=210, session_id="S2")

    with Tape(make_lake(tmp_path, first, second)) as tape:
        found = bids(tape.replay(BTC, T0, T0 + 8, every=2))
        late = bids(tape.replay(BTC, T0 + 3, T0 + 7, every=1))
        events = bids(tape.replay(BTC, T0, T0 + 8, events=True))

    assert found == [(0, 100), (2, 200), (4, 110), (6, 210)]
    assert late == [(3, 200), (4, 110), (5, 110), (6, 210)]
    assert events == found


def test_a_clock_that_stepped_back_does_not_mix_up_the_rows(tmp_path: Path) -> None:
    """Rows count in the order of their numbers, whatever their receive times say; also across two files."""
    first, second = small(at=T0 + 10), Columns()
    add_change(first, seq=2, at=T0 + 20, side=BID, price=105)
    add_change(first, seq=3, at=T0 + 15, side=BID, price=105, size=0, action=Action.DELETE)
    add_change(second, seq=4, at=T0 + 30, side=BID, price=106)
    add_change(second, seq=5, at=T0 + 40, side=BID, price=107)
    third = Columns()
    add_change(third, seq=6, at=T0 + 35, side=BID, price=107, size=0, action=Action.DELETE)

    with Tape(make_lake(tmp_path, first, second, third)) as tape:
        found = bids(tape.replay(BTC, T0 + 22, T0 + 60, every=20))
        single = tape.book(BTC, T0 + 42).bids[0].price

    assert found == [(22, 100), (42, 106)]
    assert float(single) == 10.6


def test_memory_is_bounded_by_the_batch(tmp_path: Path) -> None:
    """A batch holds so many levels and no more, however many instants there are; together they are all."""
    with Tape(make_lake(tmp_path, small())) as tape:
        replay = tape.replay(BTC, T0 - 5, T0 + 1, every=1, depth=BATCH_LEVELS // 2)
        counts = [batch.num_rows for batch in replay]
        every_one = tape.replay(BTC, T0 - 5, T0 + 1, every=1, depth=BATCH_LEVELS // 2).to_arrow()["at_ns"].to_pylist()

    assert counts == [2, 2, 2]
    assert every_one == list(range(T0 - 5, T0 + 1))


def test_events_fill_batches_too(tmp_path: Path) -> None:
    """After each message one row, also where a batch ends between two of them."""
    columns = small()
    for seq in range(2, 9):
        add_change(columns, seq=seq, at=T0 + seq // 3, side=BID, price=100 + seq)

    with Tape(make_lake(tmp_path, columns)) as tape:
        replay = tape.replay(BTC, events=True, depth=BATCH_LEVELS // 3)
        rows = [(batch.num_rows, batch["msg_seq_num"].to_pylist()) for batch in replay]

    assert rows == [(3, [1, 2, 3]), (3, [4, 5, 6]), (2, [7, 8])]


def test_levels_are_one_view_of_memory(tmp_path: Path) -> None:
    """Instants by side by level by price and size, as NumPy takes it; a level that is not there is two zeros."""
    with Tape(make_lake(tmp_path, small())) as tape:
        (batch,) = tape.replay(BTC, T0, T0 + 2, every=1, depth=2).batches()

    assert batch.levels.shape == (2, 2, 2, 2)
    assert batch.levels.tolist() == [[[[100, 1], [0, 0]], [[101, 2], [0, 0]]]] * 2


def test_numpy_has_the_same_numbers(tmp_path: Path) -> None:
    """Integers with their scales, or floats with NaN where there is no level."""
    numpy = pytest.importorskip("numpy")
    with Tape(make_lake(tmp_path, small())) as tape:
        whole = tape.replay(BTC, T0, T0 + 2, every=1, depth=2).to_numpy()
        floats = tape.replay(BTC, T0, T0 + 2, every=1, depth=2).to_numpy(floats=True)
        none = tape.books(BTC, []).to_numpy()

    assert whole.levels.tolist() == [[[[100, 1], [0, 0]], [[101, 2], [0, 0]]]] * 2
    assert (whole.price_scale.tolist(), whole.size_scale.tolist()) == ([1, 1], [8, 8])
    assert floats.levels[0, 0, 0].tolist() == [10.0, 1e-8]
    assert numpy.isnan(floats.levels[0, 0, 1]).all()
    assert none.levels.shape == (0, 2, 10, 2)


def test_books_come_by_time_each_once(tmp_path: Path) -> None:
    """In whichever order the moments are given."""
    columns = small()
    add_clear(columns, seq=2, at=T0 + 5)

    with Tape(make_lake(tmp_path, columns)) as tape:
        assert bids(tape.books(BTC, [T0 + 9, T0, T0 + 9, T0 - 9])) == [(-9, None), (0, 100), (9, None)]
        assert tape.books(BTC, []).to_arrow().num_rows == 0


def test_a_key_frame_shortens_the_way(tmp_path: Path) -> None:
    """A book begins with the newest whole book of its session, and says so; an older snapshot is not needed."""
    columns = small()
    levels = {"bid_prices": [99, 98], "bid_sizes": [5, 6], "offer_prices": [102], "offer_sizes": [7]}
    add(columns, "books", receive_ns=T0 + 10, msg_seq_num=5, **levels)
    add(columns, "messages", receive_ns=T0 + 10, msg_seq_num=5)
    add_change(columns, seq=6, at=T0 + 20, side=OFFER, price=103, size=8)

    with Tape(make_lake(tmp_path, columns)) as tape:
        before, after = tape.book(BTC, T0 + 9), tape.book(BTC, T0 + 20)
        replayed = tape.replay(BTC, T0 + 20, T0 + 21, every=1, depth=3).to_arrow().to_pylist()

    assert (before.certificate.begins_with, before.certificate.begin_msg_seq_num) == ("snapshot", 1)
    found = after.certificate
    assert (found.begins_with, found.begin_ns, found.begin_msg_seq_num) == ("key frame", T0 + 10, 5)
    assert (found.rows_applied, len(after.bids), len(after.offers)) == (1, 2, 2)
    assert (replayed[0]["bid_prices"], replayed[0]["offer_sizes"]) == ([99, 98, None], [7, 8, None])


def test_numbers_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    """A size that has no room for more decimals ends the question with words, never with another number."""
    columns = small()
    add_change(columns, seq=2, at=T0 + 1, side=BID, price=99, size=2**62, size_scale=0)
    add_change(columns, seq=3, at=T0 + 2, side=BID, price=98, size=1, size_scale=18)

    with Tape(make_lake(tmp_path, columns)) as tape:
        with pytest.raises(BeyondInt64, match="do not fit 64 bits at one scale"):
            tape.replay(BTC, T0, T0 + 5, every=1).to_arrow()
        with pytest.raises(BeyondInt64):
            tape.book(BTC)


def test_a_null_size_holds_nothing_in_a_replay(tmp_path: Path) -> None:
    """As in a single book."""
    columns = small()
    add_change(columns, seq=2, at=T0 + 1, side=BID, price=100, size=NULL, action=Action.CHANGE)

    with Tape(make_lake(tmp_path, columns)) as tape:
        assert bids(tape.replay(BTC, T0, T0 + 2, every=1)) == [(0, 100), (1, None)]


def test_rows_of_many_files_come_by_arrival() -> None:
    """Files that overlap, touch or follow each other: every row once, in order, in parts that are in order."""

    def rows(*times: int) -> pa.Table:
        return pa.table(
            {"receive_ns": pa.array(times, pa.int64()), "session_id": ["S"] * len(times), "msg_seq_num": times}
        )

    sources = [
        (0, iter([rows(0, 2, 4), rows(4, 4), rows(4, 9)])),
        (1, iter([rows(1, 3), rows(20, 21)])),
        (21, iter([rows(21, 22)])),
        (30, iter([rows(30)])),
        (40, iter([])),
    ]

    parts = [part["receive_ns"].to_pylist() for part in by_arrival(sources)]

    assert list(chain(*parts)) == [0, 1, 2, 3, 4, 4, 4, 4, 9, 20, 21, 21, 22, 30]
    assert all(before[-1] <= after[0] for before, after in pairwise(parts))
