"""A book of any moment, and what it rests on."""

import json
from decimal import Decimal
from pathlib import Path

import pytest
from lake_maker import make_lake
from lake_rows import SECOND, T0, add, add_change, add_clear, add_snapshot

from capture.columns import NULL, Action, Columns, Flag, Proof, Side
from queries.books import CERTIFICATE_KEY, BookAt, Level
from queries.errors import NoSnapshot
from queries.tape import Tape

BTC = "BTC/USD"
BID, OFFER = Side.BID, Side.OFFER

# The venue guide's example: its snapshot, its update, its checksum.
GUIDE_OFFERS = [280130, 280398, 280665, 280933, 281200, 281467, 281735, 282002, 282270, 282537]
GUIDE_BIDS = [
    (280030, 100000),
    (279999, 96375),
    (279699, 73860423),
    (277001, 350000),
    (275732, 320000),
    (271374, 1000000),
    (270913, 400000),
    (267294, 100000),
    (267026, 100000),
    (266759, 100000),
]
GUIDE_CHECKSUM = 3341325816


def guide() -> Columns:
    columns = Columns()
    levels = [(OFFER, price, 100000) for price in GUIDE_OFFERS] + [(BID, *level) for level in GUIDE_BIDS]
    add_snapshot(columns, seq=7, at=T0, levels=levels)
    change = {"side": OFFER, "price": 280130, "size": 96506, "action": Action.CHANGE}
    add_change(columns, seq=12, at=T0 + SECOND, checksum=GUIDE_CHECKSUM, **change)
    return columns


def ask(tmp_path: Path, *batches: Columns, at: int | None = None, symbol: str = BTC, depth: int = 10) -> BookAt:
    with Tape(make_lake(tmp_path, *batches)) as tape:
        return tape.book(symbol, at, depth)


def prices(levels: tuple[Level, ...]) -> list[str]:
    return [str(level.price) for level in levels]


def test_the_guide_s_book_has_the_guide_s_checksum(tmp_path: Path) -> None:
    """Snapshot and update of the venue's own example give its checksum, and the certificate says what it rests on."""
    book = ask(tmp_path, guide())

    assert book.offers[0] == Level(Decimal("28013.0"), Decimal("0.00096506"))
    assert book.bids[-1] == Level(Decimal("26675.9"), Decimal("0.00100000"))
    found = book.certificate
    assert (found.checksum_rebuilt, found.checksum_received, found.checksum_agrees) == (GUIDE_CHECKSUM,) * 2 + (True,)
    assert (found.session_id, found.begin_ns, found.begin_msg_seq_num) == ("S1", T0, 7)
    assert (found.last_ns, found.last_msg_seq_num, found.last_proven, found.verdict) == (
        T0 + SECOND,
        12,
        True,
        "verified",
    )
    assert (found.rows_applied, found.rows_suspect, found.rows_unproven, found.later_session_id) == (21, 0, 0, None)


def test_a_moment_includes_its_own_messages(tmp_path: Path) -> None:
    """At the nanosecond of the update it is in; one nanosecond before it is not."""
    with Tape(make_lake(tmp_path, guide())) as tape:
        before, after = tape.book(BTC, T0 + SECOND - 1), tape.book(BTC, T0 + SECOND)

    assert [book.offers[0].size for book in (before, after)] == [Decimal("0.00100000"), Decimal("0.00096506")]
    assert (before.certificate.checksum_received, before.certificate.checksum_agrees) == (None, None)
    assert before.certificate.checksum_rebuilt == 626015395  # The guide's snapshot alone, as published vectors have it.


def test_depth_cuts_what_is_returned_and_not_what_is_checked(tmp_path: Path) -> None:
    """Three levels are asked for, ten are verified."""
    book = ask(tmp_path, guide(), depth=3)

    assert prices(book.bids) == ["28003.0", "27999.9", "27969.9"]
    assert book.certificate.checksum_agrees is True


def test_actions_do_what_the_venue_says(tmp_path: Path) -> None:
    """New and change set; delete, evict and size zero remove; a delete of nothing does nothing."""
    columns = Columns()
    add_snapshot(columns, seq=1, at=T0, levels=[(BID, 100, 1), (BID, 99, 2), (OFFER, 101, 3), (OFFER, 102, 4)])
    steps = [
        (BID, 98, 5, Action.NEW),
        (BID, 99, 6, Action.NEW),  # New on a price that is there sets it.
        (OFFER, 103, 7, Action.CHANGE),  # A change of a price not there inserts it.
        (BID, 100, 0, Action.DELETE),
        (OFFER, 101, 9, Action.EVICT),
        (OFFER, 102, 0, Action.CHANGE),
        (BID, 50, 0, Action.DELETE),
    ]
    for seq, (side, price, size, action) in enumerate(steps, 2):
        add_change(columns, seq=seq, at=T0 + seq, side=side, price=price, size=size, action=action, size_scale=0)

    book = ask(tmp_path, columns)

    assert [(str(level.price), int(level.size * 10**8)) for level in book.bids] == [
        ("9.9", 6 * 10**8),
        ("9.8", 5 * 10**8),
    ]
    assert prices(book.offers) == ["10.3"]


