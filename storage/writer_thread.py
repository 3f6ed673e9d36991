"""The lake's writer beside the event loop: batches in, commits out, one at a time.

Layer: storage. Owns a thread and a bounded queue.
Source: design section 3, rule 3: slow disks push back visibly.
Left to others: what becomes of batches for which there is no room (`storage.backlog`).
"""

import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Final

from storage.batcher import Batch
from storage.lake import BatchReport

BATCHES_WAITING_LIMIT: Final = 2  # Beyond it batches are made from the journal, later.

MESSAGES: Final = "messages"
REST_S: Final = 0.002  # Between two steps of work aside, so that it takes what others leave of the processor.

Job = Callable[[], None]


class WriterThread:
    """Writes batches in order; the first failure is kept and raised to whoever hands over the next one."""

    def __init__(self, write: Callable[[Batch], BatchReport]) -> None:
        self.committed_rows = 0
        self.committed_messages = 0
        self.committed_bytes = 0
        self.batches = 0
        self._write = write
        self._error: BaseException | None = None
        self._aside: Iterator[None] | None = None
        self._queue: queue.SimpleQueue[Batch | Job | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="lake-writer", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """How many batches wait."""
        return self._queue.qsize()

    @property
    def full(self) -> bool:
        """Whether as many batches wait as memory is meant for."""
        return self.waiting >= BATCHES_WAITING_LIMIT

    def put(self, batch: Batch) -> None:
        """Hand over a batch; ask `full` before. Errors: whatever ended the writer."""
        self.check()
        self._queue.put(batch)

    def put_job(self, job: Job) -> None:
        """Have something else done in the thread once all batches before it are committed."""
        self._queue.put(job)

    def put_aside_work(self, steps: Iterator[None]) -> None:
        """Have something done step by step while no batch waits; what is left of it when the writer ends is left."""
        self._aside = steps
        self._queue.put(_wake)

    def write(self, batch: Batch) -> None:
        """Commit a batch; in the thread, for a job that makes batches of its own."""
        report = self._write(batch)
        self.committed_rows += sum(report.rows.values())
        self.committed_messages += report.rows.get(MESSAGES, 0)
        self.committed_bytes += report.bytes
        self.batches += 1

    def check(self) -> None:
        """Raise what ended the writer, if anything did."""
        if self._error is not None:
            raise self._error

    def finish(self) -> None:
        """Wait until every batch is committed. Errors: whatever ended the writer."""
        self._queue.put(None)
        self._thread.join()
        self.check()

    def _run(self) -> None:
        while (job := self._next()) is not None:
            if self._error is not None:
                continue  # Drained; the journal holds these rows.
            try:
                if isinstance(job, Batch):
                    self.write(job)
                else:
                    job()
            except BaseException as error:  # noqa: BLE001 - it is raised in the thread that hands over batches
                self._error = error

    def _next(self) -> Batch | Job | None:
        """Return the next job, steps of the work aside taken until there is one."""
        while self._aside is not None and self._error is None:
            with suppress(queue.Empty):
                return self._queue.get(timeout=REST_S)
            try:
                next(self._aside)
            except StopIteration:
                self._aside = None
            except BaseException as error:  # noqa: BLE001 - as of a batch
                self._error = error
        return self._queue.get()


def _wake() -> None:
    """Do nothing: what wakes the thread up."""
