"""Question 4: how long from a socket read to the books, at a given rate, in an open loop.

The sender hands each message over when it is due, whatever the recorder does. Two times are measured of each message:
from the arrival of its read in the process to the moment when every message of that read is in its book, with rows made
(`recording_process.read_times`); and from when it was due at the sender, which counts what queued on the way. Both
processes read the same monotonic clock. Run it alone as `python benchmarks/latency.py`.
"""

from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path
from typing import Final

from rounds import spread, table
from tls import Run, line

RATES: Final = (1_000, 5_000, 20_000, 50_000)
QUANTILES: Final = (0.5, 0.99, 0.999)
# About 250,000 messages, so that no snapshot comes amid the fastest schedule.
SENDER: Final = ("--symbols", "100", "--market-seconds", "240")


def measure(
    rounds: int,
    seconds: float,
    *,
    rates: Sequence[int] = RATES,
    sender: tuple[str, ...] = SENDER,
    folder: Path | None = None,
) -> None:
    """Print a table of all rates, which take turns."""
    runs: dict[int, list[Run]] = {rate: [] for rate in rates}
    with line(*sender, folder=folder) as way:
        for _ in range(rounds):
            for rate in rates:
                runs[rate].append(way.run(seconds, rate=rate, reads=True))
    print(f"Latency, open loop, {seconds:g} s a round, us, medians of {rounds} rounds:\n")
    header = ("messages/s", "from", *(f"p{100 * it:g}" for it in QUANTILES), "messages a read", "sender late p50, p99")
    rows = []
    for rate, those in runs.items():
        late = ", ".join(spread([it.sent["late_us"][place] for it in those]) for place in (0, 1))
        size = spread([sum(it.reads[2::3]) / sum(map(bool, it.reads[2::3])) for it in those], ".1f")
        times = {"socket read": map(_from_read, those), "due at the sender": (_from_due(it, rate) for it in those)}
        for name, took in times.items():
            quantiles = [_quantiles(it) for it in took]
            rows.append((f"{rate:,}", name, *(spread(each) for each in zip(*quantiles, strict=True)), size, late))
    table(header, rows)


def _scheduled(run: Run) -> tuple[list[tuple[int, int]], list[int]]:
    """Return the reads as (begin, end), and how many scheduled messages had come when each was done with."""
    begins, ends, counts = run.reads[0::3], run.reads[1::3], run.reads[2::3]
    before = run.sent["messages"] - run.sent["scheduled"]  # The subscriptions' snapshots.
    done = [max(count - before, 0) for count in accumulate(counts)]
    assert done[-1] == run.sent["scheduled"], "the reads do not hold what was sent"
    return list(zip(begins, ends, strict=True)), done


def _from_read(run: Run) -> list[int]:
    """Return the time of each scheduled message from its read's arrival, in ns."""
    times, done = _scheduled(run)
    took: list[int] = []
    for (begin, end), count in zip(times, done, strict=True):
        took += [end - begin] * (count - len(took))
    return took


def _from_due(run: Run, rate: int) -> list[int]:
    """Return the time of each scheduled message from when it was due, in ns."""
    times, done = _scheduled(run)
    begin_ns = run.sent["begin_mono_ns"]
    took: list[int] = []
    for (_, end), count in zip(times, done, strict=True):
        took += [end - begin_ns - place * 1_000_000_000 // rate for place in range(len(took), count)]
    return took


def _quantiles(took: list[int]) -> list[float]:
    ordered = sorted(took)
    return [ordered[min(int(share * len(ordered)), len(ordered) - 1)] / 1e3 for share in QUANTILES]


if __name__ == "__main__":
    measure(5, 4.0)
