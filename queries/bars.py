"""Bars: trades by time, by count, by volume and by notional; quotes by time.

Layer: queries, over the engine. Knows which files the question needs; the questions are `sql/bars.sql`,
`sql/quote_bars.sql` and their parts.
Source: design section 7; docs/queries.md says what each column means.
Left to others: which seconds are known (`queries.silence`).

Intervals are whole and lie on multiples of their length since the epoch, so that the same interval of two windows is
the same bar: a window is widened to whole ones.
"""

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Final, Literal, NamedTuple

import duckdb

from queries.engine import Engine
from queries.errors import Misused
from queries.silence import SECONDS_PARTS, Sources, silence_sources
from queries.times import NS_MAX, Duration, Window, duration_ns

Exact = int | str | Decimal
Counted = Literal["ticks", "volume", "notional"]

BARS_LIMIT: Final = 5_000_000  # Of one question: two months of seconds.
EVERY_DEFAULT: Final = "1m"
SCALE_LIMIT: Final = 12  # Decimals of a threshold.
_DIGITS_LIMIT: Final = 10**18
_SECOND_NS: Final = 10**9
KNOWN_PARTS: Final = {**SECONDS_PARTS, "known": "part_known"}
COUNTED_PARTS: Final = {"counted": "part_counted"}
_JUDGED: Final = {**COUNTED_PARTS, "touched": "part_touched", "judged": "part_judged"}
_JUDGED_WHOLE: Final = {"touched": "part_touched_whole", "judged": "part_judged"}


class Threshold(NamedTuple):
    """How much makes a bar full, as an integer scaled by a power of ten."""

    counted: Counted
    digits: int
    scale: int


def threshold(*, ticks: int | None, volume: Exact | None, notional: Exact | None) -> Threshold | None:
    """Return what is counted and how much of it makes a bar, or None if nothing is. Errors: Misused."""
    given: dict[Counted, Exact | None] = {"ticks": ticks, "volume": volume, "notional": notional}
    asked = [(counted, amount) for counted, amount in given.items() if amount is not None]
    if len(asked) > 1:
        raise Misused(f"bars: {' and '.join(name for name, _ in asked)} given; use one of them")
    if not asked:
        return None
    counted, amount = asked[0]
    digits, scale = exact_digits(f"bars: {counted}", amount)
    if counted == "ticks" and scale:
        raise Misused(f"bars: ticks is {amount}; use a whole number above zero")
    return Threshold(counted, digits, scale)


def exact_digits(name: str, amount: Exact) -> tuple[int, int]:
    """Return a number above zero as an integer and how many of its digits are decimals. Errors: Misused."""
    if isinstance(amount, bool) or not isinstance(amount, int | str | Decimal):
        raise Misused(f"{name} is {amount!r}; use an int, a Decimal or a string, which are exact")
    try:
        sign, digits, exponent = Decimal(amount).as_tuple()
    except InvalidOperation:
        raise Misused(f"{name} is {amount!r}; use a number above zero") from None
    if not isinstance(exponent, int) or abs(exponent) > SCALE_LIMIT:
        raise Misused(f"{name} is {amount}; use a number above zero with at most {SCALE_LIMIT} decimals")
    scaled = int("".join(map(str, digits))) * 10 ** max(exponent, 0)
    if sign or not 0 < scaled < _DIGITS_LIMIT:
        raise Misused(f"{name} is {amount}; use a number above zero")
    return scaled, max(-exponent, 0)


def time_bars(engine: Engine, symbol: str, bounds: Window, every: Duration) -> duckdb.DuckDBPyRelation:
    """Return a bar for each interval of a window, also for those without a trade.

    Errors: Misused where they are too many, DurationNotUnderstood.
    """
    every_ns = duration_ns(every)
    whole = widened(closed(engine, bounds), every_ns)
    files, parameters, tables, _ = known_around(engine, symbol, whole)
    files["trades"] = engine.files("trades", start_ns=whole.start_ns, end_ns=whole.end_ns, symbol=symbol)
    cells = {"spans": "part_spans_time", "priced": "part_priced", "cells": "part_cells_time", "traded": "part_traded"}
    parameters = {**parameters, "every_ns": every_ns}
    parts = {**KNOWN_PARTS, **cells, **judged_parts(every_ns)}
    return engine.ask("bars", files, parameters, parts=parts, tables=tables)


