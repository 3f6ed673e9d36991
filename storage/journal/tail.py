"""The journal from a record on, while it is being written.

Layer: journal, above `reader`. Source: design section 3, rule 3: who lags catches up from the journal.
Left to others: waiting for more; a read ends where there is nothing whole yet.
"""

from collections.abc import Iterator
from pathlib import Path

from capture.sinks import Position
from storage.journal.blocks import Source, Torn, damaged, walk
from storage.journal.reader import Record, SegmentStory
from storage.journal.segments import segment_name, segment_paths


class JournalTail:
    """Records from a position on. Each `read` goes on where the one before ended, or failed.

    Errors: JournalUnreadable, JournalTooNew, JournalDamaged.
    """

    def __init__(self, root: Path, begin: Position) -> None:
        self._root, self._begin = root, begin
        self._offset = 0
        self._path: Path | None = None  # It is looked for where it is read, not where this is made.

    def read(self) -> Iterator[Record]:
        """Yield the records that are whole now."""
        if self._path is None:
            self._path = next(it for it in segment_paths(self._root) if segment_name(it) == self._begin.segment)
            self._story = SegmentStory(self._path)
        while True:
            yield from self._read_segment(self._path)
            name = segment_name(self._path)
            later = next((path for path in segment_paths(self._root) if segment_name(path) > name), None)
            if later is None:
                return
            # A segment takes no more once the next one is there: what came in between is read before going on.
            yield from self._read_segment(self._path)
            self._path, self._offset, self._story = later, 0, SegmentStory(later)

    def _read_segment(self, path: Path) -> Iterator[Record]:
        with Source(path) as source:
            for offset, size, found in walk(source, self._offset):
                if isinstance(found, Torn):
                    return
                self._offset = offset + size
                record, fault = self._story.take(offset, found)
                if fault is not None:
                    raise damaged(path, offset, fault)
                if record is not None and not self._before(record):
                    yield record

    def _before(self, record: Record) -> bool:
        """Return whether a record stands before the position asked for."""
        return record.position.segment == self._begin.segment and record.position.offset < self._begin.offset
