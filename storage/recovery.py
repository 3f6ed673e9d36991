"""What a recorder does about the run before it that did not end in order: all of it without hands, all of it told.

Layer: storage, above journal, lake and replay. Reads no clock.
Source: design section 10; faults section 2, A14 and A15.
Left to others: how a segment is mended (`recovery_journal`), how a log is (`recovery_lake`), how a run is told again
    (`replay`), what stands in the way of a rebuild (`rebuild`).

Only what the recorder cannot start without is done before it: the newest segments are of a version known here, and each
table's log opens. Everything else is done behind the recording, in the lake writer's thread, a step at a time and only
while no new batch waits: however much an earlier run left undone, the first new byte is not kept waiting. Runs write to
the lake each under a name of its own, so the order between them makes no difference.
"""

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from deltalake.exceptions import DeltaError

from capture.wire.values import compact_utc
from storage.batcher import Batch
from storage.commits import TableLog
from storage.errors import JournalDamaged, LakeDamaged, RunIncomplete, StorageError, StoreError
from storage.journal.runs import Run, beginning_fault, run_of, runs_of
from storage.journal.segments import present_form, segment_name, segment_paths
from storage.lake import Lake
from storage.log_story import read_story
from storage.pipeline import app_id_of, write_batch
from storage.quarantine import Quarantine
from storage.recovery_journal import ABORT, mend_segment
from storage.recovery_lake import LogCut, remove_leftovers, set_orphans_aside, tell_orphans
from storage.replay import Replay
from storage.schemas import TABLE_LAST, TABLES
from storage.stores import LocalStore, Store
from storage.tape_layout import JOURNAL, LAKE, LockOwner
from storage.whole_runs import WholeRuns

SEGMENTS_AT_START: Final = 8  # Newest ones, of which the version is looked at before recording.
STEP_BYTES: Final = 256 * 1024  # Of the journal that are told again between two looks for a new batch.
NOTES_LIMIT: Final = 1000

_MS_NS: Final = 1_000_000


@dataclass(slots=True)
class RecoveryReport:
    """What recovery found and did.

    done: kind and words of each thing. runs: told again. batches, rows: made that the lake lacked. failed: what is left
    to do, and why; the next start tries again.
    """

    done: list[tuple[str, str]] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    runs: int = 0
    batches: int = 0
    rows: int = 0

    @property
    def nothing_done(self) -> bool:
        """Whether all was in order."""
        return not self.done and not self.failed

    @property
    def damaged(self) -> bool:
        """Whether there was anything that a crash alone does not explain."""
        return bool(self.failed) or any(kind == "damage" for kind, _ in self.done)


