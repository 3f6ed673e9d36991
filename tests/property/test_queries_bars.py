"""Bars are what adding up trade by trade, and quote by quote, gives."""

import tempfile
from decimal import Decimal
from fractions import Fraction
from itertools import accumulate
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lake_maker import make_lake
from lake_rows import SECOND, add
from told import Told, ns

from capture.columns import NULL
from queries.tape import Tape

SYMBOLS = 3


class Trade(NamedTuple):
    at: int
    price: int
    size: int
    finer: int  # Decimals more than the others have, of price and size.
    side: int


class Quote(NamedTuple):
    at: int
    bid: int | None
    offer: int | None
    finer: int


moments = st.integers(0, 20 * SECOND).map(lambda it: ns(10) + it)
trades = st.builds(Trade, moments, st.integers(1, 500), st.integers(1, 10**9), st.integers(0, 2), st.integers(0, 2))
prices = st.one_of(st.none(), st.integers(1, 500))
quotes = st.builds(Quote, moments, prices, prices, st.integers(0, 2))


def by_arrival(rows: list[Any]) -> list[Any]:
    return sorted(rows, key=lambda row: row.at)


def quiet_session(symbols: int) -> Told:
    """A session in which all is known from second 1 to 100, and each symbol's book stands."""
    told = Told().open(0.0)
    for index in range(symbols):
        told.event(0.5, "snapshot", 2 + index, symbol=f"S{index}").message(0.5, 2 + index, f"S{index}")
    return told.event(50.0, "heartbeat", 20_000).event(110.0, "heartbeat", 20_001)


def exact(digits: int | None, scale: int) -> Fraction | None:
    return None if digits is None else Fraction(int(digits), 10**scale)


def number(trade: Trade) -> tuple[Fraction, Fraction]:
    return Fraction(trade.price, 10 ** (1 + trade.finer)), Fraction(trade.size, 10 ** (8 + trade.finer))


def bar_of(trades: list[Trade]) -> dict[str, Any]:
    """What a bar says of its trades, one by one."""
    bar: dict[str, Any] = {"volume": Fraction(0), "notional": Fraction(0), "trades": 0, "buys": 0, "sells": 0}
    bar |= {"buy_volume": Fraction(0), "sell_volume": Fraction(0)}
    bar |= dict.fromkeys(("open", "high", "low", "close"))
    for trade in trades:
        price, size = number(trade)
        bar["open"] = price if bar["open"] is None else bar["open"]
        bar["high"] = price if bar["high"] is None else max(bar["high"], price)
        bar["low"] = price if bar["low"] is None else min(bar["low"], price)
        bar["close"] = price
        bar["volume"] += size
        bar["notional"] += size * price
        bar["trades"] += 1
        for side, word in ((1, "buy"), (2, "sell")):
            bar[f"{word}s"] += trade.side == side
            bar[f"{word}_volume"] += size if trade.side == side else 0
    return bar


def said(row: dict[str, Any]) -> dict[str, Any]:
    """The same of a row, from its integers."""
    price, size = row["price_scale"] or 0, row["size_scale"] or 0
    bar = {name: exact(row[f"{name}_scaled"], price) for name in ("open", "high", "low", "close")}
    bar |= {name: exact(row[f"{name}_scaled"], size) for name in ("volume", "buy_volume", "sell_volume")}
    bar |= {name: row[name] for name in ("trades", "buys", "sells")}
    return bar | {"notional": exact(row["notional_scaled"], price + size)}


def rows_of(relation: Any) -> list[dict[str, Any]]:
    names = [name for name in relation.columns if not name.endswith("_time")]
    return list(relation.project(", ".join(names)).to_arrow_table().to_pylist())


