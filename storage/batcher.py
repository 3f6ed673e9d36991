"""Rows cut into batches by receive time, and by their number where there are very many.

Layer: storage, between the feed and the lake. No clock and no file: time is the record's.
Source: design section 3: batches end where the receive time crosses a boundary, never where a timer fired, so that a
rebuild makes the same files.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from capture.columns import ROWS_LIMIT, Columns
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


class RowSource(Protocol):
    """What rows are taken from: a feed."""

    @property
    def row_count(self) -> int:
        """How many rows there are to take."""

    def take_columns(self) -> Columns:
        """Return all rows so far and begin new columns."""


class Batcher:
    """Takes rows out of a feed whenever a record's time has crossed into another batch, or a batch is full.

    Call `advance` before each record is told to the feed, and `cut` at the run's end. rows_limit: of one batch, which
    then ends with the record that reaches it, so that memory is bounded at any rate.
    """

    def __init__(
        self, run: str, batch_s: int, feed: RowSource, write: Callable[[Batch], None], rows_limit: int = ROWS_LIMIT
    ) -> None:
        self._run = run
        self._batch_ns = batch_s * SECOND_NS
        self._feed, self._write = feed, write
        self._rows_limit = rows_limit
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
        elif self._feed.row_count >= self._rows_limit:
            self.cut()

    def cut(self) -> None:
        """Hand over what there is, if anything."""
        columns = self._feed.take_columns()
        if self._begin_ns is None or not any(columns.tables().values()):
            return
        self._number += 1
        self._write(Batch(columns, self._run, self._begin_ns, self._begin_ns + self._batch_ns, self._number))
