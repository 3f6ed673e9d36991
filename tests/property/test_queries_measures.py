"""Each measure is what its formula gives, computed one quote, trade and level after the other."""

import tempfile
from collections import Counter
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from lake_maker import make_lake
from lake_rows import SECOND, add, add_snapshot
from told import Told, ns

from capture.columns import NULL, Action, Side
from queries.measures import NAMES, TRADED_NS, Options
from queries.tape import Tape

BTC = "BTC/USD"
EVERY, CELLS = 2 * SECOND, 8
START = ns(4)
OPTIONS = Options(horizon="1500ms", levels=2, bps=3000, size="0.00000003", depth=20)
HORIZON = 1500 * SECOND // 1000
LEVELS = [(Side.BID, 60, 4), (Side.BID, 50, 2), (Side.OFFER, 70, 3), (Side.OFFER, 80, 1)]
ACTIONS = (Action.NEW, Action.CHANGE, Action.DELETE, Action.EVICT)


class Quote(NamedTuple):
    bid: int | None
    offer: int | None
    bid_size: int
    offer_size: int
    finer: int


class Trade(NamedTuple):
    price: int
    size: int
    side: int
    finer: int


class Change(NamedTuple):
    side: Side
    price: int
    size: int
    action: Action


class Step(NamedTuple):
    """One message: how long after the one before, how late, and what it says."""

    after_ms: int
    late_ms: int
    says: Quote | Trade | Change


class Said(NamedTuple):
    """The same with its moment and its number."""

    at: int
    seq: int
    late_ms: int
    says: Any


