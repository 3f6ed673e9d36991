"""The books asked for, one or many, are those that applying every change in order gives."""

import tempfile
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
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


@settings(max_examples=20, deadline=None)
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


@settings(max_examples=20, deadline=None)
@given(first=snapshots, tape=tapes, cuts=st.sets(st.integers(1, 30), max_size=3), start=st.integers(-2, 8))
def test_a_replay_equals_its_replay(
    first: tuple[str, Any], tape: list[tuple[int, tuple[str, Any]]], cuts: set[int], start: int
) -> None:
    """At each nanosecond of a window, and after each message in it, whatever came before the window."""
    steps, at = [(T0, first)], T0
    for gap, message in tape:
        at += gap
        steps.append((at, message))
    start = min(start, at - T0)
    batches, book = [Columns()], dict[tuple[Side, Decimal], Decimal]()
    by_message, by_moment = [], {}
    for seq, (moment, (kind, content)) in enumerate(steps, 1):
        if seq in cuts:
            batches.append(Columns())
        record(batches[-1], seq, moment, kind, content)
        apply(book, kind, content)
        by_moment[moment] = sides(book)
        if T0 + start <= moment <= at:
            by_message.append((moment, sides(book)))
    by_step, now = [], ([], [])
    for moment in range(T0, at + 1):
        now = by_moment.get(moment, now)
        by_step.append((moment, now))

    with tempfile.TemporaryDirectory() as root, Tape(make_lake(Path(root), *batches)) as opened:
        each_ns = opened.replay(BTC, T0 - 2, every=1, depth=12).to_arrow()
        each_message = opened.replay(BTC, max(T0 + start, 0), T0 + 200, events=True, depth=12).to_arrow()

    assert shown(each_ns) == [(T0 - 2, ([], [])), (T0 - 1, ([], [])), *by_step]
    assert shown(each_message) == by_message


def sides(book: dict[tuple[Side, Decimal], Decimal]) -> tuple[list[tuple[Decimal, Decimal]], ...]:
    return tuple(
        sorted(((price, size) for (of, price), size in book.items() if of is side), reverse=side is Side.BID)
        for side in Side
    )


def shown(table: pa.Table) -> list[tuple[int, tuple[list[tuple[Decimal, Decimal]], ...]]]:
    """The moments and levels of a replay, levels as decimals."""
    return [
        (
            row["at_ns"],
            tuple(
                [
                    (Decimal(price).scaleb(-row["price_scale"]), Decimal(size).scaleb(-row["size_scale"]))
                    for price, size in zip(row[f"{side}_prices"], row[f"{side}_sizes"], strict=True)
                    if price is not None
                ]
                for side in ("bid", "offer")
            ),
        )
        for row in table.to_pylist()
    ]
