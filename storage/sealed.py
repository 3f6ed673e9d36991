"""Which dates of a tape are sealed: no batch still to come can hold a row of them.

Layer: storage, above journal and lake. Reads only, no clock and no lock.
Source: design section 3: a run's batches follow each other in the order of its records.
Left to others: what is done with a sealed date (`storage.push`).

A run that the lake holds whole commits nothing more. Any other may: from the end of its last batch on, without end
while it records, else to when its last segment was written, as a recovery will make those batches. It is no promise
that a push stands on: a date that changes all the same is pushed again.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final

from storage.commits import entry_name
from storage.journal.runs import Run, runs_of
from storage.journal.segments import segment_name, segment_paths
from storage.journal.times import DAY_NS, parse_utc
from storage.lake import Lake
from storage.log_story import EntryDamaged, parse_entry
from storage.pipeline import app_id_of
from storage.schemas import TABLE_LAST
from storage.tape_layout import JOURNAL, writer_of
from storage.whole_runs import WholeRuns

_EPOCH: Final = date(1970, 1, 1)
_MS_NS: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class OpenRun:
    """A run that may commit more, and of which times. until_ns: None while it records."""

    name: str
    from_ns: int
    until_ns: int | None

    def may_touch(self, of_date: str) -> bool:
        """Return whether a batch of it may hold a row of a date."""
        begin_ns = (date.fromisoformat(of_date) - _EPOCH).days * DAY_NS
        return begin_ns + DAY_NS > self.from_ns and (self.until_ns is None or begin_ns <= self.until_ns)


def open_runs(root: Path, lake: Lake) -> list[OpenRun]:
    """Return the runs of a tape that may commit more. Errors: JournalUnreadable; JournalTooNew; OSError."""
    if not (root / JOURNAL).is_dir():
        return []
    whole, writer = WholeRuns(root), writer_of(root)
    recording = "" if writer is None else writer.run
    return [
        _open_run(run, lake, records=run.name == recording)
        for run in runs_of(segment_paths(root))
        if not whole.holds(run.name, lake.last_versions(app_id_of(run.name)))
    ]


def sealed(dates: Iterable[str], runs: Iterable[OpenRun]) -> Iterator[tuple[str, OpenRun | None]]:
    """Yield each date with the run for which it is open, or None where it is sealed."""
    runs = list(runs)
    for of_date in dates:
        yield of_date, next((run for run in runs if run.may_touch(of_date)), None)


def _open_run(run: Run, lake: Lake, *, records: bool) -> OpenRun:
    last_ns = _last_batch_ns(lake, app_id_of(run.name))
    first = segment_name(run.paths[0])
    from_ns = parse_utc(first.partition("Z")[0] + "Z") if last_ns is None else last_ns
    return OpenRun(run.name, from_ns, None if records else run.paths[-1].stat().st_mtime_ns)


def _last_batch_ns(lake: Lake, app_id: str) -> int | None:
    """Return when the last batch of a writer ended, read back from the newest entry; None where it has none."""
    log = lake.log(TABLE_LAST)
    if log is None or log.last_version(app_id) is None:
        return None
    for version in range(log.listing().version, -1, -1):
        try:
            entry = parse_entry(version, log.store.read(entry_name(version)))
        except (EntryDamaged, FileNotFoundError):
            return None
        for done in entry.transactions:
            if done.app_id == app_id:
                return done.at_ms * _MS_NS
    return None