def test_a_local_cut_comes_after_its_message(tmp_path: Path) -> None:
    """A level that a message sets and its cut evicts is gone, though the cut's index is -1."""
    columns = Columns()
    add_snapshot(columns, seq=1, at=T0, levels=[(BID, 100, 1)])
    common = {"receive_ns": T0 + 1, "msg_seq_num": 2, "side": BID, "price": 100}
    add(columns, "book_changes", entry_index=-1, action=Action.EVICT, size=0, remaining_size=5, **common)
    add(columns, "book_changes", entry_index=0, action=Action.CHANGE, size=5, **common)
    add(columns, "messages", receive_ns=T0 + 1, msg_seq_num=2)

    assert ask(tmp_path, columns).bids == ()


def test_a_clear_empties_the_book(tmp_path: Path) -> None:
    """An empty snapshot is a snapshot: nothing is left of what came before, what comes after is applied."""
    columns = Columns()
    add_snapshot(columns, seq=1, at=T0, levels=[(BID, 100, 1), (OFFER, 101, 1)])
    add_clear(columns, seq=2, at=T0 + 1)
    add_change(columns, seq=3, at=T0 + 2, side=OFFER, price=105)

    with Tape(make_lake(tmp_path, columns)) as tape:
        empty, later = tape.book(BTC, T0 + 1), tape.book(BTC)

    assert (empty.bids, empty.offers, empty.certificate.checksum_rebuilt) == ((), (), 0)
    assert empty.certificate.begin_msg_seq_num == 2
    assert (later.bids, prices(later.offers)) == ((), ["10.5"])


def test_a_newer_snapshot_replaces_all(tmp_path: Path) -> None:
    """Also when it came in another batch."""
    first, second = Columns(), Columns()
    add_snapshot(first, seq=1, at=T0, levels=[(BID, 100, 1)])
    add_snapshot(second, seq=5, at=T0 + 1, levels=[(BID, 90, 1)])

    book = ask(tmp_path, first, second)

    assert (prices(book.bids), book.certificate.begin_msg_seq_num) == (["9.0"], 5)


def test_scales_are_aligned_without_rounding(tmp_path: Path) -> None:
    """A price written in two precisions is one level; nothing passes through a float."""
    columns = Columns()
    add_snapshot(columns, seq=1, at=T0, levels=[(BID, 280130, 2**53 + 1), (BID, 280120, 7)])
    finer = {"price_scale": 3, "size_scale": 10}
    add_change(columns, seq=2, at=T0 + 1, side=BID, price=28012000, size=900, action=Action.CHANGE, **finer)

    book = ask(tmp_path, columns)

    assert book.bids == (
        Level(Decimal("28013.000"), Decimal(2**53 + 1).scaleb(-8)),
        Level(Decimal("28012.000"), Decimal("0.0000000900")),
    )
    assert book.certificate.checksum_rebuilt is not None


def test_a_checksum_that_cannot_be_written_is_not_made_up(tmp_path: Path) -> None:
    """After a change to a coarser precision, levels finer than it leave the checksum open."""
    columns = Columns()
    add_snapshot(columns, seq=1, at=T0, levels=[(BID, 280135, 1)], price_scale=2)
    add_change(columns, seq=2, at=T0 + 1, checksum=1, side=BID, price=28000, price_scale=1)

    found = ask(tmp_path, columns).certificate

    assert (found.checksum_rebuilt, found.checksum_agrees) == (None, None)


def test_a_wrong_book_says_so(tmp_path: Path) -> None:
    """The checksum received is another: the certificate and the printed book both tell."""
    columns = Columns()
    add_snapshot(columns, seq=1, at=T0, levels=[(BID, 100, 1)])
    suspect = {"flags": Flag.SUSPECT_BOOK | Flag.LAST_ENTRY, "proof": Proof.SEQUENCE}
    add_change(columns, seq=2, at=T0 + 1, checksum=12345, side=BID, price=99, **suspect)

    book = ask(tmp_path, columns)

    found = book.certificate
    assert (found.checksum_agrees, found.rows_suspect, found.rows_unproven, found.last_proven) == (False, 1, 1, False)
    assert "DIFFERS FROM the venue's" in str(book)


