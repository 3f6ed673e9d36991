"""What two recorders knew beside the messages: instruments, depths, and where a session lost messages.

Layer: storage. Takes rows of `instruments` and `events`; reads no file.
Left to others: the messages themselves (`storage.union.line`).
"""

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any, Final, Generic, TypeVar

from capture.findings import Kind
from capture.market.instruments import Instrument, step
from capture.market.requests import MarketDataRequest
from storage.errors import MergeRefused
from storage.union.line import Breaks

_BREAKING: Final = frozenset({Kind.GAP_FILL.value, Kind.SEQUENCE_RESET.value, Kind.ROLLOVER.value})
Value = TypeVar("Value")

_DAMAGE: Final = "journal damage"  # As `capture.feed` notes records that were lost.


@dataclass(slots=True)
class _Versions(Generic[Value]):
    """Values that hold from a time on, the earliest first."""

    times: list[int] = field(default_factory=list)
    values: list[Value] = field(default_factory=list)

    def add(self, at_ns: int, value: Value) -> bool:
        """Add a value, unless it is what holds already."""
        if self.values and (self.values[-1] == value or at_ns < self.times[-1]):
            return False
        self.times.append(at_ns)
        self.values.append(value)
        return True

    def at(self, at_ns: int) -> Value | None:
        """Return what holds at a time, or before all times what came first."""
        return self.values[max(bisect_right(self.times, at_ns) - 1, 0)] if self.values else None


@dataclass(slots=True)
class Known:
    """Instruments of both recorders, depths and breaks of each."""

    instruments: dict[str, "_Versions[Instrument]"] = field(default_factory=dict)
    depths: tuple[dict[str, "_Versions[int]"], ...] = field(default_factory=lambda: ({}, {}))
    breaks: tuple[Breaks, Breaks] = field(default_factory=lambda: (Breaks(), Breaks()))

    def instrument(self, symbol: str, at_ns: int) -> Instrument | None:
        """Return the version of an instrument at a time, if any is known."""
        versions = self.instruments.get(symbol)
        return None if versions is None else versions.at(at_ns)

    def depth(self, which: int, symbol: str, at_ns: int) -> int | None:
        """Return how many levels a side a recorder kept at a time, if it is known."""
        versions = self.depths[which].get(symbol)
        return None if versions is None else versions.at(at_ns)

    def hold_instrument(self, since_ns: int, instrument: Instrument) -> bool:
        """Take note of a version; return whether it says something new."""
        return self.instruments.setdefault(instrument.symbol, _Versions()).add(since_ns, instrument)

    def hold_depth(self, which: int, symbol: str, since_ns: int, depth: int) -> None:
        """Take note of the depth that a recorder keeps from a time on."""
        self.depths[which].setdefault(symbol, _Versions()).add(since_ns, depth)

    def take_instruments(self, rows: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
        """Take rows of `instruments` of both recorders; return those that say something new, by time."""
        return [
            row
            for row in sorted(rows, key=itemgetter("valid_from_ns", "symbol"))
            if self.hold_instrument(row["valid_from_ns"], _instrument(row))
        ]

    def take_events(self, which: int, rows: Iterable[Mapping[str, Any]]) -> None:
        """Take rows of `events` of one recorder, by time. Errors: MergeRefused where both keep other depths."""
        for row in rows:
            kind, session = row["kind"], row["session_id"]
            if kind == Kind.SUBSCRIBE and row["symbol"] is not None:
                depth = MarketDataRequest("", row["symbol"], row["count"] or 0, subscribe=True).depth_kept
                self.hold_depth(which, row["symbol"], row["receive_ns"], depth)
            elif session is not None and (kind in _BREAKING or (kind == Kind.NOTE and row["expected"] == _DAMAGE)):
                self.breaks[which].add(session, row["receive_ns"])

    def refuse_other_depths(self) -> None:
        """Raise where the recorders keep books of other depths: their messages differ. Errors: MergeRefused."""
        for symbol, versions in self.depths[0].items():
            other = self.depths[1].get(symbol)
            if other is not None and other.values[-1] != versions.values[-1]:
                raise MergeRefused(
                    f"{symbol}: depth {versions.values[-1]} in the first lake, {other.values[-1]} in the second; only"
                    " recordings of one depth hold the same messages"
                )


def _instrument(row: Mapping[str, Any]) -> Instrument:
    tick, lot = row["tick_size"] or "", row["lot_size"] or ""
    return Instrument(
        symbol=row["symbol"],
        price_precision=row["price_precision"],
        size_precision=row["size_precision"],
        tick=step(tick.encode(), row["price_precision"]),
        lot=step(lot.encode(), row["size_precision"]),
        tick_size=tick,
        lot_size=lot,
        size_min=row["size_min"] or "",
        size_max=row["size_max"] or "",
        cost_min=row["cost_min"] or "",
        status=row["status"],
    )
