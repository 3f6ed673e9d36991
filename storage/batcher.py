"""Rows cut into batches by receive time, and by their number where there are very many.

Layer: storage, between the feed and the lake. No clock and no file: time is the record's.
Source: design section 3: batches end where the receive time crosses a boundary, never where a timer fired, so that a
rebuild makes the same files.
"""

from collections.abc import Callable
from copy import copy
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
    then ends with the record that reaches it, so that memory is bounded at any rate. number: of the last batch.
    """

    def __init__(
        self, run: str, batch_s: int, feed: RowSource, write: Callable[[Batch], None], rows_limit: int = ROWS_LIMIT
    ) -> None:
        self._run = run
        self._batch_ns = batch_s * SECOND_NS
        self._feed, self._write = feed, write
        self._rows_limit = rows_limit
        self._begin_ns: int | None = None
        self.number = 0

    def advance(self, at_ns: int) -> None:
        """Cut if this record's time lies past the batch; a clock that steps back stays in the batch it is in."""
        begin_ns = at_ns - at_ns % self._batch_ns
        if self._begin_ns is None:
            self._begin_ns = begin_ns
        elif begin_ns > self._begin_ns:
            self.cut(begin_ns)
        elif self._feed.row_count >= self._rows_limit:
            self.cut()

    def cut(self, next_begin_ns: int | None = None) -> None:
        """Hand over what there is, if anything. next_begin_ns: of the batch after it, where that is another stretch."""
        columns, begin_ns = self._feed.take_columns(), self._begin_ns
        self._begin_ns = begin_ns if next_begin_ns is None else next_begin_ns
        if begin_ns is None or not columns.rows:
            return
        self.number += 1
        self._write(Batch(columns, self._run, begin_ns, begin_ns + self._batch_ns, self.number))

    def twin(self, feed: RowSource, write: Callable[[Batch], None]) -> "Batcher":
        """Return another that goes on from here with another feed."""
        twin = copy(self)
        twin._feed, twin._write = feed, write  # noqa: SLF001 - a copy of itself
        return twin