@settings(max_examples=4, deadline=None)
@given(
    found=st.lists(st.lists(trades, max_size=12).map(by_arrival), min_size=SYMBOLS, max_size=SYMBOLS),
    every=st.sampled_from([SECOND // 10, SECOND, 3 * SECOND, 7 * SECOND // 4]),
    ticks=st.integers(1, 4),
    volume=st.integers(1, 2 * 10**9),
    notional=st.integers(1, 10**10),
)
def test_bars_add_up(found: list[list[Trade]], every: int, ticks: int, volume: int, notional: int) -> None:
    """Each number of a time bar, and which trades share a counted bar, to the last digit at any mix of scales."""
    told = quiet_session(SYMBOLS)
    for index, rows in enumerate(found):
        for seq, trade in enumerate(rows, 100):
            finer = trade.finer
            add(
                told.columns, "trades", symbol=f"S{index}", receive_ns=trade.at, msg_seq_num=seq, price=trade.price,
                size=trade.size, price_scale=1 + finer, size_scale=8 + finer, aggressor_side=trade.side,
            )  # fmt: skip
    with tempfile.TemporaryDirectory() as directory, Tape(make_lake(Path(directory), told.columns)) as tape:
        for index, rows in enumerate(found):
            bars = rows_of(tape.bars(f"S{index}", ns(10), ns(31), every=every))
            assert [bar["from_ns"] for bar in bars] == list(range(ns(10) // every * every, ns(31), every))
            for bar in bars:
                inside = [trade for trade in rows if bar["from_ns"] <= trade.at < bar["to_ns"]]
                assert said(bar) == bar_of(inside)
                assert (bar["state"], bar["unknown_seconds"]) == ("quiet", 0)
                if inside:
                    assert bar["vwap"] == pytest.approx(float(bar_of(inside)["notional"] / bar_of(inside)["volume"]))
            kinds = [
                ("ticks", Fraction(ticks), [Fraction(1) for _ in rows]),
                ("volume", Fraction(volume, 10**8), [number(trade)[1] for trade in rows]),
                ("notional", Fraction(notional, 10**8), [number(trade)[0] * number(trade)[1] for trade in rows]),
            ]
            for name, full, amounts in kinds[index : index + 1]:
                asked = ticks if name == "ticks" else Decimal(full.numerator) / Decimal(full.denominator)
                counted = rows_of(tape.bars(f"S{index}", ns(10), ns(31), **{name: asked}))
                cells: dict[int, list[Trade]] = {}
                for trade, amount, total in zip(rows, amounts, accumulate(amounts), strict=True):
                    cells.setdefault((total - amount) // full, []).append(trade)
                assert [said(bar) for bar in counted] == [bar_of(cell) for cell in cells.values()]
                assert [bar["to_ns"] for bar in counted] == [cell[-1].at + 1 for cell in cells.values()]
                assert [bar["complete"] for bar in counted[:-1]] == [True] * len(counted[:-1])
                if counted:
                    assert counted[-1]["complete"] == (sum(amounts) >= (list(cells)[-1] + 1) * full)


@settings(max_examples=4, deadline=None)
@given(
    found=st.lists(st.lists(quotes, max_size=12).map(by_arrival), min_size=SYMBOLS, max_size=SYMBOLS),
    every=st.sampled_from([SECOND // 2, SECOND, 3 * SECOND]),
    start=st.integers(10, 20),
)
def test_quote_bars_follow_the_top(found: list[list[Quote]], every: int, start: int) -> None:
    """A bar opens with the quote that stood, also one from before the window, and an empty side stays empty."""
    told = quiet_session(SYMBOLS)
    for index, rows in enumerate(found):
        for seq, quote in enumerate(rows, 100):
            bid, offer = (NULL if it is None else it for it in (quote.bid, quote.offer))
            add(
                told.columns, "quotes", symbol=f"S{index}", receive_ns=quote.at, msg_seq_num=seq, bid_price=bid,
                offer_price=offer, price_scale=1 + quote.finer,
            )  # fmt: skip
    with tempfile.TemporaryDirectory() as directory, Tape(make_lake(Path(directory), told.columns)) as tape:
        for index, rows in enumerate(found):
            for bar in rows_of(tape.quote_bars(f"S{index}", ns(start), ns(31), every=every)):
                stood = [quote for quote in rows if quote.at < bar["from_ns"]][-1:]
                inside = [quote for quote in rows if bar["from_ns"] <= quote.at < bar["to_ns"]]
                assert (bar["quotes"], bar["state"]) == (len(inside), "quiet")
                for side in ("bid", "offer"):
                    seen = [exact(getattr(quote, side), 1 + quote.finer) for quote in (*stood, *inside)]
                    known = [price for price in seen if price is not None]
                    wanted = (
                        [seen[0], max(known, default=None), min(known, default=None), seen[-1]] if seen else [None] * 4
                    )
                    names = [f"{side}_{part}_scaled" for part in ("open", "high", "low", "close")]
                    assert [exact(bar[name], bar["price_scale"] or 0) for name in names] == wanted
