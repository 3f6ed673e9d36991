"""Question 7: what a book costs to ask for: one at a random instant, as a call and as a command; and many, replayed.

Over the day that `make big-day` wrote, or any other tape: `python benchmarks/book_queries.py [ROOT]`. Every book asked
for is held against the checksum in its certificate. Files are in the page cache, as after a first pass.
"""

import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from random import Random
from typing import Final

from big_day import ROOT
from rounds import spread, table

from queries.tape import Tape
from queries.times import iso

INSTANTS: Final = 100
COMMANDS: Final = 12
DEPTH: Final = 10
EVERY: Final = "100ms"
PLACES: Final = (0, 20)  # Which symbols are replayed, by how lively they are.
_SYMBOLS: Final = """
SELECT symbol, count(*) AS changes, min(receive_ns) AS first_ns, max(receive_ns) AS last_ns
FROM book_changes GROUP BY symbol ORDER BY changes DESC
"""


def measure(rounds: int, root: Path = ROOT, *, instants: int = INSTANTS, commands: int = COMMANDS) -> None:
    """Print all tables; a word where the tape is not there."""
    if not root.exists():
        print(f"Books asked for: {root} is not there; make it with `make big-day`\n")
        return
    with Tape(root) as tape:
        symbols = tape.sql(_SYMBOLS).fetchall()
        changes = sum(count for _, count, _, _ in symbols)
        files = tape.explain(symbols[0][0]).files
        print(f"Books asked for, {changes:,} changes of {len(symbols)} symbols in {files} files:\n")
        first_ns, last_ns = min(it[2] for it in symbols), max(it[3] for it in symbols)
        random = Random(1)  # noqa: S311 - instants, not a secret
        asked = [(random.choice(symbols)[0], random.randrange(first_ns + 10**9, last_ns)) for _ in range(instants)]
        for symbol, at_ns in asked:  # Once for the page cache and the footers.
            tape.book(symbol, at_ns, DEPTH)
        called = _timed([partial(_ask, tape, *it) for it in asked])
        run = _timed([partial(_command, root, *it) for it in asked[:commands]])
        head = ("a book at a random instant", "times", "median ms", "p95 ms", "CPU, median ms", "CPU, p95 ms")
        table(head, [_row("as a call", *called), _row("as a command", *run)])
        print(f"Replayed at depth {DEPTH}, changes a second of one core, CPU that reading takes included:\n")
        lively = [symbols[place] for place in PLACES if place < len(symbols)]
        rows = [
            _replayed(tape, symbol, count, rounds, events) for symbol, count, *_ in lively for events in (False, True)
        ]
        table(("symbol", "changes", "books", "changes/s"), rows)


def _ask(tape: Tape, symbol: str, at_ns: int) -> None:
    certificate = tape.book(symbol, at_ns, DEPTH).certificate
    assert certificate.checksum_agrees is not False, f"{symbol} at {iso(at_ns)}: not the book that was recorded"


def _command(root: Path, symbol: str, at_ns: int) -> None:
    command = [sys.executable, "-m", "fixtape", "book", str(root), "--symbol", symbol, "--at", iso(at_ns)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def _timed(calls: list[Callable[[], None]]) -> tuple[list[float], list[float]]:
    """Return what each call took, in ms: of the clock, and of the CPU of this process and those that it waited for."""
    took, cpu = [], []
    for call in calls:
        began, cpu_began = time.perf_counter(), _cpu_s()
        call()
        took.append((time.perf_counter() - began) * 1000)
        cpu.append((_cpu_s() - cpu_began) * 1000)
    return took, cpu


def _cpu_s() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(it.ru_utime + it.ru_stime for it in used)


def _row(name: str, took: list[float], cpu: list[float]) -> tuple[str, ...]:
    return name, str(len(took)), *(f"{it:.0f}" for column in (took, cpu) for it in _figures(column))


def _figures(values: list[float]) -> tuple[float, float]:
    """Return the median, and what 95 of 100 stay below."""
    ordered = sorted(values)
    return statistics.median(ordered), ordered[int(0.95 * (len(ordered) - 1))]


def _replayed(tape: Tape, symbol: str, changes: int, rounds: int, events: bool) -> tuple[str, ...]:
    speeds, books = [], 0
    for _ in range(rounds):
        began = time.process_time()
        replay = tape.replay(symbol, every=None if events else EVERY, events=events, depth=DEPTH)
        books = sum(batch.count for batch in replay.batches())
        speeds.append(changes / (time.process_time() - began))
    return symbol, f"{changes:,}", f"{books:,}, {'one a message' if events else f'every {EVERY}'}", spread(speeds)


if __name__ == "__main__":
    measure(5, Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT)
