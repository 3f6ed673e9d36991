"""Whole dates taken out of tables once they are old.

Layer: storage, above commits. Time is an argument. The journal is never touched.
Source: design section 5; faults A17.
Left to others: the disk (`storage.vacuum`), segments of the journal (`storage.trim`).

One entry of a table's log takes out every file of those dates. The batches stay marked as committed, so neither a
recovery nor a rebuild in place brings them back. Files leave the disk by vacuum, and until then older versions of the
table can be read.
"""

from collections.abc import Collection, Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Final, NamedTuple

from storage.batches import DAY_NS
from storage.commits import TableLog
from storage.lake import Lake, file_info
from storage.log_entries import SOFTWARE_KEY, RemovedFile
from storage.schemas import TABLES
from storage.stores import Store

BEFORE_KEY: Final = "fixtape.retainedFrom"  # Of the metadata of a commit: the first date that was kept.

_EPOCH: Final = date(1970, 1, 1)


class Retained(NamedTuple):
    """What was taken out of one table, or would be. first, last: dates; empty where there are none."""

    table: str
    dates: int
    files: int
    rows: int
    bytes: int
    first: str
    last: str


def retain(
    lake_at: Path | Store,
    *,
    days: int,
    now_ns: int,
    software: str,
    tables: Collection[str] = TABLES,
    dry_run: bool = False,
) -> Iterator[Retained]:
    """Take dates that ended more than `days` days ago out of a lake's tables; yield the sum of each table.

    Errors: LakeMissing, LakeNewer, LakeDamaged; CommitConflict, CommitContended; OSError.
    """
    lake = Lake.open(lake_at)
    first_kept = (_EPOCH + timedelta(days=now_ns // DAY_NS - days)).isoformat()
    for table in TABLES:
        log = TableLog.open(lake.store.below(table), table) if table in tables else None
        if log is None:
            continue
        version, adds = log.listing()
        old = [file for file in (file_info(log.store, add) for add in adds) if file.date < first_kept]
        if old and not dry_run:
            log.commit(
                [],
                removes=[RemovedFile(file.name, file.date, file.size) for file in old],
                as_of=version,
                at_ns=now_ns,
                metadata={SOFTWARE_KEY: software, BEFORE_KEY: first_kept},
            )
        dates = sorted({file.date for file in old})
        rows, size = sum(file.rows for file in old), sum(file.size for file in old)
        yield Retained(table, len(dates), len(old), rows, size, *(dates[0], dates[-1]) if dates else ("", ""))
