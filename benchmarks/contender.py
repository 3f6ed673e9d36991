"""A contender in a process of its own: rounds of the same work, one for each line that it is sent.

Standard library only: it runs in whichever environment its contender needs. Started by `rounds.Contender` as

    python SCRIPT FOLDER SECONDS

with the material of `material.write` in the folder. Each round is as many passes as fit into the seconds, found out by
a first pass that does not count. Time is the process's own CPU time, for cores are shared, and all of this work is on
one thread: on an idle machine it is the wall time.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

PASSES_LIMIT: Final = 100_000
PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")


def _nothing() -> None:
    return


@dataclass(frozen=True)
class Work:
    """What a contender does.

    run: one pass, returns how many messages it dealt with; it fails where a result is wrong.
    prepare: what comes before each pass and is not timed.
    note: what is to be known of it in the table.
    """

    name: str
    run: Callable[[], int]
    prepare: Callable[[], None] = _nothing
    note: str = ""


@dataclass(frozen=True)
class Material:
    """The prepared folder as every contender reads it."""

    folder: Path

    def facts(self) -> Any:
        """Return what is not bytes: depth, precisions, and how many bytes each frame has."""
        return self.json("facts.json")

    def json(self, name: str) -> Any:
        """Return the content of one JSON file."""
        return json.loads((self.folder / name).read_text(encoding="utf-8"))

    def snapshots(self) -> list[bytes]:
        """Return the frames before the first refresh: the list (35=y), then a snapshot (35=W) for each book."""
        return self._frames("snapshots")

    def refreshes(self) -> list[bytes]:
        """Return the frames of the refreshes (35=X), what is timed."""
        return self._frames("refreshes")

    def _frames(self, name: str) -> list[bytes]:
        data = (self.folder / f"{name}.fix").read_bytes()
        frames, at = [], 0
        for length in self.facts()[f"{name}_lengths"]:
            frames.append(data[at : at + length])
            at += length
        assert at == len(data), f"{name}: {at} bytes of {len(data)}"
        return frames


def resident_bytes() -> int:
    """Return the resident memory of this process."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * PAGE_BYTES


def contend(make: Callable[[Material], Work]) -> None:
    """Say that all is ready, then answer each line of standard input by one round, until there are no more."""
    folder, seconds = Path(sys.argv[1]), float(sys.argv[2])
    work = make(Material(folder))
    passes = _passes(work, seconds)
    _say({"name": work.name, "note": work.note, "passes": passes})
    for _ in sys.stdin:
        _say(_round(work, passes))


def _passes(work: Work, seconds: float) -> int:
    """Return how many passes make a round; 0 seconds is one pass."""
    first = _round(work, 1)
    return min(max(round(seconds * 1e9 / max(first["cpu_ns"], 1)), 1), PASSES_LIMIT)


def _round(work: Work, passes: int) -> dict[str, int]:
    messages = cpu_ns = 0
    for _ in range(passes):
        work.prepare()
        begin_ns = time.process_time_ns()
        messages += work.run()
        cpu_ns += time.process_time_ns() - begin_ns
    return {"messages": messages, "cpu_ns": cpu_ns, "resident_bytes": resident_bytes()}


def _say(answer: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()
