"""The lake's writer beside the event loop: batches in, commits out, one at a time.

Layer: storage. Owns a thread and a bounded queue.
Source: design section 3, rule 3: slow disks push back visibly; faults section 2, A10.
Left to others: what becomes of batches for which there is no room (`storage.backlog`).

A batch for which the disk has no room, or the process no descriptor, is tried again at an interval, and said once; the
journal has its rows meanwhile. It is not tried at all while the journal needs what room there is. Where an object store
does not take it, the interval doubles up to a limit, for others ask that store too.
"""

import errno
import os
import queue
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Final

from storage.batcher import Batch
from storage.errors import LakeBehind, StoreError
from storage.lake import BatchReport

BATCHES_WAITING_LIMIT: Final = 2  # Beyond it batches are made from the journal, later.

REST_S: Final = 0.002  # Between two steps of work aside, so that it takes what others leave of the processor.

RETRY_S: Final = 5.0  # Until a batch is tried again for which there was no room, or no store at first.
RETRY_S_LIMIT: Final = 60.0  # Between two tries at a store.
HOLD_LOOK_S: Final = 0.2
ALARM: Final = "lake waits"
WANTING: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EMFILE, errno.ENFILE)

Job = Callable[[], None]


class WriterThread:
    """Writes batches in order; the first failure is kept and raised to whoever hands over the next one.

    write: commits a batch; it is told whether it was tried before, for then tables may hold it already.
    alarms: where it is said that the lake waits. hold: whether it is to, because there is room for the journal alone.
    waits_for: why it waits; empty while it does not.
    """

    def __init__(
        self,
        write: Callable[[Batch, bool], BatchReport],
        *,
        alarms: deque[tuple[str, str]] | None = None,
        hold: Callable[[], bool] = bool,
        retry_s: float = RETRY_S,
    ) -> None:
        self.waits_for = ""
        self._alarms: deque[tuple[str, str]] = deque() if alarms is None else alarms
        self._hold, self._retry_s = hold, retry_s
        self._finishing = threading.Event()
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
        report = self._written(batch)
        self.committed_rows += batch.columns.rows
        self.committed_messages += batch.columns.messages.count
        self.committed_bytes += report.bytes
        self.batches += 1

    def _written(self, batch: Batch) -> BatchReport:
        """Commit a batch, however often it takes; once the writer is to end, it is tried one last time."""
        again, wait_s = False, self._retry_s
        while True:
            while self._hold() and not self._finishing.is_set():
                self._waits("the disk is full, and what room there is is the journal's", "free space")
                self._finishing.wait(HOLD_LOOK_S)
            last = self._finishing.is_set()
            try:
                report = self._write(batch, again)
            except StoreError as error:
                if last:
                    raise LakeBehind(error) from error
                self._waits(f"object store: {error.reason}", "look at the network and at the store")
                pause_s, wait_s = wait_s, min(2 * wait_s, RETRY_S_LIMIT)
            except Exception as error:
                why = _wanting(error)
                if why is None or last:
                    raise
                self._waits(why, "free space")
                pause_s = self._retry_s
            else:
                self._goes_on()
                return report
            again = True
            self._finishing.wait(pause_s)

    def _waits(self, why: str, remedy: str) -> None:
        if self.waits_for != why:
            self.waits_for = why
            self._alarms.append((ALARM, f"{why}: rows are committed later, the journal has them; {remedy}"))

    def _goes_on(self) -> None:
        if self.waits_for:
            self.waits_for = ""
            self._alarms.append((ALARM, "over: batches are committed again"))

    def check(self) -> None:
        """Raise what ended the writer, if anything did."""
        if self._error is not None:
            raise self._error

    def finish(self) -> None:
        """Wait until every batch is committed, or cannot be. Errors: whatever ended the writer."""
        self._finishing.set()
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


def _wanting(error: Exception) -> str | None:
    """Return what a failure was for want of, room or descriptors; or None. Not all libraries keep the number."""
    if isinstance(error, OSError) and error.errno in WANTING:
        return os.strerror(error.errno)
    return next((text for text in map(os.strerror, WANTING) if text in str(error)), None)


def _wake() -> None:
    """Do nothing: what wakes the thread up."""
