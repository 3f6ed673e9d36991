"""The lakes of two recorders of one feed, united into a third: date by date, each in one commit a table.

Layer: storage. Opens lakes and locks roots; reads no clock.
Source: design section 5; docs/decisions/0023.
Left to others: what becomes of a date (`storage.union.day`), what is printed (`storage.union.report`).

A merge that is called again goes on after the last date that is committed, with what was kept of it, and gives the same
files however often it was stopped. What an input gains of a date that is merged already is told and left out.
"""

import datetime as dt
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from storage.batches import DAY_NS
from storage.errors import MergeRefused
from storage.lake import Lake
from storage.places import lake_store
from storage.stores import LocalStore
from storage.tape_layout import JOURNAL, LAKE, LOCK, locked, make_root
from storage.union.day import Day, date_ns, messages_of
from storage.union.state import Saved, forget_before, load, save

APP_ID: Final = "merge"
SETTLED_NS: Final = 600 * 10**9  # After its end a date is whole in the lake of a recorder that goes on.


@dataclass(slots=True)
class MergeReport:
    """What a merge came to.

    merged, held, unfinished: dates that were merged by this call, that were before, and that may not be over yet.
    late: dates of which an input has other messages now than when they were merged.
    """

    merged: list[str] = field(default_factory=list)
    held: list[str] = field(default_factory=list)
    unfinished: list[str] = field(default_factory=list)
    late: list[str] = field(default_factory=list)
    rows: int = 0


def merge(
    a: Path,
    b: Path,
    into: Path,
    *,
    now_ns: int,
    software: str,
    until: str | None = None,
    progress: Callable[[int], None] = lambda _count: None,
) -> MergeReport:
    """Unite two lakes into a third, which is made or gone on with; return once it is durable.

    Shapes: a and b are tapes' roots or lakes, into a root of its own. until: the last date to merge, though it may not
        be over; nobody may be recording it. Without it, every date that is over by now_ns.
    Errors: MergeRefused; MergeStateLost; LakeMissing, LakeNewer, LakeDamaged of either lake; RootLocked; CannotCreate.
    """
    _refuse_same(a, b, into)
    lakes = (_opened(a), _opened(b))
    make_root(into)
    with locked(into, doing="merge"), ExitStack() as recorders:
        lake = _own_lake(into)
        roots = [str(root.resolve()) for root in (a, b)]
        last = lake.last_version(APP_ID)
        saved = Saved(roots, {}, 1, [], [], [{}, {}]) if last is None else load(into, _iso(last))
        if saved.roots != roots:
            raise MergeRefused(f"{into}: united from {' and '.join(saved.roots)}; give them in that order")
        dates = sorted({file.date for one in lakes for table in ("messages", "events") for file in one.files(table)})
        report, due = MergeReport(), []
        for date in dates:
            if last is not None and date <= _iso(last):
                (report.held if saved.rows.get(date) == messages_of(lakes, date) else report.late).append(date)
            elif _is_over(date, now_ns) if until is None else date <= until:
                due.append(date)
            else:
                report.unfinished.append(date)
        if due and not _is_over(due[-1], now_ns):
            for root in (a, b):
                if (root / LOCK).exists():
                    recorders.enter_context(locked(root, doing="merge"))
            lakes = (_opened(a), _opened(b))  # What a recorder committed last, before it let go.
        for date in due:
            kept = [saved]

            def keep(after: Saved, date: str = date, kept: list[Saved] = kept) -> None:
                save(into, date, after)
                kept.append(after)

            day = Day(lakes, date, saved, goes_on=_day_after(date) in dates, keep=keep, progress=progress)
            written = lake.write_parts(
                day.parts(),
                label=f"merge-{date}",
                version=dt.date.fromisoformat(date).toordinal(),
                app_id=APP_ID,
                at_ns=day.end_ns,
                metadata={"fixtape.merge": date, "fixtape.software": software},
            )
            saved = kept[-1]
            forget_before(into, date)
            report.merged.append(date)
            report.rows += sum(written.rows.values())
        return report


def _own_lake(into: Path) -> Lake:
    """Return the lake to write, if a merge made it or there is none. Errors: MergeRefused, as `Lake.create_or_open`."""
    path = into / LAKE
    if (into / JOURNAL).exists() or (any(path.glob("*/_delta_log")) and not Lake.open(path).is_united):
        raise MergeRefused(f"{into}: a recorder's tape; give the merge a root of its own")
    return Lake.create_or_open(path, united=True)


def _opened(root: Path) -> Lake:
    """Return the lake of a recorder. Errors: MergeRefused, and those of `Lake.open`."""
    store = lake_store(root)
    if not isinstance(store, LocalStore):
        raise MergeRefused(
            f"{root}: its lake is at {store.location}, and a merge reads the disk; make one there for it:"
            f" fixtape rebuild {root} --into DIRECTORY, and name that"
        )
    lake = Lake.open(store)
    if lake.is_united:
        raise MergeRefused(f"{root}: a merge made this lake; only the lakes of recorders can be merged")
    return lake


def _refuse_same(a: Path, b: Path, into: Path) -> None:
    """Raise where two of three roots are one, or lie in each other. Errors: MergeRefused."""
    roots = [root.resolve() for root in (a, b, into)]
    for place, one in enumerate(roots):
        for other in roots[place + 1 :]:
            if one == other or one in other.parents or other in one.parents:
                raise MergeRefused(f"{one} and {other}: name three roots, none within another")


def _is_over(date: str, now_ns: int) -> bool:
    return date_ns(date) + DAY_NS + SETTLED_NS <= now_ns


def _day_after(date: str) -> str:
    return (dt.date.fromisoformat(date) + dt.timedelta(days=1)).isoformat()


def _iso(ordinal: int) -> str:
    return dt.date.fromordinal(ordinal).isoformat()
