"""What fixtape's parts cost, measured side by side in one run.

    python benchmarks/run.py [--runs N]

Prints medians with their spread, and ratios between things that were measured in turn in the same run: absolute
figures on shared machines drift, ratios hold. Results worth keeping go to RESULTS.md with the command.
"""

import argparse
import platform
import statistics
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import decoding
import end_to_end


def spread(values: list[float]) -> str:
    """Return the median and how far the runs lie around it."""
    median = statistics.median(values)
    return f"{median:>12,.0f}  ({min(values):,.0f} to {max(values):,.0f})"


def ratio(ours: list[float], theirs: list[float]) -> str:
    """Return the median of ratios taken pair by pair, run by run."""
    ratios = [a / b for a, b in zip(ours, theirs, strict=True)]
    return f"{statistics.median(ratios):.1f} x ({min(ratios):.1f} to {max(ratios):.1f})"


def measure(runs: int, things: dict[str, Callable[[], float]]) -> dict[str, list[float]]:
    """Return what each thing measured, the things in turn, after one round that does not count."""
    results: dict[str, list[float]] = {name: [] for name in things}
    for number in range(runs + 1):
        for name, thing in things.items():
            value = thing()
            if number:
                results[name].append(value)
    return results


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5, help="counted runs of each (default: 5)")
    runs = parser.parse_args().runs
    print(
        f"fixtape {version('fixtape')}, Python {platform.python_version()}, {runs} runs, medians (lowest to highest)\n"
    )
    for name in decoding.SETS:
        stream = decoding.load(name)
        print(f"framing and decoding, {name}: {len(stream.frames):,} messages, {len(stream.data):,} bytes, messages/s")
        results = measure(runs, decoding.things(stream))
        for thing, values in results.items():
            print(f"  {thing:<38}{spread(values)}")
        for thing in (decoding.THEIRS, decoding.THEIRS_READS):
            print(f"  to {thing:<35}     {ratio(results[decoding.OURS], results[thing])}")
        print()
    print("end to end: venue process, TLS 1.3, journal with fsync, books, every 5041, Parquet committed")
    outcomes = [end_to_end.once() for _ in range(runs + 1)][1:]
    print(f"  {'messages/s':<38}{spread([it.messages_per_s for it in outcomes])}")
    print(f"  {'recorder CPU, us a message':<38}{spread([it.cpu_us_per_message for it in outcomes])}")
    verified, messages = outcomes[-1].verified, outcomes[-1].messages
    print(f"  {messages:,} messages a run, {verified:,} checksums verified, none failed")


if __name__ == "__main__":
    main()
