"""Who saw what, and who was first: sightings of the united lake, counted by symbol.

Layer: storage. Reads the table `sightings`; memory is bounded by the number of symbols.
Left to others: printing (`storage.union.cli`).
"""

from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import pyarrow.parquet as pq

from storage.lake import Lake
from storage.schemas import SIGHTINGS

FIGURES: Final = 3  # Significant ones that are kept of a lead: at most some thousands of different leads a symbol.
_COLUMNS: Final = ("symbol", "a_receive_ns", "b_receive_ns")


@dataclass(slots=True)
class SymbolReport:
    """One symbol. Units: leads in ns, of whoever was first; None where both never saw the same."""

    symbol: str
    both: int = 0
    only_a: int = 0
    only_b: int = 0
    first_a: int = 0
    first_b: int = 0
    _leads: dict[int, int] = field(default_factory=lambda: defaultdict(int))

    def take(self, a_ns: int | None, b_ns: int | None) -> None:
        """Count one message."""
        if a_ns is None or b_ns is None:
            self.only_a += b_ns is None
            self.only_b += a_ns is None
            return
        self.both += 1
        self.first_a += a_ns < b_ns
        self.first_b += b_ns < a_ns
        self._leads[_rounded(abs(a_ns - b_ns))] += 1

    def lead_ns(self, share: float) -> int | None:
        """Return the lead that this share of messages does not exceed, to three figures."""
        wanted, held = share * self.both, 0
        for lead, count in sorted(self._leads.items()):
            held += count
            if held >= wanted:
                return lead
        return None

    def as_dict(self) -> dict[str, str | int | float | None]:
        """Return what is printed; leads in microseconds."""
        leads = {"lead_median_us": self.lead_ns(0.5), "lead_p99_us": self.lead_ns(0.99)}
        return {
            "symbol": self.symbol,
            "both": self.both,
            "only_a": self.only_a,
            "only_b": self.only_b,
            "first_a": self.first_a,
            "first_b": self.first_b,
            **{name: None if lead is None else lead / 1000 for name, lead in leads.items()},
        }


def report_of(root: Path) -> list[SymbolReport]:
    """Return the report of each symbol of a united lake, sorted. Errors: those of `Lake.open`; OSError."""
    lake = Lake.open(root)
    symbols: dict[str, SymbolReport] = {}
    for file in lake.files(SIGHTINGS):
        rows = pq.read_table(file.path, columns=list(_COLUMNS), partitioning=None, page_checksum_verification=True)
        for symbol, a_ns, b_ns in zip(*(rows[name].to_pylist() for name in _COLUMNS), strict=True):
            if symbol is not None:
                symbols.setdefault(symbol, SymbolReport(symbol)).take(a_ns, b_ns)
    return [symbols[symbol] for symbol in sorted(symbols)]


def _rounded(lead_ns: int) -> int:
    step = int(10 ** max(len(str(lead_ns)) - FIGURES, 0))
    return round(lead_ns / step) * step
