"""What fixtape costs, and what others cost at the same work, side by side in one run: tables in Markdown.

    python benchmarks/run.py [--only NAME ...] [--rounds N] [--long] [--folder DIR]

One module for each question: decode, books, scaling, latency, encodings, book-queries, end-to-end, rebuild, merge.
Contenders take turns, and every figure is a median with the lowest and the highest round; encodings are measured once,
against each other, and book-queries over the day that `make big-day` writes. No figure fails anything here: what
fails a run is a wrong result.

FIXTAPE_PEERS_PYTHON and FIXTAPE_OPPONENTS_PYTHON name the environments of QuickFIX, and of order-book and cryptofeed;
`make bench` makes both. Without one, its contenders are left out, and the tables say so.
"""

import argparse
import os
import platform
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Final

import book_queries
import books
import column_encodings
import decode
import end_to_end
import latency
import merging
import rebuilding
import scaling

ROUNDS: Final = 5
ROUND_S: Final = 1.0  # Of CPU, for work of one process.
LATENCY_S: Final = 4.0
END_TO_END_S: Final = 10.0
END_TO_END_LONG_S: Final = 60.0


def header() -> str:
    """Return what ran, where and when."""
    left_out = [
        f"{who} left out: {variable} is not set"
        for variable, who in (
            ("FIXTAPE_PEERS_PYTHON", "QuickFIX"),
            ("FIXTAPE_OPPONENTS_PYTHON", "order-book, cryptofeed"),
        )
        if not os.environ.get(variable)
    ]
    machine = f"{_processor()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the start"
    system = f"{platform.system()} {platform.release()}, Python {platform.python_version()}"
    release = f"fixtape {version('fixtape')}, commit {_commit()}, {datetime.now(UTC):%Y-%m-%d}"
    lines = [release, f"{machine}; {system}", *left_out]
    return "\n".join(f"- {line}" for line in lines)


def _commit() -> str:
    def git(*arguments: str) -> str:
        done = subprocess.run(
            ["git", *arguments], capture_output=True, text=True, check=False, cwd=Path(__file__).parent
        )
        return done.stdout.strip()

    commit = git("rev-parse", "--short", "HEAD")
    return f"{commit or 'unknown'}{', changed' if git('status', '--porcelain', '--untracked-files=no') else ''}"


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(": ")[2]
    return platform.machine()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--only",
        nargs="+",
        metavar="NAME",
        help="of decode, books, scaling, latency, encodings, book-queries, end-to-end, rebuild, merge",
    )
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"of each (default: {ROUNDS})")
    parser.add_argument(
        "--long", action="store_true", help=f"end to end and rebuild for {END_TO_END_LONG_S:.0f} s a round"
    )
    parser.add_argument(
        "--folder", type=Path, help="where tapes are written (default: the system's for temporary files)"
    )
    options = parser.parse_args()
    rounds, folder = options.rounds, options.folder
    seconds = END_TO_END_LONG_S if options.long else END_TO_END_S
    questions: dict[str, Callable[[], None]] = {
        "decode": lambda: decode.measure(rounds, ROUND_S),
        "books": lambda: books.measure(rounds, ROUND_S),
        "scaling": lambda: scaling.measure(rounds),
        "latency": lambda: latency.measure(rounds, LATENCY_S, folder=folder),
        "encodings": column_encodings.measure,
        "book-queries": lambda: book_queries.measure(rounds),
        "end-to-end": lambda: end_to_end.measure(rounds, seconds, folder=folder),
        "rebuild": lambda: rebuilding.measure(rounds, seconds, folder=folder),
        "merge": lambda: merging.measure(rounds, folder=folder),
    }
    wanted = options.only or list(questions)
    if unknown := set(wanted) - set(questions):
        parser.error(f"--only {', '.join(sorted(unknown))}: use {', '.join(questions)}")
    print(header() + "\n", flush=True)
    for name in wanted:
        questions[name]()


if __name__ == "__main__":
    main()
