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

    number: from one within the run; with the run's name, what makes a commit of it happen once.
    """

    columns: Columns
    run: str
    begin_ns: int
    end_ns: int
    number: int

    @property
    def label(self) -> str:
        """What its files' names begin with: the UTC second at which it begins."""
        return f"{compact_utc(self.begin_ns).partition('.')[0]}Z"


class Batcher:
    """Takes rows out of a feed whenever a record's time has crossed into another batch.

    Call `advance` before each record is told to the feed, and `cut` at the run's end.
    """

    def __init__(self, run: str, batch_s: int, take: Callable[[], Columns], write: Callable[[Batch], None]) -> None:
        self._run = run
        self._batch_ns = batch_s * SECOND_NS
        self._take, self._write = take, write
        self._begin_ns: int | None = None
        self._number = 0

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
        self._number += 1
        self._write(Batch(columns, self._run, self._begin_ns, self._begin_ns + self._batch_ns, self._number))
