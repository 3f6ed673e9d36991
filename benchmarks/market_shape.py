"""The shape of market data: what the synthetic market's tables are taken from, real against synthetic side by side.

Prints the table of docs/venue.md. Run it as `python benchmarks/market_shape.py`.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

from capture.venue import recording
from capture.venue.market import SyntheticMarket
from capture.venue.source import Body, Shape, Source

HEADER_BYTES: Final = 80  # About what header, 262 and trailer add to a body.
MESSAGES: Final = 20_000  # Of each synthetic stream; the recordings are taken whole.
REAL: Final = (("btcusd-d10-resubscribe", 10), ("ethusd-d25", 25), ("spot10-d1000", 1000))
BURST_NS: Final = 1_000_000


@dataclass(slots=True)
class Figures:
    """What is counted of some streams."""

    sizes: list[int] = field(default_factory=list)
    entries: list[int] = field(default_factory=list)
    actions: Counter[str] = field(default_factory=Counter)
    gaps: list[float] = field(default_factory=list)  # As multiples of their stream's mean.
    bursts: int = 0
    trades: int = 0

    def add(self, bodies: Iterable[Body]) -> None:
        """Count one stream."""
        last_ns, gaps = None, []
        for body in bodies:
            if body.msg_type == b"W":
                last_ns = None
                continue
            if body.has_trades:
                self.trades += 1
                continue
            parts = body.after.split(b"279=")[1:]
            self.sizes.append(len(body.before) + len(body.after) + HEADER_BYTES)
            self.entries.append(len(parts))
            for part in parts:
                evicted = part[:1] == b"2" and b"\x01271=0.0\x01" not in part
                self.actions["evict" if evicted else ("new", "change", "delete")[part[0] - 48]] += 1
            if last_ns is not None:
                gaps.append(body.offset_ns - last_ns)
            last_ns = body.offset_ns
        mean = sum(gaps) / len(gaps)
        self.gaps += [gap / mean for gap in gaps]
        self.bursts += sum(1 for gap in gaps if gap <= BURST_NS)

    def rows(self) -> dict[str, str]:
        """Return the figures as text."""
        total = sum(self.actions.values())
        return {
            "message bytes p10 / p50 / p90": _quantiles(self.sizes, "{:.0f}"),
            "entries 1 / 2 / 3 / 4+": " / ".join(
                f"{100 * sum(1 for it in self.entries if low <= it <= high) / len(self.entries):.0f} %"
                for low, high in ((1, 1), (2, 2), (3, 3), (4, 99))
            ),
            "new / change / delete / evict": " / ".join(
                f"{100 * self.actions[kind] / total:.0f} %" for kind in ("new", "change", "delete", "evict")
            ),
            "gap p50 / p90 / p99, in means": _quantiles(self.gaps, "{:.2f}", (0.5, 0.9, 0.99)),
            "gaps up to 1 ms": f"{100 * self.bursts / len(self.gaps):.0f} %",
            "trade messages": f"{100 * self.trades / (len(self.sizes) + self.trades):.1f} %",
        }


def _quantiles(found: list[float] | list[int], form: str, at: tuple[float, ...] = (0.1, 0.5, 0.9)) -> str:
    ordered = sorted(found)
    return " / ".join(form.format(ordered[int(share * len(ordered))]) for share in at)


def figures(source: Source, depth: int, *, limit: int | None = None) -> Figures:
    """Count all streams of a source at a depth."""
    counted = Figures()
    for symbol in sorted(source.symbols):
        counted.add(islice(source.bodies(symbol, Shape(depth)), limit))
    return counted


def main() -> None:
    """Print the table."""
    market = SyntheticMarket(3, rate=60.0, seed=1)
    columns = {}
    for name, depth in REAL:
        real = recording.load([recording.SHIPPED / f"{name}.fix.gz"])
        columns[f"{name}, real"] = figures(real, depth).rows()
        columns[f"synthetic, depth {depth}"] = figures(market, depth, limit=MESSAGES).rows()
    print("| | " + " | ".join(columns) + " |")
    print("| --- |" + " --- |" * len(columns))
    for name in next(iter(columns.values())):
        print(f"| {name} | " + " | ".join(column[name] for column in columns.values()) + " |")


if __name__ == "__main__":
    main()