class Recovery:
    """Recovery of one tape by whoever holds its lock: `before_recording`, then every step of `steps`.

    own_run: of the recorder that begins; empty where none does. say: told each thing at once. lake: where the tape's
    lake stands; beside its journal if not given.
    every_entry: look at all entries of the logs, for which there is no time where recording is to begin.
    notes: kind and text, for the recorder to note.
    """

    def __init__(
        self,
        root: Path,
        *,
        software: str,
        at_ns: int,
        policy: str,
        own_run: str = "",
        say: Callable[[str], None] | None = None,
        every_entry: bool = False,
        lake: Store | None = None,
    ) -> None:
        self.root = root
        self._lake = LocalStore(root / LAKE) if lake is None else lake
        self.report = RecoveryReport()
        self.notes: deque[tuple[str, str]] = deque(maxlen=NOTES_LIMIT)
        self._software, self._policy, self._own_run, self._say = software, policy, own_run, say
        self._at_ns, self._every_entry = at_ns, every_entry
        self._quarantine = Quarantine(root, software=software, at=compact_utc(at_ns))
        self._segments: frozenset[str] = frozenset()
        self._whole = WholeRuns(root)

    def before_recording(self, left_by: LockOwner | None) -> None:
        """Make sure that recording can begin. left_by: who held the lock and did not let go of it.

        Errors: JournalTooNew; LakeNewer; LakeDamaged where a log cannot be put in order, or under `abort`; OSError.
        """
        if left_by is not None:
            self._tell("lock", f"taken over from {left_by}, which did not end in order")
        paths = segment_paths(self.root) if (self.root / JOURNAL).is_dir() else []
        for path in paths[-SEGMENTS_AT_START:]:
            run_of(path)
        self._segments = frozenset(segment_name(path) for path in paths)
        if isinstance(self._lake, LocalStore):  # An object is there whole or not at all: no log of a store is torn.
            for name in TABLES:
                self._mend_log(self._lake.path / name)

    def steps(self, lake: Lake) -> Iterator[None]:
        """Do the rest, a little at each step, in the thread that writes to the lake.

        Errors: JournalDamaged under `abort`; StoreError of an object store: called again later, it goes on.
        Any other failure is reported, and the run is left to the next start.
        """
        try:
            paths = self._old_segments()
            runs = list(runs_of(paths))
            for path in set(paths).difference(*(run.paths for run in runs)):
                mend_segment(path, self._quarantine, self._tell, policy=self._policy, last=True)
        except (StorageError, OSError) as error:
            self._fail(str(error))
            return
        for run in runs:
            yield from self._finish_run(run, lake)
            yield
        if not self.report.failed:
            yield from self._tidy({run.name for run in runs}, lake)

    def waits(self, reason: str) -> None:
        """Tell that a store keeps the rest of the steps from being done for now."""
        self._note(f"waits for the object store: {reason}")

    def own_run_is_whole(self, lake: Lake) -> None:
        """Write down that the recorder's own run is whole; after its last batch is committed. Errors: OSError."""
        self._whole.add(self._own_run, lake.last_versions(app_id_of(self._own_run)))

    def _old_segments(self) -> list[Path]:
        """Return the segments that were there at the start, by the names that they have now."""
        if not self._segments:
            return []
        return [path for path in segment_paths(self.root) if segment_name(path) in self._segments]

    def _mend_log(self, table: Path) -> None:
        """Cut the log of a table where it is damaged. Errors: LakeNewer; LakeDamaged; OSError."""
        with suppress(LakeDamaged):  # Looked into below.
            TableLog.open(table, table.name)  # A later version's log may hold otherwise than is known here.
        cut = LogCut(table, every_entry=self._every_entry)
        if cut.damaged:
            if self._policy == ABORT:
                raise LakeDamaged(table, f"log entry {cut.version}: {cut.reason}")
            whole = (run for run in runs_of(self._old_segments()) if beginning_fault(run, self.root) is None)
            try:
                cut.check(frozenset(app_id_of(run.name) for run in whole))
            except LakeDamaged as damage:
                if not cut.only_history:
                    raise
                self._fail(f"{damage}; a checkpoint stands for it, and only what was known when is lost")
                return
        cut.apply(self._quarantine, self._tell)

    def _tidy(self, runs: set[str], lake: Lake) -> Iterator[None]:
        """Remove and set aside what belongs to no batch."""
        try:
            self._whole.keep_only(runs | {self._own_run})
            if isinstance(lake.store, LocalStore):
                remove_leftovers(lake.store.path, self._at_ns, self._tell)
            for table in TABLES:
                if isinstance(lake.store, LocalStore):
                    set_orphans_aside(lake, table, self._at_ns, self._quarantine, self._tell)
                elif self.report.runs:  # Only a run that did not end in order leaves any, and to list takes its time.
                    tell_orphans(lake, table, self._tell)
                yield
        except StoreError:
            raise
        except (StorageError, OSError, DeltaError) as error:
            self._fail(f"what no log names: {_first_line(error)}")

    def _finish_run(self, run: Run, lake: Lake) -> Iterator[None]:
        """Mend a run's segments and make what the lake lacks of it, unless it is whole."""
        try:
            if self._whole.holds(run.name, lake.last_versions(app_id_of(run.name))):
                return
            for path in run.paths:
                last = path == run.paths[-1]
                mend_segment(present_form(path), self._quarantine, self._tell, policy=self._policy, last=last)
                yield
            forms = map(present_form, run.paths)  # A segment may have been compressed since it was listed.
            run = replace(run, paths=tuple(path for path in forms if path.exists()))
            if run.paths:
                yield from self._complete(run, lake)
                self._whole.add(run.name, lake.last_versions(app_id_of(run.name)))
        except (JournalDamaged, StoreError):
            raise
        except (StorageError, OSError, DeltaError) as error:
            self._fail(f"run {run.name}: {_first_line(error)}")

    def _complete(self, run: Run, lake: Lake) -> Iterator[None]:
        fault = beginning_fault(run, self.root)
        if fault is not None:
            raise RunIncomplete(self.root / JOURNAL, run.name, fault)
        story = read_story(lake.store.below(TABLE_LAST))
        app_id = app_id_of(run.name)
        before = self.report.batches

        def write(batch: Batch) -> None:
            if batch.number == 1:
                known_ms = story.batches.get((app_id, 1))
                if known_ms is not None and known_ms != batch.end_ns // _MS_NS:
                    raise RunIncomplete(self.root / JOURNAL, run.name, "its first records are not there")
            written = write_batch(lake, batch, self._software)
            rows = sum(written.rows.values())
            self.report.batches += bool(rows)
            self.report.rows += rows

        replay = Replay(run, write, past_damage=self._policy != ABORT, held=story.last.get(app_id))
        told = 0
        for record in replay.records():
            told += len(record.data) + 1
            if told >= STEP_BYTES:
                told = 0
                yield
        self.report.runs += 1
        made = self.report.batches - before
        if made:
            self._tell("batches", f"run {run.name}: {made} batches that the lake lacked are made from the journal")

    def _tell(self, kind: str, text: str) -> None:
        self.report.done.append((kind, text))
        self._note(f"{kind}: {text}")

    def _fail(self, text: str) -> None:
        self.report.failed.append(text)
        self._note(f"left undone: {text}")

    def _note(self, text: str) -> None:
        self.notes.append(("recovery", text))
        if self._say is not None:
            self._say(f"recovery: {text}")


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or ["?"])[0]
