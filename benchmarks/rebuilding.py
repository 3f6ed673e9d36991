"""Question 7: a lake made anew from its journal: how fast, the same bytes, and what the sealed journal costs on disk.

What is rebuilt was recorded over TLS a moment before, as in `end_to_end`. Run it alone as
`python benchmarks/rebuilding.py`.
"""

import resource
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from end_to_end import HELD, SENDER
from rounds import spread, table
from tls import line

from storage.journal.compress import compress_segment
from storage.journal.segments import segment_paths
from storage.lake import Lake
from storage.rebuild import rebuild
from storage.schemas import TABLES

SOFTWARE: Final = "fixtape benchmarks"


@dataclass(frozen=True)
class Rebuilt:
    """One rebuild. entries: rows of `book_changes`. sealed_bytes: of the journal, its segments compressed."""

    messages: int
    entries: int
    files: int
    cpu_s: float
    wall_s: float
    journal_bytes: int
    sealed_bytes: int


def measure(rounds: int, seconds: float, *, folder: Path | None = None) -> None:
    """Print a table of the rounds, of so many seconds of recording each."""
    found: list[Rebuilt] = []
    with line(*SENDER, folder=folder) as way:
        for _ in range(rounds):
            way.run(seconds, most=HELD, look=lambda root: found.append(_rebuilt(root)))
    print(f"Rebuild of what {seconds:g} s at {HELD:,} messages a second recorded, byte for byte the same:\n")
    table(
        ("what", "median (lowest to highest)"),
        [
            ("messages rebuilt", spread([it.messages for it in found])),
            ("messages/s a core: CPU, user and system, all threads", spread([it.messages / it.cpu_s for it in found])),
            ("messages/s", spread([it.messages / it.wall_s for it in found])),
            ("CPU, us a message", spread([it.cpu_s / it.messages * 1e6 for it in found], ".2f")),
            ("files, all of the same name and content", spread([it.files for it in found])),
            ("journal, bytes a message", spread([it.journal_bytes / it.messages for it in found], ".1f")),
            ("journal sealed, bytes a message", spread([it.sealed_bytes / it.messages for it in found], ".1f")),
            (
                "journal sealed, bytes a row of `book_changes`",
                spread([it.sealed_bytes / it.entries for it in found], ".1f"),
            ),
        ],
    )


def _rebuilt(root: Path) -> Rebuilt:
    """Rebuild a tape into a lake beside it. Errors: AssertionError where it is not the recorded one."""
    before, began_s = resource.getrusage(resource.RUSAGE_SELF), time.monotonic()
    rebuild(root / "journal", root / "again", software=SOFTWARE)
    wall_s, after = time.monotonic() - began_s, resource.getrusage(resource.RUSAGE_SELF)
    recorded, again = _files(root / "lake"), _files(root / "again")
    assert again == recorded, f"{len(recorded.keys() ^ again.keys())} files are not as they were recorded"
    journal_bytes = _size(root / "journal")
    for path in segment_paths(root / "journal"):
        compress_segment(path)
    return Rebuilt(
        messages=sum(rows for (table, _), rows in again.items() if table == "messages"),
        entries=sum(rows for (table, _), rows in again.items() if table == "book_changes"),
        files=len(again),
        cpu_s=after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        wall_s=wall_s,
        journal_bytes=journal_bytes,
        sealed_bytes=_size(root / "journal"),
    )


def _files(path: Path) -> dict[tuple[str, str], int]:
    """Return the rows of every file of a lake by its table and its name, which its content is in."""
    lake = Lake.open(path)
    return {(table, file.path.name): file.rows for table in TABLES for file in lake.files(table)}


def _size(path: Path) -> int:
    return sum(it.stat().st_size for it in path.rglob("*") if it.is_file())


if __name__ == "__main__":
    measure(3, 10.0)
