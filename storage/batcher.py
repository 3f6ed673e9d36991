"""Rows cut into batches by receive time.

Layer: storage, between the feed and the lake. No clock and no file: time is the record's.
Source: design section 3: batches end where the receive time crosses a boundary, never where a timer fired, so that a
rebuild makes the same files.
"""

from collections.abc import Callable
from dataclasses import dataclass

from capture.columns import Columns
from capture.wire.values import SECOND_NS, compact_utc


@dataclass(frozen=True, slots=True)
class Batch:
    """The rows of one stretch of receive time of one run.

    version: rises from batch to batch of a recorder; what makes a commit of it happen once.
    """

    columns: Columns
    run: str
    begin_ns: int
    end_ns: int
    version: int

    @property
    def label(self) -> str:
        """What its files' names begin with: the UTC second at which it begins."""
        return f"{compact_utc(self.begin_ns).partition('.')[0]}Z"


class Batcher:
    """Takes rows out of a feed whenever a record's time has crossed into another batch.

    Call `advance` before each record is told to the feed, and `cut` at the run's end.
    """

    def __init__(self, run_ns: int, batch_s: int, take: Callable[[], Columns], write: Callable[[Batch], None]) -> None:
        self._run_ns = run_ns
        self._batch_ns = batch_s * SECOND_NS
        self._take, self._write = take, write
        self._begin_ns: int | None = None
        self._version = 0

    def advance(self, at_ns: int) -> None:
        """Cut if this record's time lies past the batch; a clock that steps back stays in the batch it is in."""
        begin_ns = at_ns - at_ns % self._batch_ns
        if self._begin_ns is None:
            self._begin_ns = begin_ns
        elif begin_ns > self._begin_ns:
            self.cut()
            self._begin_ns = begin_ns

    def cut(self) -> None:
        """Hand over what there is, if anything."""
        columns = self._take()
        if self._begin_ns is None or not any(columns.tables().values()):
            return
        # Two runs can share a boundary, so the first batch of a run is numbered by the run's own beginning; and a run
        # can begin, by a clock set back, before the last one ended, so numbers rise by themselves where time does not.
        self._version = version = max(self._run_ns, self._begin_ns, self._version + 1)
        run = compact_utc(self._run_ns)
        self._write(Batch(columns, run, self._begin_ns, self._begin_ns + self._batch_ns, version))
