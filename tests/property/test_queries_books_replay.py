"""The book asked for is the book that applying every change in order gives."""

import tempfile
from decimal import Decimal
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from lake_maker import make_lake
from lake_rows import T0, add_change, add_clear, add_snapshot

from capture.columns import Action, Columns, Side
from queries.tape import Tape

BTC = "BTC/USD"

levels = st.tuples(st.sampled_from(Side), st.integers(1, 12), st.integers(0, 3))
snapshots = st.lists(levels, max_size=6, unique_by=lambda level: level[:2]).map(lambda rows: ("snapshot", rows))
changes = st.tuples(
    levels,
    st.sampled_from([Action.NEW, Action.CHANGE, Action.DELETE, Action.EVICT]),
    st.integers(0, 2),
).map(lambda change: ("change", change))
clears = st.just(("clear", None))
gaps = st.integers(0, 2)  # Several messages of one socket read bear the same receive time.
tapes = st.lists(st.tuples(gaps, st.one_of(changes, changes, changes, snapshots, clears)), max_size=30)


def apply(book: dict[tuple[Side, Decimal], Decimal], kind: str, content: Any) -> None:
    """Apply one message as the venue's rules say, one level after the other."""
    if kind in ("snapshot", "clear"):
        book.clear()
        for side, price, size in content or ():
            if size:
                book[side, Decimal(price * 10).scaleb(-2)] = Decimal(size).scaleb(-8)
        return
    (side, price, size), action, finer = content
    key = (side, Decimal(price * 10).scaleb(-2))
    if action in (Action.DELETE, Action.EVICT) or not size:
        book.pop(key, None)
    else:
        book[key] = Decimal(size).scaleb(-8 - finer)


def record(columns: Columns, seq: int, at: int, kind: str, content: Any) -> None:
    if kind == "snapshot" and content:
        add_snapshot(
            columns, seq=seq, at=at, levels=[(side, price * 10, size) for side, price, size in content], price_scale=2
        )
    elif kind == "change":
        (side, price, size), action, finer = content
        scales = {"price": price * 10 ** (1 - finer % 2), "price_scale": 2 - finer % 2, "size_scale": 8 + finer}
        add_change(columns, seq=seq, at=at, side=side, size=size, action=action, **scales)
    else:
        add_clear(columns, seq=seq, at=at)


@settings(max_examples=40, deadline=None)
@given(first=snapshots, tape=tapes, cuts=st.sets(st.integers(1, 30), max_size=3), data=st.data())
def test_a_book_equals_its_replay(
    first: tuple[str, Any], tape: list[tuple[int, tuple[str, Any]]], cuts: set[int], data: st.DataObject
) -> None:
    """At any moment, however the rows were cut into batches and whatever precision each was written in."""
    steps, at = [(T0, first)], T0
    for gap, message in tape:
        at += gap
        steps.append((at, message))
    moment = data.draw(st.sampled_from(steps), label="moment")[0]
    batches, expected = [Columns()], dict[tuple[Side, Decimal], Decimal]()
    for seq, (at, (kind, content)) in enumerate(steps, 1):
        if seq in cuts:
            batches.append(Columns())
        record(batches[-1], seq, at, kind, content)
        if at <= moment:
            apply(expected, kind, content)

    with tempfile.TemporaryDirectory() as root, Tape(make_lake(Path(root), *batches)) as opened:
        book = opened.book(BTC, moment, depth=100)

    for side, found in ((Side.BID, book.bids), (Side.OFFER, book.offers)):
        held = sorted(((price, size) for (of, price), size in expected.items() if of is side), reverse=side is Side.BID)
        assert [(level.price, level.size) for level in found] == held