def test_a_crossed_book_is_marked(tmp_path: Path) -> None:
    """Best bid at or above best offer shows in the first line."""
    columns = Columns()
    add_snapshot(columns, seq=1, at=T0, levels=[(BID, 100, 1), (OFFER, 100, 1)])

    book = ask(tmp_path, columns)

    assert book.is_crossed
    assert str(book).splitlines()[0].endswith(" CROSSED")


def test_levels_of_an_ended_session_are_not_carried_over(tmp_path: Path) -> None:
    """The new session has messages about the symbol and no snapshot yet: there is no book, and the error says why."""
    columns = guide()
    add(columns, "trades", receive_ns=T0 + 2 * SECOND, session_id="S2")
    add(columns, "messages", receive_ns=T0 + 2 * SECOND, session_id="S2")

    with Tape(make_lake(tmp_path, columns)) as tape:
        with pytest.raises(NoSnapshot, match="session S2 had sent no snapshot of it yet"):
            tape.book(BTC)
        assert tape.book(BTC, T0 + 2 * SECOND - 1).certificate.session_id == "S1"


def test_an_older_book_names_the_session_that_follows(tmp_path: Path) -> None:
    """The new session has not mentioned the symbol: the book is what was last known, and says so."""
    columns = guide()
    add(columns, "messages", receive_ns=T0 + 2 * SECOND, session_id="S2", symbol="ETH/USD")

    book = ask(tmp_path, columns)

    assert (book.certificate.session_id, book.certificate.later_session_id) == ("S1", "S2")
    assert "session S2 has not mentioned the symbol yet" in str(book)


def test_before_the_first_snapshot_there_is_no_book(tmp_path: Path) -> None:
    """Neither before the symbol's first message nor before its first snapshot."""
    columns = Columns()
    add(columns, "messages", receive_ns=T0)
    add_snapshot(columns, seq=2, at=T0 + 5, levels=[(BID, 1, 1)])

    with Tape(make_lake(tmp_path, columns)) as tape:
        with pytest.raises(NoSnapshot, match="no message about it is that old"):
            tape.book(BTC, T0 - 1)
        with pytest.raises(NoSnapshot, match="session S1 had sent no snapshot of it yet"):
            tape.book(BTC, T0)


def test_other_symbols_do_not_mix_in(tmp_path: Path) -> None:
    """Two books in one batch stay apart."""
    columns = guide()
    add_snapshot(columns, seq=8, at=T0, levels=[(BID, 17, 1)], symbol="ETH/USD")

    with Tape(make_lake(tmp_path, columns)) as tape:
        assert len(tape.book(BTC).bids) == 10
        assert prices(tape.book("ETH/USD").bids) == ["1.7"]


def test_messages_of_no_symbol_do_not_mix_in(tmp_path: Path) -> None:
    """A later message about no symbol, in the same row group, is not taken for the symbol's last."""
    columns = Columns()
    add_snapshot(columns, seq=1, at=T0, levels=[(Side.BID, 100, 1)])
    add_change(columns, seq=2, at=T0 + SECOND, side=Side.OFFER, price=110, size=5, checksum=7)
    add(columns, "messages", symbol=None, receive_ns=T0 + 2 * SECOND, msg_seq_num=3, msg_type="y")

    with Tape(make_lake(tmp_path, columns)) as tape:
        certificate = tape.book("BTC/USD").certificate

    assert (certificate.last_msg_seq_num, certificate.checksum_received) == (2, 7)


def test_a_book_without_rows_in_messages_is_still_a_book(tmp_path: Path) -> None:
    """Where the last message's row is missing, the certificate has no checksum to show."""
    columns = guide()
    add(columns, "book_changes", receive_ns=T0 + 2 * SECOND, msg_seq_num=13, side=BID, price=1)

    found = ask(tmp_path, columns).certificate

    assert (found.checksum_received, found.verdict, found.checksum_agrees) == (None, None, None)


def test_a_book_is_an_arrow_table(tmp_path: Path) -> None:
    """Levels are exact decimals, and the certificate goes with them."""
    table = ask(tmp_path, guide(), depth=1).to_arrow()

    assert table.to_pylist() == [
        {"side": "bid", "position": 1, "price": Decimal("28003.0"), "size": Decimal("0.00100000")},
        {"side": "offer", "position": 1, "price": Decimal("28013.0"), "size": Decimal("0.00096506")},
    ]
    assert json.loads(table.schema.metadata[CERTIFICATE_KEY])["checksum_rebuilt"] == GUIDE_CHECKSUM


def test_an_empty_book_is_an_arrow_table_too(tmp_path: Path) -> None:
    """No levels, the same columns."""
    columns = Columns()
    add_clear(columns, seq=1, at=T0)

    book = ask(tmp_path, columns)

    assert (book.to_arrow().num_rows, book.to_arrow().schema.names) == (0, ["side", "position", "price", "size"])
    assert str(book).splitlines()[1].split() == ["size", "bid", "|", "offer", "size"]


