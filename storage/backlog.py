"""Batches for which the lake's writer has no room: let go of, and made from the journal later.

Layer: storage, between the batcher and the writer's thread.
Source: design section 3, rule 3: the journal takes everything, memory stays bounded, the writer catches up by itself.

Where the writer falls behind, a follower of the feed is taken as it stands at a batch's end. From there on the feed's
rows are let go of, and the follower is told the same facts from the journal, in the writer's thread, at the writer's
pace: the same core, so the same rows in the same batches. Once it has made the batch before the present one, the feed's
own rows are taken again. The cost of being behind is one copy of the books.
"""

import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Final

from capture.feed import Feed
from capture.sinks import Position
from storage.batcher import Batch, Batcher
from storage.errors import JournalUnreadable
from storage.journal.appending import NO_DESCRIPTOR
from storage.journal.tail import JournalTail
from storage.pipeline import tell
from storage.writer_thread import WriterThread

LOOK_S: Final = 0.05  # How often the journal is looked at for more.


class _CatchUp:
    """Makes batches from the journal until it is stopped, or, where the run is over, until there are no more.

    claimed: the last batch that it began to write.
    """

    def __init__(self, feed: Feed, batcher: Batcher, tail: JournalTail, write: Callable[[Batch], None]) -> None:
        self.claimed = self._done = batcher.number
        self._feed, self._tail, self._write = feed, tail, write
        self._batcher = batcher.twin(feed, self._claim)
        self._lock = threading.Lock()
        self._begun = False
        self._stop = threading.Event()
        self._ending = threading.Event()

    def stop_before(self, number: int) -> bool:
        """Stop if every batch before one is committed and that one is not begun; return whether it is stopped."""
        with self._lock:
            if self._begun and self._done == self.claimed == number - 1:
                self._stop.set()
            return self._stop.is_set()

    def end(self) -> None:
        """Let it come to the end of the journal, which is written whole."""
        self._ending.set()

    def run(self) -> None:
        """Make batches; in the writer's thread, once all that waited before is committed."""
        with self._lock:
            self._begun = True
        while not self._stop.is_set():
            ending = self._ending.is_set()
            try:
                for record in self._tail.read():
                    tell(self._feed, self._batcher, record)
                    if self._stop.is_set():
                        return
            except JournalUnreadable as error:
                if ending or error.errno not in NO_DESCRIPTOR:
                    raise
                ending = False  # It is there, and can be opened once something else is closed.
            if ending:
                self._batcher.cut()
                return
            self._ending.wait(LOOK_S)

    def _claim(self, batch: Batch) -> None:
        with self._lock:
            if self._stop.is_set():
                return
            self.claimed = batch.number
        self._write(batch)
        with self._lock:
            self._done = batch.number


class Backlog:
    """Hands batches to the writer while it has room. Set `position` before the batcher may cut.

    position: of the record that the feed is told next. behind: how many batches wait to be made from the journal.
    """

    def __init__(self, feed: Feed, writer: WriterThread, journal: Path) -> None:
        self.position = Position("", 0)
        self.behind = 0
        self.notes: deque[tuple[str, str]] = deque()  # Kind and text, for the recorder to note.
        self._feed, self._writer, self._journal = feed, writer, journal
        self._catch_up: _CatchUp | None = None
        self._closing = False

    def put(self, batch: Batch, batcher: Batcher) -> None:
        """Take a batch over. Errors: whatever ended the writer."""
        self._writer.check()
        if self._catch_up is not None and not self._catch_up.stop_before(batch.number):
            self.behind = batch.number - self._catch_up.claimed
            return
        if self._catch_up is not None:
            self._catch_up, self.behind = None, 0
            self.notes.append(("caught up", f"the lake has all batches before {batch.number}"))
        self._writer.put(batch)
        if self._writer.full and not self._closing:
            tail = JournalTail(self._journal, self.position)
            self._catch_up = _CatchUp(self._feed.follower(), batcher, tail, self._writer.write)
            self._writer.put_job(self._catch_up.run)
            self.notes.append(("lag", f"batches after {batch.number} are made from the journal"))

    def close(self) -> None:
        """From here on a batch is the last: it is taken whether or not there is room, for nothing comes after it.

        `position` is then the last record's, which the feed was told: to go on from there would make its rows twice.
        """
        self._closing = True

    def end(self) -> None:
        """Have what is behind made to the end of the journal."""
        if self._catch_up is not None:
            self._catch_up.end()
