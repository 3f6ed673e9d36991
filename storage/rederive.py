"""A lake held against what its journal gives: the same names, or at least the same rows.

Layer: storage, above rebuild. Writes to a scratch directory that it removes.
Source: design section 7, `verify`: rederives files from the journal and compares.

A compacted lake has the same rows in other files, so both are merged and compared a row group at a time. Dates that
retention took out are left out.
"""

import shutil
from collections.abc import Callable, Iterator
from itertools import zip_longest
from pathlib import Path

from storage.errors import LakeDamaged
from storage.log_story import Add, LogStory, read_story
from storage.merging import Merge
from storage.places import lake_store
from storage.rebuild import rebuild
from storage.schemas import TABLES
from storage.stores import LocalStore, Store
from storage.tape_layout import JOURNAL, SCRATCH
from storage.verify import REMEDY_FILE, Finding, Scope

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
            sides = lake_store(root).below(table), LocalStore(scratch / table)
            yield from _compare(sides, table, scope, scratch / "merge")
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _compare(sides: tuple[Store, Store], table: str, scope: Scope, scratch: Path) -> Iterator[Finding]:
    """Yield where a table of the lake, the first of two stores, has other rows than the one made anew."""
    story = read_story(sides[0])
    here, there = _by_date(story, scope), _by_date(read_story(sides[1]), scope)
    for date in sorted((here.keys() | there.keys()) - story.dropped):
        ours, theirs = here.get(date, []), there.get(date, [])
        if {add.path for add in ours} == {add.path for add in theirs}:
            continue
        counts = sum(add.rows for add in ours), sum(add.rows for add in theirs)
        where = f"{table}/date={date}"
        if counts[0] != counts[1]:
            yield Finding(where, "rows", f"{counts[1]} by the journal", f"{counts[0]}", REMEDY)
            continue
        try:
            files = _paths(sides[0], ours, scratch / "copies"), _paths(sides[1], theirs, scratch)
            if not _same(table, files, scratch):
                yield Finding(where, "rows", f"the {counts[1]} of the journal", "others", REMEDY)
        except (LakeDamaged, FileNotFoundError) as error:
            yield Finding(where, "rows", f"the {counts[1]} of the journal", str(error), REMEDY_FILE)


def _by_date(story: LogStory, scope: Scope) -> dict[str, list[Add]]:
    found: dict[str, list[Add]] = {}
    for add in story.live.values():
        if add.date.startswith(scope.date):
            found.setdefault(add.date, []).append(add)
    return found


def _paths(store: Store, adds: list[Add], scratch: Path) -> list[Path]:
    ordered = sorted(adds, key=lambda add: (add.lowest.get("receive_ns", 0), add.path))
    return [store.copy_of(add.path, scratch) for add in ordered]


def _same(table: str, files: tuple[list[Path], list[Path]], scratch: Path) -> bool:
    """Return whether two lists of files have the same rows in the same order, as one compacted file would have them."""
    groups = [Merge(table, paths, scratch / str(side)).groups() for side, paths in enumerate(files)]
    try:
        return all(one is not None and other is not None and one.equals(other) for one, other in zip_longest(*groups))
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