price = st.integers(50, 90)
quotes = st.builds(
    Quote, *[st.one_of(price, price, price, st.none())] * 2, st.integers(1, 9), st.integers(1, 9), st.integers(0, 1)
)
trades = st.builds(Trade, price, st.integers(1, 9), st.integers(0, 2), st.integers(0, 1))
changes = st.builds(
    Change, st.sampled_from(Side), price.map(lambda it: it // 10 * 10), st.integers(0, 5), st.sampled_from(ACTIONS)
)
steps = st.builds(Step, st.integers(0, 900), st.integers(0, 50), st.one_of(quotes, quotes, trades, changes))


def told_of(steps: list[Step]) -> tuple[Told, list[Said]]:
    """A tape on which all is known from second 1 on, and what was said on it."""
    told = Told().open(0.0).event(0.5, "snapshot", 2, symbol=BTC)
    add_snapshot(told.columns, seq=2, at=ns(0.5), levels=LEVELS)
    said, at = [], ns(3)
    for seq, (after_ms, late_ms, says) in enumerate(steps, 3):
        at += after_ms * 1_000_000
        said.append(Said(at, seq, late_ms, says))
        place = {"receive_ns": at, "msg_seq_num": seq, "sending_ms": at // 1_000_000 - late_ms}
        add(told.columns, "messages", **place)
        if isinstance(says, Quote):
            bid, offer = (NULL if it is None else it * 10**says.finer for it in (says.bid, says.offer))
            sizes = {"bid_size": says.bid_size, "offer_size": says.offer_size, "price_scale": 1 + says.finer}
            add(told.columns, "quotes", **place, bid_price=bid, offer_price=offer, **sizes)
        elif isinstance(says, Trade):
            finer, values = says.finer, {"aggressor_side": says.side}
            scales = {"price_scale": 1 + finer, "size_scale": 8 + finer}
            priced = {"price": says.price * 10**finer, "size": says.size * 10**finer}
            add(told.columns, "trades", **place, **values, **scales, **priced)
        else:
            gone = says.action in (Action.DELETE, Action.EVICT)
            size = 0 if gone else says.size
            add(told.columns, "book_changes", **place, side=says.side, price=says.price, size=size, action=says.action)
    told.event(60.0, "heartbeat", 9000).event(70.0, "heartbeat", 9001)
    return told, said


def mean(pairs: list[tuple[Any, Any]]) -> Any:
    """The mean of values by their weights; null without any weight."""
    weight = sum(weight for _, weight in pairs)
    return sum(Fraction(value) * weight for value, weight in pairs) / weight if weight else None


def middle(quote: Quote | None) -> Fraction | None:
    if quote is None or quote.bid is None or quote.offer is None:
        return None
    return Fraction(quote.bid + quote.offer, 2)


def of_quotes(quotes: list[Said], cell: int) -> dict[str, Any]:
    stood = [it for it in quotes if it.at < cell][-1:]
    inside = [it for it in quotes if cell <= it.at < cell + EVERY]
    points = [(cell, it.says) for it in stood] + [(it.at, it.says) for it in inside]
    ends = [*(at for at, _ in points[1:]), cell + EVERY]
    lives = zip(points, ends[: len(points)], strict=True)  # Where nothing was quoted yet, nothing ends.
    both = [(it, end - at) for (at, it), end in lives if middle(it) is not None]
    found: dict[str, Any] = {
        "spread": mean([(Fraction(it.offer - it.bid, 10), weight) for it, weight in both]),
        "spread_bps": mean([((it.offer - it.bid) / middle(it) * 10_000, weight) for it, weight in both]),
        "quote_count": len(inside),
        "order_flow_imbalance": Fraction(0),
        "mid": None,
        "microprice": None,
        "imbalance": None,
    }
    lived = [it.at - before.at for before, it in pairwise([*stood, *inside])]
    found["quote_lifetime_ms"] = Fraction(sum(lived), len(lived) * 1_000_000) if lived else None
    for before, it in pairwise([*(it.says for it in stood), *(it.says for it in inside)]):
        flow = 0
        if it.bid is not None and before.bid is not None:
            flow += (it.bid_size if it.bid >= before.bid else 0) - (before.bid_size if it.bid <= before.bid else 0)
        if it.offer is not None and before.offer is not None:
            flow -= it.offer_size if it.offer <= before.offer else 0
            flow += before.offer_size if it.offer >= before.offer else 0
        found["order_flow_imbalance"] += Fraction(flow, 10**8)
    if points:
        last = points[-1][1]
        found["imbalance"] = Fraction(last.bid_size - last.offer_size, last.bid_size + last.offer_size)
        if middle(last) is not None:
            found["mid"] = middle(last) / 10
            weighted = last.bid * last.offer_size + last.offer * last.bid_size
            found["microprice"] = Fraction(weighted, 10 * (last.bid_size + last.offer_size))
    return found


def of_trades(quotes: list[Said], trades: list[Said], cell: int) -> dict[str, Any]:
    paid, kept, impact, moves, through = [], [], [], [], []
    for it in (it for it in trades if cell <= it.at < cell + EVERY):
        before = next((quote.says for quote in reversed(quotes) if quote.seq < it.seq), None)
        later = next((quote.says for quote in reversed(quotes) if quote.at <= it.at + HORIZON), None)
        sign = {1: 1, 2: -1, 0: None}[it.says.side]
        if sign is None:
            continue
        then, after, size = middle(before), middle(later), it.says.size
        if then is not None:
            paid.append((2 * sign * (it.says.price - then) / 10, size))
        if after is not None:
            kept.append((2 * sign * (it.says.price - after) / 10, size))
        if then is not None and after is not None:
            impact.append((2 * sign * (after - then) / 10, size))
            moves.append((Fraction(sign * size, 10**8), (after - then) / 10))
        best = None if before is None else (before.offer if sign == 1 else before.bid)
        if best is not None:
            through.append(it.says.price > best if sign == 1 else it.says.price < best)
    slope = None
    if moves:
        volume, move = (sum(it) / len(moves) for it in zip(*moves, strict=True))
        spread = sum((x - volume) ** 2 for x, _ in moves)
        slope = sum((x - volume) * (y - move) for x, y in moves) / spread if spread else None
    rate = Fraction(sum(through), len(through)) if through else None
    return {
        "effective_spread": mean(paid),
        "realised_spread": mean(kept),
        "price_impact": mean(impact),
        "kyle_lambda": slope,
        "trade_through_rate": rate,
    }


def of_changes(changes: list[Said], trades: list[Said], cell: int) -> dict[str, Any]:
    inside = [it for it in changes if cell <= it.at < cell + EVERY]
    counts = Counter(it.says.action for it in inside)
    cancelled = [
        it
        for it in inside
        if it.says.action is Action.DELETE
        and not any(t.says.price == it.says.price and abs(t.at - it.at) <= TRADED_NS for t in trades)
    ]
    own = counts.total() - counts[Action.EVICT]
    return {
        "cancel_rate": Fraction(len(cancelled), own) if own else None,
        "eviction_rate": Fraction(counts[Action.EVICT], counts.total()) if inside else None,
    }


def of_depth(changes: list[Said], cell: int) -> dict[str, Any]:
    book: dict[tuple[Side, int], int] = {(side, price): size for side, price, size in LEVELS}
    for it in (it for it in changes if it.at < cell + EVERY):
        book.pop((it.says.side, it.says.price), None)
        if it.says.action in (Action.NEW, Action.CHANGE) and it.says.size:
            book[it.says.side, it.says.price] = it.says.size
    bids = sorted(((price, size) for (side, price), size in book.items() if side is Side.BID), reverse=True)
    offers = sorted((price, size) for (side, price), size in book.items() if side is Side.OFFER)
    found: dict[str, Any] = dict.fromkeys(
        ("imbalance_of_levels", "bid_depth", "offer_depth", "buy_cost_bps", "sell_cost_bps")
    )
    bid, offer = (sum(size for _, size in side[: OPTIONS.levels]) for side in (bids, offers))
    found["imbalance_of_levels"] = Fraction(bid - offer, bid + offer) if bid + offer else None
    if bids and offers:
        centre = Fraction(bids[0][0] + offers[0][0], 2)
        for name, side in (("bid_depth", bids), ("offer_depth", offers)):
            near = [size for price, size in side if abs(price - centre) <= centre * OPTIONS.bps / 10_000]
            found[name] = Fraction(sum(near), 10**8)
        for name, side, sign in (("buy_cost_bps", offers, 1), ("sell_cost_bps", bids, -1)):
            left, cost = 3, Fraction(0)
            for price, size in side:
                taken = min(left, size)
                left, cost = left - taken, cost + taken * price
            found[name] = None if left else sign * (cost / 3 - centre) / centre * 10_000
    return found


def of_latency(said: list[Said], cell: int) -> dict[str, Any]:
    late = sorted(it.at // 1_000_000 - (it.at // 1_000_000 - it.late_ms) for it in said if cell <= it.at < cell + EVERY)
    if not late:
        return dict.fromkeys(("latency_p50_ms", "latency_p99_ms", "latency_max_ms"))
    ranks = {"latency_p50_ms": Fraction(1, 2), "latency_p99_ms": Fraction(99, 100), "latency_max_ms": Fraction(1)}
    return {name: late[max(-(-rank.numerator * len(late) // rank.denominator) - 1, 0)] for name, rank in ranks.items()}


@settings(max_examples=5, deadline=None)
@example(steps=[Step(0, 0, Trade(50, 1, 0, 0))] * 10)
@given(steps=st.lists(steps, min_size=10, max_size=60))
def test_measures_follow_their_formulas(steps: list[Step]) -> None:
    """Twenty-three measures of eight intervals, over any mix of quotes, trades, changes, scales and empty sides."""
    told, said = told_of(steps)
    by_kind = {kind: [it for it in said if isinstance(it.says, kind)] for kind in (Quote, Trade, Change)}

    with tempfile.TemporaryDirectory() as directory, Tape(make_lake(Path(directory), told.columns)) as tape:
        found = tape.measures(BTC, START, START + CELLS * EVERY, every=EVERY, options=OPTIONS, strict=True)
        rows = found.project(", ".join(("from_ns", *NAMES))).to_arrow_table().to_pylist()

    assert [row["from_ns"] for row in rows] == [START + index * EVERY for index in range(CELLS)]
    for row in rows:
        cell = row["from_ns"]
        wanted = {
            **of_quotes(by_kind[Quote], cell),
            **of_trades(by_kind[Quote], by_kind[Trade], cell),
            **of_changes(by_kind[Change], by_kind[Trade], cell),
            **of_depth(by_kind[Change], cell),
            **of_latency(said, cell),
        }
        assert set(wanted) == set(NAMES)
        for name, value in wanted.items():
            expected = None if value is None else pytest.approx(float(value), rel=1e-9, abs=1e-9)
            assert row[name] == expected, (name, cell)