def counted_bars(engine: Engine, symbol: str, bounds: Window, full: Threshold) -> duckdb.DuckDBPyRelation:
    """Return bars of so many ticks, so much volume or notional each, from the first trade of a window on."""
    window = closed(engine, bounds)
    files, parameters, tables, _ = known_around(engine, symbol, window)
    files["trades"] = engine.files("trades", start_ns=window.start_ns, end_ns=window.end_ns, symbol=symbol)
    cells = {
        "priced": "part_priced",
        "cells": "part_cells_counted",
        "traded": "part_traded",
        "spans": "part_spans_traded",
    }
    full_bar = {"counted": full.counted, "threshold": full.digits, "threshold_scale": full.scale}
    parameters = {**parameters, **full_bar}
    return engine.ask("bars", files, parameters, parts={**KNOWN_PARTS, **cells, **_JUDGED}, tables=tables)


def quote_bars(engine: Engine, symbol: str, bounds: Window, every: Duration) -> duckdb.DuckDBPyRelation:
    """Return a bar of the top of book for each interval of a window. Errors: as `time_bars`."""
    every_ns = duration_ns(every)
    whole = widened(closed(engine, bounds), every_ns)
    files, parameters, tables, _ = known_around(engine, symbol, whole)
    standing_ns = standing_quote_ns(engine, symbol, whole.start_ns)
    files["quotes"] = engine.files("quotes", start_ns=standing_ns, end_ns=whole.end_ns, symbol=symbol)
    cells = {"spans": "part_spans_time", "quoted": "part_quoted", "quote_cells": "part_quote_cells"}
    parameters = {**parameters, "every_ns": every_ns, "standing_ns": standing_ns, "quotes_end_ns": whole.end_ns}
    parts = {**KNOWN_PARTS, **cells, **judged_parts(every_ns)}
    return engine.ask("quote_bars", files, parameters, parts=parts, tables=tables)


def judged_parts(every_ns: int) -> Mapping[str, str]:
    """Return the parts that judge the intervals of a length: of whole seconds, these need only be counted."""
    return _JUDGED if every_ns % _SECOND_NS else _JUDGED_WHOLE


def standing_quote_ns(engine: Engine, symbol: str, at_ns: int) -> int:
    """Return when the quote came that stood just before a moment; the moment itself where there was none."""
    files = engine.files("quotes", start_ns=0, end_ns=at_ns, symbol=symbol)
    newest = engine.newest("last_quote", "quotes", files, {"symbol": symbol, "at_ns": at_ns - 1})
    return at_ns if newest is None else int(newest[-1])


def closed(engine: Engine, bounds: Window) -> Window:
    """Return a window with both ends: an open one is where the lake ends."""
    extent = engine.extent()
    assert extent is not None, "a lake that knows a symbol has rows"
    start_ns = bounds.start_ns if bounds.start_ns > 0 else extent[0]
    return Window(start_ns, bounds.end_ns if bounds.end_ns < NS_MAX else extent[1] + 1)


def widened(bounds: Window, every_ns: int) -> Window:
    """Return a window of whole intervals. Errors: Misused where they are too many."""
    whole = Window(bounds.start_ns // every_ns * every_ns, -(-bounds.end_ns // every_ns) * every_ns)
    count = (whole.end_ns - whole.start_ns) // every_ns
    if count > BARS_LIMIT:
        raise Misused(f"{count} intervals in the window from {bounds}, at most {BARS_LIMIT}; use a longer interval")
    return whole


def known_around(engine: Engine, symbol: str, bounds: Window) -> Sources:
    """Return what `part_known` needs, a second more on both sides: a session may end in the last one or go on."""
    wider = Window(max(bounds.start_ns - _SECOND_NS, 0), min(bounds.end_ns, NS_MAX - _SECOND_NS) + _SECOND_NS)
    sources = silence_sources(engine, symbol, wider)
    return sources._replace(parameters={**sources.parameters, "first_ns": bounds.start_ns, "last_ns": bounds.end_ns})
