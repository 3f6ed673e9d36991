"""Question 8: two recorders' lakes of a day united into a third: messages of it a second of a core, and memory.

A day of the synthetic market (`big_day`) is made twice, the second time over another network, and each lake is
compacted as a day that is over. Both have every message: what only one has costs no more, what is suspect for want of
both goes message by message. The command runs as a process of its own. Run it alone as `python benchmarks/merging.py`.
"""

import resource
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import big_day
from rounds import spread, table

from storage.compaction import compact
from storage.lake import Lake

ROWS: Final = 2_000_000  # Of `book_changes`, about, of each recorder.
SYMBOLS: Final = 100
LATER_NS: Final = 2**62  # When every date is over.
_COMMAND: Final = "import fixtape; fixtape.main()"


@dataclass(frozen=True)
class Merged:
    """One merge. memory_bytes: at most resident, of this merge or of one before."""

    messages: int
    cpu_s: float
    memory_bytes: int


def measure(rounds: int, rows: int = ROWS, *, symbols: int = SYMBOLS, folder: Path | None = None) -> None:
    """Print a table of the rounds, over lakes of about so many book changes."""
    with tempfile.TemporaryDirectory(prefix="fixtape-merging-", dir=folder) as made:
        root = Path(made)
        for seed, name in enumerate("ab", 1):
            big_day.make(root / name, rows, symbols=symbols, seed=seed)
            for _ in compact(root / name, root / name / "lake", now_ns=LATER_NS, software="fixtape benchmarks"):
                pass
        found = [merged(root, f"round-{number}") for number in range(rounds)]
    print(f"\nMerge of a day of two recorders, {symbols} symbols, compacted lakes:\n")
    table(
        ("what", "median (lowest to highest)"),
        [
            ("messages of the merged tape", spread([it.messages for it in found])),
            ("messages/s a core: CPU, user and system, all threads", spread([it.messages / it.cpu_s for it in found])),
            ("CPU, us a message", spread([it.cpu_s / it.messages * 1e6 for it in found], ".2f")),
            ("memory at most, MiB", spread([it.memory_bytes / 2**20 for it in found])),
        ],
    )


def merged(root: Path, into: str) -> Merged:
    """Merge the lakes `a` and `b` below a root. Errors: CalledProcessError; AssertionError where nothing came of it."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-c", _COMMAND, "merge", "a", "b", "--into", into]
    subprocess.run(command, cwd=root, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    messages = sum(file.rows for file in Lake.open(root / into / "lake").files("messages"))
    assert messages, "both lakes hold messages"
    return Merged(messages, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, after.ru_maxrss * 1024)


if __name__ == "__main__":
    measure(3)
