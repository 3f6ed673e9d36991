"""Files that no version of a table has listed for a while, removed from the disk or the object store.

Layer: storage, above the log's story. Time is an argument.
Source: faults section 1, clause 6: inputs are deleted after a grace period; A15: nothing is deleted silently.
Left to others: files that no entry ever named, which are quarantine's (`storage.recovery_lake`); temporaries.

A file goes where its log says that it was taken out before the grace period began, where the log does not list it, and
where nobody wrote it since: what is about to be committed is as young as its commit. So whoever opened the lake within
that time reads on, and every version of it can be read again. Entries of the log stay: they tell what was known when,
and of what a compacted file was made.
"""

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Final, NamedTuple

from storage.commits import TableLog
from storage.lake import Lake
from storage.log_story import read_story
from storage.schemas import PARTITION_COLUMN, TABLES
from storage.stores import Store

KEEP_DAYS: Final = 7

_MS_NS: Final = 1_000_000


class Vacuumed(NamedTuple):
    """What was removed of one table, or would be. waiting: files taken out that are within the grace period yet."""

    table: str
    files: int
    bytes: int
    waiting: int


def vacuum(
    lake_at: Path | Store, *, keep_ns: int, now_ns: int, tables: Collection[str] = TABLES, dry_run: bool = False
) -> Iterator[Vacuumed]:
    """Remove what was taken out of a lake's tables longer than `keep_ns` ago; yield the sum of each table.

    Stopped at any step it goes on when called again. Errors: LakeMissing, LakeNewer, LakeDamaged, OSError, StoreError.
    """
    lake = Lake.open(lake_at)
    before_ns = now_ns - keep_ns
    for table in TABLES:
        log = TableLog.open(lake.store.below(table), table) if table in tables else None
        if log is None:
            continue
        found = [it for it in log.store.list() if it.name.startswith(f"{PARTITION_COLUMN}=")]
        listed = {add["path"] for add in log.listing().adds}
        unlisted = [it for it in found if it.name not in listed]
        removed_ms = read_story(log.store).removed_ms if unlisted else {}
        files = size = waiting = 0
        for file in unlisted:
            if file.name not in removed_ms:
                continue
            if max(removed_ms[file.name] * _MS_NS, file.modified_ns) > before_ns:
                waiting += 1
                continue
            if dry_run or log.store.delete(file.name):
                files, size = files + 1, size + file.size
        yield Vacuumed(table, files, size, waiting)
