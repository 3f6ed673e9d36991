"""Keeps an incident of each book that disagrees with the venue, beside the event loop.

Layer: storage. Owns a thread and a bounded queue; whatever fails here is told, and recording goes on.
Source: design section 6; decision 13.
Left to others: what the journal knows (`evidence`), the files (`bundle`), writing down what is told (`recorder`).

What only the feed knows is written at once. The journal is looked at when the new snapshot is in, or when that takes
too long; and once more if it comes later still.
"""

import queue
import threading
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from capture.book.comparison import Levels
from capture.findings import BookBroken, BookHealed, Finding
from capture.wire.values import SECOND_NS, compact_utc
from storage.incidents.bundle import DIRECTORY, OURS, Incident, PlaceInfo, write_book, write_incident
from storage.incidents.evidence import READ_BYTES_LIMIT, examine
from storage.incidents.examine import complete

HOUR_LIMIT: Final = 20  # Incidents written in any hour of receive time; the rest are counted.
OPEN_LIMIT: Final = 100  # Incidents whose book has not healed yet; the oldest is given up.
QUEUE_LIMIT: Final = 2 * HOUR_LIMIT  # Findings that wait for the thread.
NOTES_LIMIT: Final = 3 * HOUR_LIMIT  # That wait for the recorder; an incident makes two at most.
HEAL_S: Final = 20.0  # The new snapshot is waited for this long before the journal is looked at without it.
FINISH_S: Final = 20.0  # At the end of a run.
PAUSE_BYTES: Final = 8 * 2**20  # After so much of the journal the thread rests, so that reading it delays nobody.
PAUSE_S: Final = 0.02

_HOUR_NS: Final = 3600 * SECOND_NS
_Job = tuple[BookBroken | BookHealed, int]


@dataclass(slots=True)
class _Open:
    """An incident whose book has not healed. due: when the journal is looked at anyway; None once it was."""

    path: Path
    broken: BookBroken
    incident: Incident
    due: float | None


