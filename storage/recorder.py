"""The recorder: a client whose bytes go to the journal and whose rows go to the lake.

Layer: storage, above journal and lake. Implements what `capture.sinks` asks for.
Source: design section 3.
"""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from capture import clock
from capture.backoff import Backoff
from capture.client import Client
from capture.clock import Now
from capture.config import Settings
from capture.connect import Endpoint
from capture.counters import Counters
from capture.feed import Feed
from capture.market.requests import depth_ok
from capture.sinks import Connection, Position
from capture.subscriber import Subscriber
from capture.wire.values import compact_utc
from storage.backlog import Backlog
from storage.batcher import Batch, Batcher
from storage.counts import Counts, count
from storage.incidents.keeper import IncidentKeeper
from storage.journal.compressor import Compressor
from storage.journal.room import Room
from storage.journal.writer import JournalWriter
from storage.lake import BatchReport
from storage.lake_place import settled
from storage.lake_writer import LakeWriter
from storage.pipeline import recorder_session
from storage.recovery import Recovery
from storage.tape_layout import JOURNAL, locked, make_root
from storage.writer_thread import ALARM, WriterThread

KIB: Final = 1024
MIB: Final = 1024 * KIB
NOTES_LIMIT: Final = 1000  # Alarms that wait to be noted while there is no room; of more, the newest.
ROOM_LOOK_S: Final = 1.0  # How often it is looked, after the disk was full, whether there is room again.
WATCH_S: Final = 0.5  # How often a failure of a thread is looked for.


class _BatchingJournal:
    """The journal as the client sees it: each record is written, then moves the batches on before it is told."""

    def __init__(self, journal: JournalWriter, batcher: Batcher, backlog: Backlog) -> None:
        self._journal, self._batcher, self._backlog = journal, batcher, backlog

    def opened(self, at_ns: int, connection: Connection) -> Position:
        return self._advanced(at_ns, self._journal.opened(at_ns, connection))

    def received(self, at_ns: int, data: bytes) -> Iterator[tuple[Position, bytes]]:
        for position, piece in self._journal.received(at_ns, data):
            self._advanced(at_ns, position)  # Before each piece is taken in, as a rebuild does before each record.
            yield position, piece

    def sent(self, at_ns: int, data: bytes) -> Position:
        return self._advanced(at_ns, self._journal.sent(at_ns, data))

    def closed(self, at_ns: int, reason: str, *, reset: bool) -> Position:
        return self._advanced(at_ns, self._journal.closed(at_ns, reason, reset=reset))

    def note(self, at_ns: int, kind: str, fields: dict[str, str | int | None]) -> Position:
        return self._advanced(at_ns, self._journal.note(at_ns, kind, fields))

    def has_room(self) -> bool:
        return self._journal.has_room()

    def _advanced(self, at_ns: int, position: Position) -> Position:
        self._backlog.position = position
        self._batcher.advance(at_ns)
        return position


class _Syncer:
    """Makes the journal durable at an interval, or sooner where much waits; beside the event loop.

    The first failure is kept, and ends it.
    """

    def __init__(self, journal: JournalWriter, interval_s: float) -> None:
        self._journal = journal
        self._interval_s = interval_s
        self._stop = threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="journal-sync", daemon=True)
        self._thread.start()

    def check(self) -> None:
        """Raise what ended the syncer, if anything did."""
        if self._error is not None:
            raise self._error

    def finish(self) -> None:
        """Stop and raise what failed, if anything did."""
        self._stop.set()
        self._journal.sync_due.set()
        self._thread.join()
        self.check()

    def _run(self) -> None:
        look_s = time.monotonic()
        while not self._stop.is_set():
            self._journal.sync_due.wait(self._interval_s)
            if time.monotonic() >= look_s:
                self._journal.reserve.look()
                look_s = time.monotonic() + ROOM_LOOK_S
            try:
                self._journal.sync()
            except OSError as error:  # What was not durable could not be written again either.
                self._error = error
                return


