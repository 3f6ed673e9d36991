"""Files verified: whether the files of the day are those that were written.

Layer: queries, one check, over `storage.verify`.
Says: each file, commit log entry and journal segment of the day that is not what it is stated to be.
Computed: as `fixtape verify --date` does: every byte of the lake's files of the day is read, hashed and compared with
its name, or with `--quick` names, sizes and footers; of the journal what its segments say of themselves.
Thresholds: none; each is an error, for it concerns rows that a reader would take for right.
Source: design section 5, content in the name; faults I1 to I8.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from queries.quality.day import Day
from queries.quality.findings import Finding, Outcome, Severity, counted
from storage.places import lake_store
from storage.tape_layout import JOURNAL
from storage.verify import Checked, Scope, verify_lake
from storage.verify import Finding as NotAsStated
from storage.verify_journal import verify_segments

name: Final = "files"
title: Final = "Files verified"


def run(day: Day) -> Outcome:
    """Return what is wrong with the files."""
    checked = Checked()
    found = list(_found(day, checked))
    depth = "every byte" if day.full else "names, sizes and footers"
    looked = f"{counted(checked.files, 'file')} and {counted(checked.segments, 'journal segment')}"
    summary = f"{looked}, {depth}; {len(found)} not in order"
    return Outcome(summary, found, {"files": checked.files, "bytes": checked.bytes, "wrong": len(found)})


def _found(day: Day, checked: Checked) -> Iterator[Finding]:
    lake, scope = lake_store(day.place), Scope(day.date, full=day.full)
    yield from (_finding(day, it) for it in verify_lake(lake, scope, checked, lambda _count: None))
    if isinstance(day.place, Path) and (day.place / JOURNAL).is_dir():
        yield from (_finding(day, it) for it in verify_segments(day.place, Scope(day.date, full=False), checked))


def _finding(day: Day, it: NotAsStated) -> Finding:
    return Finding(name, Severity.ERROR, None, day.bounds.start_ns, day.bounds.end_ns, 1, str(it), evidence=it.where)
