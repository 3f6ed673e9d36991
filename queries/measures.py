"""Measures of a market by interval: of its top of book, its trades, its changes, its depth, and of the line.

Layer: queries, over the engine. Knows which files each measure needs; the formulas are macros, `sql/macro_*.sql`, and
the questions `sql/measures_of_*.sql`.
Source: docs/measures.md has each formula and where it is from.
Left to others: which seconds are known (`queries.silence`), whole books (`queries.replay`).

Prices and sizes are integers until the last step. Where anything of an interval is not known, all its measures are
null, for each would be of another market than there was.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import duckdb
import pyarrow as pa

from queries.bars import (
    COUNTED_PARTS,
    KNOWN_PARTS,
    Exact,
    closed,
    exact_digits,
    judged_parts,
    known_around,
    standing_quote_ns,
    widened,
)
from queries.engine import Engine
from queries.errors import HoleInWindow, Misused
from queries.replay import Replay, every_so_often
from queries.times import NS_MAX, Duration, Window, duration_ns, iso
from storage.lake import FileInfo

GROUPS: Final[Mapping[str, tuple[str, ...]]] = {
    "quotes": (
        "spread",
        "spread_bps",
        "mid",
        "microprice",
        "imbalance",
        "order_flow_imbalance",
        "quote_count",
        "quote_lifetime_ms",
    ),
    "trades": ("effective_spread", "realised_spread", "price_impact", "kyle_lambda", "trade_through_rate"),
    "changes": ("cancel_rate", "eviction_rate"),
    "depth": ("imbalance_of_levels", "bid_depth", "offer_depth", "buy_cost_bps", "sell_cost_bps"),
    "latency": ("latency_p50_ms", "latency_p99_ms", "latency_max_ms"),
}
NAMES: Final = tuple(name for names in GROUPS.values() for name in names)
AFTER_HORIZON: Final = frozenset({"realised_spread", "price_impact", "kyle_lambda"})
DEPTH_LIMIT: Final = 5000
TRADED_NS: Final = 100_000_000  # A delete so near to a trade at its price is taken for its doing.
_QUOTED: Final = {"spans": "part_spans_time", "quoted": "part_quoted", "settled": "part_settled"}
_TRADED: Final = {"priced": "part_priced", "cells": "part_cells_time"}
_FAR: Final = {**KNOWN_PARTS, **COUNTED_PARTS, "spans": "part_spans_time", "far": "part_far"}
_ALWAYS: Final = ("from_time", "to_time", "symbol", "state", "reason")
_BOUNDS: Final = ("from_ns", "to_ns")

Files = dict[str, list[FileInfo]]


@dataclass(frozen=True, slots=True)
class Options:
    """What measures are made with.

    horizon: after a trade, for realised spread, impact and lambda. levels: of each side, for imbalance_of_levels. bps:
    from the middle, for bid_depth and offer_depth. size: traded, for the costs. depth: levels of each side looked at.
    """

    horizon: Duration = "5s"
    levels: int = 5
    bps: int = 10
    size: Exact = 1
    depth: int = 100

    def check(self) -> None:
        """Raise Misused for a number out of bounds."""
        for name, number in (("levels", self.levels), ("bps", self.bps), ("depth", self.depth)):
            if not 1 <= number <= DEPTH_LIMIT:
                raise Misused(f"measures: {name} is {number}; use 1 to {DEPTH_LIMIT}")
        if self.levels > self.depth:
            raise Misused(f"measures: levels are {self.levels}, more than the depth of {self.depth}")


DEFAULTS: Final = Options()


def measures(
    engine: Engine, symbol: str, bounds: Window, every: Duration, names: Sequence[str] | None, options: Options
) -> duckdb.DuckDBPyRelation:
    """Return the measures of each interval of a window. Errors: Misused, DurationNotUnderstood, BeyondInt64."""
    wanted = tuple(NAMES if names is None else names)
    unknown = [name for name in wanted if name not in NAMES]
    if unknown or not wanted:
        raise Misused(f"measures: {', '.join(unknown) or 'none'} asked for; use some of {', '.join(NAMES)}")
    options.check()
    asked = _Question(engine, symbol, widened(closed(engine, bounds), duration_ns(every)), duration_ns(every), options)
    tables = {
        f"of_{group}": asked.answer(group) if set(columns) & set(wanted) else _nothing(columns)
        for group, columns in GROUPS.items()
    }
    found = asked.assembled(tables, with_horizon=bool(AFTER_HORIZON & set(wanted)))
    return found.project(", ".join((*_ALWAYS, *dict.fromkeys(wanted), *_BOUNDS)))


def require_known(symbol: str, found: duckdb.DuckDBPyRelation) -> None:
    """Raise HoleInWindow if anything of it is not known."""
    row = found.filter("reason IS NOT NULL").project("from_ns, reason").limit(1).fetchall()
    if row:
        raise HoleInWindow(symbol, iso(row[0][0]), reason=row[0][1])


class _Question:
    """One window of one symbol: what is read for each group of measures."""

    def __init__(self, engine: Engine, symbol: str, whole: Window, every_ns: int, options: Options) -> None:
        self._engine, self._symbol, self._whole, self._every_ns, self._options = (
            engine,
            symbol,
            whole,
            every_ns,
            options,
        )
        self._horizon_ns = duration_ns(options.horizon)
        self._far_ns = min(whole.end_ns, NS_MAX - self._horizon_ns) + self._horizon_ns
        self._cells: dict[str, object] = {"every_ns": every_ns, "first_ns": whole.start_ns, "last_ns": whole.end_ns}

    def answer(self, group: str) -> pa.Table:
        """Return the measures of a group by interval; none for an interval of which it has nothing."""
        asks = {
            "quotes": self._of_quotes,
            "trades": self._of_trades,
            "changes": self._of_changes,
            "depth": self._of_depth,
            "latency": self._of_latency,
        }
        return asks[group]()

    def assembled(self, tables: Mapping[str, pa.Table], *, with_horizon: bool) -> duckdb.DuckDBPyRelation:
        """Return the groups side by side, null where an interval is not known."""
        known = known_around(self._engine, self._symbol, Window(self._whole.start_ns, self._far_ns))
        more = {**self._cells, "horizon_ns": self._horizon_ns, "with_horizon": with_horizon}
        parameters = {**known.parameters, **more}
        parts = {**_FAR, **judged_parts(self._every_ns)}
        return self._engine.ask("measures", known.files, parameters, parts=parts, tables={**known.tables, **tables})

    def _files(self, table: str, *, start_ns: int | None = None, end_ns: int | None = None) -> Files:
        start_ns = self._whole.start_ns if start_ns is None else start_ns
        end_ns = self._whole.end_ns if end_ns is None else end_ns
        return {table: self._engine.files(table, start_ns=start_ns, end_ns=end_ns, symbol=self._symbol)}

    def _quotes(self, end_ns: int) -> tuple[Files, dict[str, object]]:
        standing_ns = standing_quote_ns(self._engine, self._symbol, self._whole.start_ns)
        bounds = {"standing_ns": standing_ns, "quotes_end_ns": end_ns, "symbol": self._symbol}
        return self._files("quotes", start_ns=standing_ns, end_ns=end_ns), bounds

    def _of_quotes(self) -> pa.Table:
        files, bounds = self._quotes(self._whole.end_ns)
        found = self._engine.ask("measures_of_quotes", files, {**self._cells, **bounds}, parts=_QUOTED)
        return found.to_arrow_table()

    def _of_trades(self) -> pa.Table:
        files, bounds = self._quotes(self._far_ns)
        parts = {**_TRADED, "quoted": "part_quoted", "settled": "part_settled"}
        parameters = {**self._cells, **bounds, "horizon_ns": self._horizon_ns}
        files = {**files, **self._files("trades")}
        return self._engine.ask("measures_of_trades", files, parameters, parts=parts).to_arrow_table()

    def _of_changes(self) -> pa.Table:
        start_ns, end_ns = self._whole.start_ns - TRADED_NS, min(self._whole.end_ns, NS_MAX - TRADED_NS) + TRADED_NS
        files = {**self._files("book_changes"), **self._files("trades", start_ns=start_ns, end_ns=end_ns)}
        parameters = {**self._cells, "symbol": self._symbol, "traded_ns": TRADED_NS}
        return self._engine.ask("measures_of_changes", files, parameters).to_arrow_table()

    def _of_latency(self) -> pa.Table:
        parameters = {**self._cells, "symbol": self._symbol}
        return self._engine.ask("measures_of_latency", self._files("messages"), parameters).to_arrow_table()

    def _of_depth(self) -> pa.Table:
        """Return the measures of the book at the last moment of each interval, some books at a time."""
        options = self._options
        amount, scale = exact_digits("measures: size", options.size)
        bounds = Window(self._whole.start_ns + self._every_ns - 1, self._whole.end_ns)
        replay = Replay(self._engine, self._symbol, bounds, options.depth, every_so_often(bounds, self._every_ns))
        parameters = {
            "every_ns": self._every_ns,
            "levels": options.levels,
            "bps": options.bps,
            "amount": amount,
            "amount_scale": scale,
        }
        found = [
            self._engine.ask(
                "measures_of_depth", {}, parameters, tables={"standing_books": pa.Table.from_batches([batch])}
            ).to_arrow_table()
            for batch in replay
        ]
        return pa.concat_tables(found) if found else _nothing(GROUPS["depth"])


def _nothing(columns: Sequence[str]) -> pa.Table:
    """Return the table of a group without a row."""
    return pa.schema([("cell", pa.int64()), *((name, pa.float64()) for name in columns)]).empty_table()