def test_a_book_prints_as_a_ladder(tmp_path: Path) -> None:
    """Bids left, offers right, best first, every digit shown."""
    columns = Columns()
    add_snapshot(columns, seq=1, at=T0, levels=[(BID, 280030, 48), (OFFER, 280130, 96506), (OFFER, 280398, 100000000)])

    lines = str(ask(tmp_path, columns)).splitlines()

    assert lines[:4] == [
        "BTC/USD at 2026-11-22T11:55:00.123456789Z",
        "      size      bid |   offer        size",
        "0.00000048  28003.0 | 28013.0  0.00096506",
        "                    | 28039.8  1.00000000",
    ]
    assert lines[4].startswith("snapshot 2026-11-22T11:55:00.123456789Z MsgSeqNum 1, session S1")


def test_a_null_size_holds_nothing(tmp_path: Path) -> None:
    """A row without a size, as no recorder writes, removes rather than fails."""
    columns = Columns()
    add_snapshot(columns, seq=1, at=T0, levels=[(BID, 100, 1)])
    add_change(columns, seq=2, at=T0 + 1, side=BID, price=100, size=NULL, action=Action.CHANGE)

    assert ask(tmp_path, columns).bids == ()


def test_the_next_checksum_is_told(tmp_path: Path) -> None:
    """Between two checksums the book has the one before, and the certificate says that the next one agrees too."""
    columns = guide()
    add_change(columns, seq=13, at=T0 + 2 * SECOND, side=BID, price=1)
    add_change(columns, seq=14, at=T0 + 3 * SECOND, checksum=1, side=BID, price=2)

    with Tape(make_lake(tmp_path, columns)) as tape:
        snapshot, last = tape.book(BTC, T0).certificate, tape.book(BTC, T0 + SECOND).certificate
        none = tape.book(BTC).certificate

    assert (snapshot.checksum_agrees, snapshot.next_msg_seq_num, snapshot.next_agrees) == (None, 12, True)
    assert (last.next_ns, last.next_checksum_received, last.next_agrees) == (T0 + 3 * SECOND, 1, False)
    assert (none.next_ns, none.next_agrees) == (None, None)


def test_levels_out_of_sight_are_counted(tmp_path: Path) -> None:
    """A level that left the depth may be there still; one that was named again, or is nearer than those held, is not
    blind."""
    columns = Columns()
    add_snapshot(columns, seq=1, at=T0, levels=[(BID, 100, 1), (BID, 99, 2), (OFFER, 101, 3)])
    evict = {"action": Action.EVICT, "size": 0, "remaining_size": 5}
    for seq, price in enumerate([98, 97, 96], 2):
        add_change(columns, seq=seq, at=T0 + seq, side=BID, price=price, **evict)
    add_change(columns, seq=5, at=T0 + 5, side=BID, price=96, size=7)
    add_change(columns, seq=6, at=T0 + 6, side=OFFER, price=105, **evict)

    with Tape(make_lake(tmp_path, columns)) as tape:
        early, late = tape.book(BTC, T0 + 4), tape.book(BTC)

    assert (early.certificate.blind_bids, early.certificate.blind_offers) == (3, 0)
    assert (late.certificate.blind_bids, late.certificate.blind_offers) == (0, 1)
    assert "blind    0 bids and 1 offers left the depth since" in str(late)


def test_gaps_and_suspect_spans_are_told(tmp_path: Path) -> None:
    """Events of the symbol and its session since the book began, in order; a suspicion that was not healed stands."""
    columns = guide()
    add(columns, "events", receive_ns=T0 + 1, kind="gap", msg_seq_num=8, text="8 to 11")
    add(columns, "events", receive_ns=T0 + 2, kind="suspect", symbol=BTC, from_ns=T0, to_ns=T0 + 2, text="missing")
    add(columns, "events", receive_ns=T0 + 3, kind="suspect", symbol="ETH/USD")
    add(columns, "events", receive_ns=T0 + 3, kind="gap", session_id="S9")
    add(columns, "events", receive_ns=T0 + 5, kind="healed", symbol=BTC, from_ns=T0, to_ns=T0 + 5)

    with Tape(make_lake(tmp_path, columns)) as tape:
        within, after = tape.book(BTC, T0 + 3), tape.book(BTC, T0 + SECOND)

    assert [(it.kind, it.at_ns - T0) for it in within.certificate.crossed] == [("gap", 1), ("suspect", 2)]
    assert within.certificate.suspect_since_ns == T0
    assert "suspect  since" in str(within)
    assert [it.kind for it in after.certificate.crossed] == ["gap", "suspect", "healed"]
    assert after.certificate.suspect_since_ns is None