@dataclass(frozen=True, slots=True)
class Summary:
    """What a run came to.

    counts: what was received, written, durable and committed of it.
    shortfalls: what it did not record, or not all the time, by symbol, and why. incidents, incidents_not_written: of
    books that disagreed with the venue.
    """

    counters: Counters
    incidents: int
    incidents_not_written: int
    connections: int
    books: int
    books_proven: int
    rows_committed: int
    counts: Counts
    lake_bytes: int
    shortfalls: dict[str, str]


class Recorder:
    """Records one session into a tape's root; a context manager that holds the root's lock.

    lake_at: where its lake stands, for people.
    Errors on entering: CannotCreate, RootLocked, LakeNewer, LakeTaken, LakeElsewhere, StoreError; the venue is not
        spoken to before the disk is known good.
    """

    def __init__(
        self,
        settings: Settings,
        software: str,
        *,
        on_failure: Callable[[str, float], None] | None = None,
        on_recovery: Callable[[str], None] | None = None,
        on_alarm: Callable[[str], None] | None = None,
        backoff: Backoff | None = None,
        read_clock: Callable[[], Now] = clock.read,
    ) -> None:
        self.settings = settings
        self.root = Path(settings.storage.root)
        self._software = software
        self._on_failure, self._backoff, self._read_clock = on_failure, backoff, read_clock
        self._on_recovery, self._on_alarm = on_recovery, on_alarm

    def __enter__(self) -> Self:
        settings = self.settings
        make_root(self.root)
        now_ns = self._read_clock().wall_ns
        run = compact_utc(now_ns)
        self._lock = locked(self.root, doing="record", run=run)
        left_by = self._lock.__enter__()
        try:
            place = settled(self.root, settings.storage.lake)
            self.lake_at = place.store.location
            self.recovery = Recovery(
                self.root,
                software=self._software,
                at_ns=now_ns,
                policy=settings.storage.on_damage,
                own_run=run,
                say=self._on_recovery,
                lake=place.store,
            )
            self.recovery.before_recording(left_by)
            self._lake = LakeWriter(place, self.recovery, software=self._software)
            away = self._lake.begin()
            session = recorder_session(
                settings.session.sender_comp_id,
                settings.session.target_comp_id,
                heartbeat_s=settings.session.heartbeat_s,
                answers=True,
            )
            self.feed = Feed(session)
            self.journal = JournalWriter(
                self.root / JOURNAL,
                run=run,
                batch_s=settings.storage.batch_s,
                software=self._software,
                segment_bytes_limit=settings.storage.segment_mib * MIB,
                sync_bytes=settings.storage.fsync_kib * KIB,
                unsynced_limit=settings.storage.unsynced_mib * MIB,
                on_stall=settings.storage.on_stall,
                reserve_bytes=settings.storage.reserve_mib * MIB,
            )
            self.journal.prepare()
            self.writer = WriterThread(self._write_new, alarms=self.journal.alarms, hold=self._journal_alone)
            if away:
                self.journal.alarms.append((ALARM, f"object store: {away}: recording begins, the journal has all"))
            else:
                self.writer.put_aside_work(self._lake.recovery_steps())
            self.backlog = Backlog(self.feed, self.writer, self.root / JOURNAL)
            self.incidents = IncidentKeeper(self.root, self.root / JOURNAL, run=run, software=self._software)
            self._batcher = Batcher(run, settings.storage.batch_s, self.feed, self._put)
            self._notes: deque[tuple[str, str]] = deque(maxlen=NOTES_LIMIT)
        except BaseException:
            self._lock.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.journal.reserve.close()
        self._lock.__exit__(None, None, None)

    @property
    def counters(self) -> Counters:
        """What was seen so far."""
        return self.feed.counters

    @property
    def degraded(self) -> str:
        """Why not everything is written that should be; empty while it is."""
        if self.journal.reserve.state is Room.NONE:
            return "disk full: nothing is recorded"
        return f"lake waits: {self.writer.waits_for}" if self.writer.waits_for else ""

    @property
    def counts(self) -> Counts:
        """How far each step from the socket to the lake has come."""
        return count(self.feed, self.journal, self.writer)

    async def run(self, *, seconds: float | None = None, watch: Callable[[], None] | None = None) -> Summary:
        """Record until `stop` or for so many seconds; return after the last batch is committed.

        watch: called twice a second.
        """
        settings = self.settings
        market = settings.market
        depth = depth_ok(market.depth, where="market.depth", level=market.level)
        subscriber = Subscriber(self.feed.session, market.symbols, depth, market.level)
        venue = settings.venue
        endpoint = Endpoint(
            venue.host, venue.port, venue.server_name or venue.host, Path(venue.ca_file) if venue.ca_file else None
        )
        journal = _BatchingJournal(self.journal, self._batcher, self.backlog)
        self.client = Client(
            endpoint,
            self.feed,
            subscriber,
            journal,
            on_failure=self._on_failure,
            on_findings=self.incidents.handle,
            backoff=self._backoff,
            read_clock=self._read_clock,
        )
        syncer = _Syncer(self.journal, settings.storage.fsync_ms / 1000)
        if settings.storage.compress:
            self.compressor = Compressor(
                self.root / JOURNAL,
                settings.storage.compress_level,
                self._first_segment_in_use,
                hold=self._journal_alone,
            )
        watching = asyncio.ensure_future(self._watch(syncer, seconds, watch))
        try:
            await self.client.run()
            self.incidents.finish()
            self._write_notes()
        finally:
            watching.cancel()
            self._finish(syncer)
        return Summary(
            counters=self.feed.counters,
            incidents=self.incidents.written,
            incidents_not_written=self.incidents.skipped + self.incidents.failed,
            connections=self.client.connections,
            books=len(self.feed.by_symbol),
            books_proven=self._proven_at_stop,
            rows_committed=self.writer.committed_rows,
            counts=self.counts,
            lake_bytes=self.writer.committed_bytes,
            shortfalls=subscriber.shortfalls(),
        )

    def stop(self) -> None:
        """Log out, commit what there is, and end `run`."""
        self._proven_at_stop = self.feed.books_proven
        self.client.stop()

    _proven_at_stop = 0
    compressor: Compressor | None = None

    def _finish(self, syncer: _Syncer) -> None:
        """Make everything durable, the journal before the rows that are made from it."""
        self.incidents.finish()
        if self.compressor is not None:
            self.compressor.finish()
        try:
            syncer.finish()
            self.journal.close()
            self.backlog.close()
            self._batcher.cut()
            self.backlog.end()
        finally:
            self.writer.finish()
        self._lake.run_is_whole()

    def _first_segment_in_use(self) -> str:
        return min(self.backlog.position.segment, self.journal.first_open or self.backlog.position.segment)

    def _write_notes(self) -> None:
        """Write down what the threads have to say; say aloud what is an alarm."""
        while self.journal.alarms:
            kind, text = self.journal.alarms.popleft()
            if self._on_alarm is not None:
                self._on_alarm(f"{kind}: {text}")
            self._notes.append((kind, text))
        of_compressor = [] if self.compressor is None else [self.compressor.notes]
        for notes in (self._notes, self.recovery.notes, self.backlog.notes, self.incidents.notes, *of_compressor):
            while notes and self.client.note(*notes[0]):
                notes.popleft()

    def _journal_alone(self) -> bool:
        return self.journal.reserve.state is not Room.ENOUGH

    def _write_new(self, batch: Batch, again: bool) -> BatchReport:
        """Write a batch once the journal that it is made from is durable; as `LakeWriter.write` does."""
        self.journal.sync()
        report = self._lake.write(batch, again)
        if self._lake.recovery_waits:  # The store answers, so what it kept from being done may be done now.
            self.writer.put_aside_work(self._lake.recovery_steps())
        return report

    def _put(self, batch: Batch) -> None:
        self.backlog.put(batch, self._batcher)

    async def _watch(self, syncer: _Syncer, seconds: float | None, watch: Callable[[], None] | None) -> None:
        """Look after the threads, the time and whoever watches; whatever fails here ends the run, raised there."""
        loop = asyncio.get_running_loop()
        end = None if seconds is None else loop.time() + seconds
        try:
            while end is None or loop.time() < end:
                left = WATCH_S if end is None else min(WATCH_S, end - loop.time())
                await asyncio.sleep(max(left, 0))
                syncer.check()
                self.writer.check()
                self._write_notes()
                if watch is not None:
                    watch()
            self.stop()
        except Exception as error:  # noqa: BLE001
            self.client.fail(error)
