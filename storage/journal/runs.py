"""The segments of a journal by the run of a recorder that wrote them.

Layer: journal, above `reader`. Reads the first block of each segment.
Source: design section 3: a run's batches follow from its records alone, from its first one on.

Names of segments are times. Where the clock was set back between two runs their segments stand in each other's order;
by runs they are told apart, whatever the clock said.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from storage.journal.blocks import Source, Torn, walk
from storage.journal.reader import RecordKind, SegmentStory, read_segment
from storage.journal.segments import segment_name
from storage.journal.trimmed import read_trimmed


@dataclass(frozen=True, slots=True)
class Run:
    """One run: its name, and its segments in the order of writing."""

    name: str
    paths: tuple[Path, ...]

    @property
    def bytes(self) -> int:
        """How many bytes its segments have."""
        return sum(path.stat().st_size for path in self.paths)


def beginning_fault(run: Run, root: Path) -> str | None:
    """Return why the first records of a run of a tape, or a journal, are known to be missing, or None.

    Errors: JournalUnreadable; JournalTooNew; JournalDamaged where the list of what was trimmed is.
    """
    trimmed = [it.segment for it in read_trimmed(root) if it.run == run.name]
    gone = sorted(set(trimmed) - {segment_name(path) for path in run.paths})
    if gone:
        return f"{len(gone)} of its segments were trimmed, {gone[0]} the first"
    first = next(read_segment(run.paths[0], lambda _: None), None)
    if first is not None and first.kind is RecordKind.CONTINUED:
        return f"its first segment, {run.paths[0].name}, goes on from one that is not there"
    return None


def run_of(path: Path) -> str | None:
    """Return the run that wrote a segment; empty where its first block is damaged, None where it has none.

    Errors: JournalUnreadable; JournalTooNew.
    """
    with Source(path) as source:
        step = next(iter(walk(source)), None)
        if step is None or isinstance(step.found, Torn):
            return None
        story = SegmentStory(path)
        _, fault = story.take(step.offset, step.found)
        return "" if fault is not None else story.run


def runs_of(paths: Iterable[Path]) -> Iterator[Run]:
    """Yield the runs of segments, the one that began first first.

    A segment whose first block is damaged counts to the run of the segment before it; one without a block, to none.

    Errors: JournalUnreadable; JournalTooNew.
    """
    found: dict[str, list[Path]] = {}
    last: str | None = None
    for path in paths:
        name = run_of(path)
        if name == "":
            name = last
        if name is not None:
            found.setdefault(name, []).append(path)
            last = name
    for name, segments in found.items():
        yield Run(name, tuple(segments))
