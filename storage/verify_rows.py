"""Rows of a lake held against each other: numbers that run on, and books at their key frames.

Layer: storage, above the log's story. Reads only.
Source: design sections 5 and 6; faults section 2, I3 and I6.
Left to others: single files (`storage.verify`).

Numbers: in each session every MsgSeqNum(34) between two that have a row has one too, in `messages` or `events`, or an
event tells the hole. A hole of a single number may be a TestRequest of the venue's, of which no row is kept, so it is
passed over; that no file lost a row is known by its hash.
Books: from a snapshot or a key frame on, the rows of `book_changes` are applied, and the book that comes of it is the
next key frame, level by level. Rows of a suspect book were applied to none.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from capture.columns import Flag
from storage.errors import StoreError
from storage.log_story import read_story
from storage.stores import Store, parquet_at, store_at
from storage.verify import REMEDY_ROWS, Checked, Finding, Scope

NUMBERED: Final = ("logon", "heartbeat", "proof", "resend_request", "reject", "rejected", "logout")
TELLING: Final = ("gap", "gap_fill", "sequence_reset", "rollover", "merged")  # Events by which numbers may be missing.
HOLE_MIN: Final = 2
LEVELS_SHOWN: Final = 3

_CHANGE_COLUMNS: Final = (
    "session_id",
    "symbol",
    "msg_seq_num",
    "flags",
    "side",
    "action",
    "price",
    "size",
    "entry_index",
)


class _Stretch(NamedTuple):
    """Numbers from one to another, both included."""

    begin: int
    end: int


def verify_numbers(lake: Path | Store, scope: Scope, checked: Checked) -> Iterator[Finding]:
    """Yield the holes in the numbers of each session that no event tells. Files that cannot be read are left out."""
    without = _dropped(lake, "messages", "events")
    seen: dict[str, list[_Stretch]] = defaultdict(list)
    told: dict[str, list[_Stretch]] = defaultdict(list)
    for rows in _tables(lake, "messages", scope, without, ("session_id", "msg_seq_num")):
        _collect(rows, seen)
    for rows in _tables(lake, "events", scope, without, ("session_id", "msg_seq_num", "kind", "count")):
        _collect(rows.filter(pc.is_in(rows["kind"], pa.array(NUMBERED))), seen)
        for row in rows.filter(pc.is_in(rows["kind"], pa.array(TELLING))).to_pylist():
            begin = row["msg_seq_num"]
            if row["session_id"] is None:
                continue
            if begin is None or row["count"] is None:
                told[row["session_id"]].append(_Stretch(0, 2**62))  # The numbers began anew.
            else:
                told[row["session_id"]].append(_Stretch(begin, begin + row["count"] - 1))
    for session, stretches in sorted(seen.items()):
        checked.sessions += 1
        for hole in _holes(stretches):
            known = any(it.begin <= hole.begin and hole.end <= it.end for it in _joined(told[session]))
            if hole.end - hole.begin + 1 >= HOLE_MIN and not known:
                yield Finding(
                    f"session {session}",
                    "MsgSeqNum(34)",
                    "every number in a row, or an event that tells why not",
                    f"{hole.begin} to {hole.end} in none",
                    REMEDY_ROWS,
                )


def _collect(rows: pa.Table, seen: dict[str, list[_Stretch]]) -> None:
    """Add the stretches of numbers that follow each other in these rows, by session."""
    rows = rows.filter(pc.and_(pc.is_valid(rows["session_id"]), pc.is_valid(rows["msg_seq_num"])))
    for session in pc.unique(rows["session_id"]).to_pylist():
        numbers = pc.unique(rows.filter(pc.equal(rows["session_id"], session))["msg_seq_num"])
        numbers = numbers.take(pc.array_sort_indices(numbers))
        breaks = pc.greater(pc.subtract(numbers[1:], numbers[:-1]), 1)
        ends = [*numbers[:-1].filter(breaks).to_pylist(), numbers[-1].as_py()]
        begins = [numbers[0].as_py(), *numbers[1:].filter(breaks).to_pylist()]
        seen[session].extend(map(_Stretch, begins, ends))


def _joined(stretches: list[_Stretch]) -> list[_Stretch]:
    """Return stretches that touch as one, in order."""
    joined: list[_Stretch] = []
    for begin, end in sorted(stretches):
        if joined and begin <= joined[-1].end + 1:
            joined[-1] = _Stretch(joined[-1].begin, max(joined[-1].end, end))
        else:
            joined.append(_Stretch(begin, end))
    return joined


def _holes(stretches: list[_Stretch]) -> Iterator[_Stretch]:
    joined = _joined(stretches)
    for before, after in pairwise(joined):
        yield _Stretch(before.end + 1, after.begin - 1)


@dataclass(slots=True)
class _Sides:
    """A book while rows are applied. stands: whether it began with a snapshot or a key frame."""

    stands: bool = False
    snapshot_seq: int = -1
    sides: dict[str, dict[int, int]] = field(default_factory=lambda: {"bid": {}, "offer": {}})

    def apply(self, seq: int, side: str | None, action: str, price: int, size: int) -> None:
        if action in ("snapshot", "clear") and seq != self.snapshot_seq:
            self.stands, self.snapshot_seq = True, seq
            self.sides = {"bid": {}, "offer": {}}
        if side is None:
            return
        if action in ("delete", "evict"):
            self.sides[side].pop(price, None)
        elif size:
            self.sides[side][price] = size

    def levels(self) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
        return sorted(self.sides["bid"].items(), reverse=True), sorted(self.sides["offer"].items())


def verify_books(lake: Path | Store, scope: Scope, checked: Checked) -> Iterator[Finding]:
    """Yield the key frames that are not the book which the changes before them make."""
    without = _dropped(lake, "books", "book_changes")
    frames: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for rows in _tables(lake, "books", scope, without, None):
        for row in rows.to_pylist():
            frames[row["session_id"], row["symbol"]].append(row)
    for of_one in frames.values():
        of_one.sort(key=lambda row: -row["msg_seq_num"])  # The next one is at the end.
    books: dict[tuple[str, str], _Sides] = defaultdict(_Sides)
    for rows in _tables(lake, "book_changes", scope, without, _CHANGE_COLUMNS):
        for session, symbol, seq, flags, side, action, price, size, _ in zip(
            *(rows[name].to_pylist() for name in _CHANGE_COLUMNS), strict=True
        ):
            key = (session, symbol)
            if key not in frames or flags & Flag.SUSPECT_BOOK:
                continue
            yield from _reached(key, books[key], frames[key], seq, checked)
            books[key].apply(seq, side, action, price, size)
    for key, of_one in frames.items():
        yield from _reached(key, books[key], of_one, 2**62, checked)


def _reached(
    key: tuple[str, str], book: _Sides, frames: list[dict[str, Any]], seq: int, checked: Checked
) -> Iterator[Finding]:
    """Compare the book with every key frame of a number below; where it began with nothing, begin with the frame."""
    while frames and frames[-1]["msg_seq_num"] < seq:
        frame = frames.pop()
        bids = list(zip(frame["bid_prices"], frame["bid_sizes"], strict=True))
        offers = list(zip(frame["offer_prices"], frame["offer_sizes"], strict=True))
        if book.stands:
            checked.key_frames += 1
            made = book.levels()
            strange = sorted(set(made[0]) ^ set(bids)) + sorted(set(made[1]) ^ set(offers))
            if strange or made != (bids, offers):
                yield Finding(
                    f"session {key[0]}, {key[1]}",
                    f"book at MsgSeqNum {frame['msg_seq_num']}",
                    f"the {len(bids)} + {len(offers)} levels of its key frame",
                    f"{len(strange)} others by its changes, such as {strange[:LEVELS_SHOWN]}",
                    REMEDY_ROWS,
                )
        book.stands = True
        book.sides = {"bid": dict(bids), "offer": dict(offers)}


def _dropped(lake: Path | Store, *tables: str) -> frozenset[str]:
    """Return the dates that one of these tables has no more: what another tells of them cannot be held against it."""
    return frozenset().union(*(read_story(store_at(lake).below(table)).dropped for table in tables))


def _tables(
    lake: Path | Store, table: str, scope: Scope, without: frozenset[str], columns: tuple[str, ...] | None
) -> Iterator[pa.Table]:
    """Yield the rows of a table, a row group at a time, earliest file first.

    What cannot be read is a finding of `storage.verify`.
    """
    store = store_at(lake).below(table)
    live = read_story(store).live.values()
    adds = [add for add in live if add.date.startswith(scope.date) and add.date not in without]
    for add in sorted(adds, key=lambda add: (add.lowest.get("receive_ns", 0), add.path)):
        try:
            with pq.ParquetFile(parquet_at(store, add.path)) as file:
                for place in range(file.num_row_groups):
                    yield file.read_row_group(place, columns=list(columns) if columns else None)
        except StoreError:
            raise
        except (OSError, pa.ArrowException):
            continue
