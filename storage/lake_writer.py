"""What the writer's thread does to a recorder's lake: opens it, commits batches, and recovers what an earlier run left.

Layer: storage, above lake and recovery. No clock, no thread of its own.
Source: docs/decisions/0027-a-lake-in-an-object-store.md.
Left to others: when a batch is tried again (`storage.writer_thread`), what a recovery does (`storage.recovery`).

A lake in a directory is opened before the recording, or the recorder does not start. One in an object store that does
not answer is opened with the first batch that can be committed, and recovery goes on after it.
"""

from collections.abc import Iterator
from contextlib import suppress

from storage.batcher import Batch
from storage.errors import LakeDamaged, StoreError
from storage.lake import BatchReport, Lake
from storage.lake_place import LakePlace
from storage.pipeline import write_batch
from storage.recovery import Recovery


class LakeWriter:
    """The lake of one recorder. recovery_waits: whether `recovery_steps` are to be done, once the lake can be asked."""

    def __init__(self, place: LakePlace, recovery: Recovery, *, software: str) -> None:
        self._place, self._recovery, self._software = place, recovery, software
        self._lake: Lake | None = None
        self.recovery_waits = True

    def begin(self) -> str:
        """Open the lake; return why its store is not there yet, or nothing.

        Errors: as of `Lake.create_or_open`; LakeTaken; StoreError that does not pass by itself.
        """
        try:
            self._opened()
        except StoreError as error:
            if not error.may_pass:
                raise
            return error.reason
        return ""

    def write(self, batch: Batch, again: bool) -> BatchReport:
        """Write a batch that nobody can have written before.

        again: we have tried before, and may have written a part of it.
        Errors: LakeDamaged where a table claims to hold it; as of `begin` and `Lake.write_batch`.
        """
        lake = self._opened()
        report = write_batch(lake, batch, self._software)
        if report.skipped and not again:
            held = ", ".join(report.skipped)
            raise LakeDamaged(lake.store.location, f"batch {batch.number} of this run is said to be in {held}")
        return report

    def recovery_steps(self) -> Iterator[None]:
        """Do what is left to be recovered, step by step; where the store goes away, all that is left waits again."""
        self.recovery_waits = False
        try:
            yield from self._recovery.steps(self._opened())
        except StoreError as error:
            self._recovery.waits(error.reason)
            self.recovery_waits = True

    def run_is_whole(self) -> None:
        """Write down that the lake holds the recorder's own run; after its last batch is committed. Errors: OSError."""
        if self._lake is not None:
            with suppress(StoreError):  # It saves time at the next start, and nothing else.
                self._recovery.own_run_is_whole(self._lake)

    def _opened(self) -> Lake:
        if self._lake is None:
            self._place.claim()
            self._lake = Lake.create_or_open(self._place.store)
        return self._lake