class IncidentKeeper:
    """Takes findings of a live feed with `handle`; `finish` at the end of the run.

    written, skipped, failed: how many incidents. notes: kind and text, for the recorder to note.
    """

    def __init__(self, root: Path, journal: Path, *, run: str, software: str) -> None:
        self.written = self.skipped = self.failed = 0
        self.notes: deque[tuple[str, str]] = deque(maxlen=NOTES_LIMIT)
        self._directory, self._journal = root / DIRECTORY, journal
        self._run, self._software = run, software
        self._times: deque[int] = deque(maxlen=HOUR_LIMIT)
        self._skipped_told = 0
        self._number = 0
        self._open: dict[str, _Open] = {}  # By symbol; the thread's own.
        self._watched: set[str] = set()  # Symbols of open incidents; the event loop's own.
        self._queue: queue.Queue[_Job | None] = queue.Queue(QUEUE_LIMIT)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._work, name="incidents", daemon=True)
        self._thread.start()

    def handle(self, findings: Iterable[Finding]) -> None:
        """Look for what an incident is made of; never waits."""
        for finding in findings:
            if isinstance(finding, BookBroken):
                self._broken(finding)
            elif isinstance(finding, BookHealed) and finding.symbol in self._watched:
                self._watched.discard(finding.symbol)
                self._put((finding, 0))

    def finish(self) -> None:
        """Write what is open as far as it is known, and end the thread."""
        self._stopping.set()
        self._put(None)  # Only to wake it: where the queue is full it is awake.
        self._thread.join(FINISH_S)

    def _broken(self, broken: BookBroken) -> None:
        at_ns = broken.at.receive_ns
        full = len(self._times) == HOUR_LIMIT and at_ns - self._times[0] < _HOUR_NS
        skipped = self.skipped - self._skipped_told
        if full or not self._put((broken, skipped)):
            self.skipped += 1
            return
        self._skipped_told += skipped
        self._times.append(at_ns)
        self._watched.add(broken.symbol)

    def _put(self, job: _Job | None) -> bool:
        try:
            self._queue.put_nowait(job)
        except queue.Full:
            return False
        return True

    # The thread.

    def _work(self) -> None:
        while True:
            try:
                job = self._queue.get(timeout=self._patience())
            except queue.Empty:
                job = None
            self._guarded(job)
            if job is None and self._stopping.is_set() and self._queue.empty():
                return

    def _patience(self) -> float:
        """Return how long to wait for a finding before an open incident is due."""
        if self._stopping.is_set():
            return 0.0
        due = [it.due for it in self._open.values() if it.due is not None]
        return max(min(due) - time.monotonic(), 0.0) if due else HEAL_S

    def _guarded(self, job: _Job | None) -> None:
        """Do what a finding asks for; a failure is told and ends nothing."""
        finding, skipped = job or (None, 0)
        try:
            if isinstance(finding, BookBroken):
                self._begin(finding, skipped)
            elif isinstance(finding, BookHealed):
                self._heal(finding)
            else:
                self._examine_due()
        except Exception as error:  # noqa: BLE001 - an incident is worth no recording; it is told by a note
            self.failed += 1
            self.notes.append(("incident failed", f"{type(error).__name__}: {error}"))

    def _begin(self, broken: BookBroken, skipped: int) -> None:
        """Write what the feed knows. skipped: how many were only counted since the one before."""
        self._number += 1
        incident = Incident(
            number=self._number,
            run=self._run,
            software=self._software,
            symbol=broken.symbol,
            md_req_id=broken.md_req_id,
            session_id=broken.session_id,
            text=broken.text,
            at=PlaceInfo.of(broken.at),
            snapshot=PlaceInfo.of(broken.snapshot),
            checksum_received=broken.received,
            checksum_computed=broken.computed,
            price_precision=broken.instrument.price_precision,
            size_precision=broken.instrument.size_precision,
            depth=broken.depth,
            level=broken.level,
            not_written_before=skipped,
        )
        path = self._directory / f"{compact_utc(broken.at.receive_ns)}-{self._number}"
        self._open.pop(broken.symbol, None)  # Two at once there cannot be: a book breaks once between two snapshots.
        while len(self._open) >= OPEN_LIMIT:
            del self._open[next(iter(self._open))]
        self._open[broken.symbol] = _Open(path, broken, incident, time.monotonic() + HEAL_S)
        write_incident(path, incident)
        scales = (broken.instrument.price_precision, broken.instrument.size_precision)
        write_book(path, OURS, Levels(broken.bids, broken.offers), None, scales)
        self.written += 1

    def _heal(self, healed: BookHealed) -> None:
        found = self._open.pop(healed.symbol, None)
        if found is not None:
            self._examine(found, healed)

    def _examine_due(self) -> None:
        now = time.monotonic()
        for found in list(self._open.values()):
            if found.due is not None and (found.due <= now or self._stopping.is_set()):
                found.due = None
                self._examine(found, None)

    def _examine(self, found: _Open, healed: BookHealed | None) -> None:
        examined = examine(
            self._journal, found.broken, healed, bytes_limit=READ_BYTES_LIMIT, pause=_Resting(self._stopping)
        )
        complete(found.path, found.incident, found.broken, healed, examined)
        cause = " ".join(filter(None, (found.incident.cause, found.incident.detail)))
        self.notes.append(("incident", f"{found.broken.symbol}: {cause}: {DIRECTORY}/{found.path.name}"))


class _Resting:
    """Rests after each stretch of so many bytes, unless the run is ending."""

    def __init__(self, stopping: threading.Event) -> None:
        self._stopping = stopping
        self._read = 0

    def __call__(self, size: int) -> None:
        self._read += size
        if self._read >= PAUSE_BYTES:
            self._read = 0
            self._stopping.wait(PAUSE_S)
