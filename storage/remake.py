"""Files of batches made again from the journal, and which batch a file was made of.

Layer: storage, above replay and the log's story. Writes scratch; puts nothing into the lake.
Source: design section 5: every file can be derived again.
Left to others: where a file goes (`storage.restore`).

A batch is known by its run and its number, which stand in the log entry that added its files. Damage in a journal may
shift the numbers behind it; a file is then known by its name, which ends in the digest of what it holds.
"""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from storage.batcher import Batch
from storage.batches import dated_tables
from storage.files import WrittenFile, label_of_name, write_file
from storage.journal.runs import beginning_fault, runs_of
from storage.journal.segments import segment_paths
from storage.log_story import Add, LogStory
from storage.pipeline import app_id_of
from storage.replay import Replay

UNKNOWN: str = "no run in the journal made it"


class BatchFile(NamedTuple):
    """A file of one batch. app_id, number: of the batch, as the log states them."""

    table: str
    add: Add
    app_id: str
    number: int

    @property
    def key(self) -> tuple[str, str]:
        """Its table, and its path within it."""
        return self.table, self.add.path


Reasons = dict[tuple[str, str], str]  # Why files could not be made, by table and path.
OnMade = Callable[[BatchFile, WrittenFile, Batch], None]  # The file as it was made again, in the scratch directory.


def batch_file(story: LogStory, table: str, path: str) -> BatchFile | None:
    """Return a file as one of a batch, or None where the log does not tell which made it.

    The file of a batch may have taken the place of another of the same rows, which a restoration could not make byte
    for byte: the batch is then that of the other.
    """
    add, before = story.adds.get(path), path
    seen = set()
    while add is not None and (entry := story.made_by.get(before)) is not None and before not in seen:
        seen.add(before)
        if entry.transactions:
            return BatchFile(table, add, entry.transactions[0].app_id, entry.transactions[0].version)
        if len(entry.removes) != 1 or label_of_name(entry.removes[0]) != label_of_name(path):
            break
        before = entry.removes[0]
    return None


def remake(
    root: Path,
    scratch: Path,
    wanted: Iterable[BatchFile],
    on_made: OnMade,
    progress: Callable[[int], None] | None = None,
) -> Reasons:
    """Make files again from the journal of a tape; return those that could not be, and why.

    Errors: OSError; JournalDamaged, JournalTooNew, JournalUnreadable.
    """
    files = {file.key: file for file in wanted}
    failed = dict.fromkeys(files, UNKNOWN)
    for run in runs_of(segment_paths(root)) if failed else ():
        of_run = [file for file in files.values() if file.app_id == app_id_of(run.name)]
        fault = beginning_fault(run, root) if of_run else None
        if fault is not None:
            failed.update(dict.fromkeys((file.key for file in of_run), f"of run {run.name} {fault}"))
        elif of_run:
            replay = Replay(run, _Maker(scratch, of_run, failed, on_made), past_damage=True)
            for record in replay.records():
                if progress is not None:
                    progress(len(record.data))
    return failed


class _Maker:
    """Takes the batches of a run and makes the files that are wanted of them."""

    def __init__(self, scratch: Path, wanted: list[BatchFile], failed: Reasons, on_made: OnMade) -> None:
        self._scratch, self._failed, self._on_made = scratch, failed, on_made
        self._wanted: dict[tuple[str, str, str], list[BatchFile]] = {}
        for file in wanted:
            self._wanted.setdefault((file.table, file.add.date, label_of_name(file.add.path)), []).append(file)

    def __call__(self, batch: Batch) -> None:
        """Make what is wanted of a batch; a label may belong to several, where there were very many rows."""
        for name, table in batch.columns.tables().items():
            if not any(key[0] == name and key[2] == batch.label for key in self._wanted):
                continue
            for date, rows in dated_tables(table, batch.columns.names):
                candidates = self._wanted.get((name, date, batch.label))
                if not candidates:
                    continue
                made = write_file(self._scratch / name, name, [rows], date=date, label=batch.label)
                by_name = [file for file in candidates if file.add.path == made.path]
                by_number = [file for file in candidates if file.number == batch.number]
                for file in by_name or by_number:
                    if not by_name and made.rows != file.add.rows:
                        self._failed[file.key] = f"made again it has {made.rows} rows, not {file.add.rows}"
                        continue
                    self._failed.pop(file.key, None)
                    candidates.remove(file)
                    self._on_made(file, made, batch)
