"""A lake held against what its journal gives: the same names, or at least the same rows.

Layer: storage, above rebuild. Writes to a scratch directory that it removes.
Source: design section 7, `verify`: rederives files from the journal and compares.
"""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from storage.log_story import Add
from storage.rebuild import rebuild
from storage.schemas import SORTED_BY, TABLES
from storage.tape_layout import JOURNAL, LAKE, SCRATCH
from storage.verify import Finding, Scope, live_files

REMEDY: str = "if the journal verifies, set the lake aside and make it again: fixtape rebuild ROOT"


def rederive(root: Path, scope: Scope, *, software: str, progress: Callable[[int], None]) -> Iterator[Finding]:
    """Yield what a lake made anew has otherwise, by table and date.

    Errors: as of `storage.rebuild`; OSError.
    """
    scratch = root / SCRATCH / "rederive"
    shutil.rmtree(scratch, ignore_errors=True)
    try:
        rebuild(root / JOURNAL, scratch, software=software, progress=progress)
        for table in TABLES:
            yield from _compare(root / LAKE, scratch, table, scope)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _compare(lake: Path, scratch: Path, table: str, scope: Scope) -> Iterator[Finding]:
    here, there = _by_date(lake, table, scope), _by_date(scratch, table, scope)
    for date in sorted(here.keys() | there.keys()):
        ours, made = here.get(date, []), there.get(date, [])
        if {add.path for add in ours} == {add.path for add in made}:
            continue
        counts = sum(add.rows for add in ours), sum(add.rows for add in made)
        if counts[0] != counts[1]:
            yield Finding(f"{table}/date={date}", "rows", f"{counts[1]} by the journal", f"{counts[0]}", REMEDY)
        elif not _rows(lake / table, ours).equals(_rows(scratch / table, made)):
            yield Finding(f"{table}/date={date}", "rows", f"the {counts[1]} of the journal", "others", REMEDY)


def _by_date(lake: Path, table: str, scope: Scope) -> dict[str, list[Add]]:
    found: dict[str, list[Add]] = {}
    for add in live_files(lake, table).values():
        if add.date.startswith(scope.date):
            found.setdefault(add.date, []).append(add)
    return found


def _rows(table_path: Path, adds: list[Add]) -> pa.Table:
    """Return the rows of files as one compacted file would have them."""
    ordered = sorted(adds, key=lambda add: (add.lowest.get("receive_ns", 0), add.path))
    rows = pa.concat_tables([pq.ParquetFile(table_path / add.path).read() for add in ordered])
    keys = [(column, "ascending", "at_end") for column in SORTED_BY]
    return rows.take(pc.sort_indices(rows, sort_keys=keys)).combine_chunks()
