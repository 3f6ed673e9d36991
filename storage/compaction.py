"""Small files of a lake made into few: those of an hour, or of a day, become one, in one step of the table's log.

Layer: storage, above merging and commits. Any number of processes may read, and one may record, meanwhile; time is an
argument.
Source: design section 5; faults section 1, clause 6: outputs become visible and inputs invisible in one step.
Left to others: how rows are merged (`storage.merging`), when inputs leave the disk (`storage.vacuum`).

Only what has ended is compacted: an hour or a date of which a later batch is committed, or that ended an hour ago. A
late batch of it does no harm: it stands beside what was made, and is merged with it the next time. What is made is read
again from the disk, and its rows are those of its inputs by count and digest, before the log names it. Killed at any
step the lake is as before or as after; a file that no entry names yet is made again under the same name.
"""

import os
import secrets
import shutil
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Final, NamedTuple

import pyarrow as pa

from storage.batches import DAY_NS
from storage.commits import TableLog
from storage.digests import RowsDigest
from storage.errors import LakeDamaged, RowsDiffer
from storage.files import LEVEL_DENSE, label_of_name, write_file
from storage.lake import FileInfo, Lake, file_info
from storage.log_entries import SOFTWARE_KEY, RemovedFile
from storage.merging import Merge, check_content, read_groups
from storage.row_order import in_order
from storage.schemas import TABLE_LAST, TABLES
from storage.stores import Store, writer_is_gone
from storage.tape_layout import SCRATCH

HOUR: Final = "hour"
DAY: Final = "day"
FILE_BYTES_LIMIT: Final = 512 * 2**20  # Of the inputs of one file; a day that is larger becomes several, one by one.
SETTLED_NS: Final = 3600 * 10**9  # After so long an hour is over, whether or not anything came after it.
PIECES_LIMIT: Final = 200  # Between two looks at what the table's log lists.

_HOUR_NS: Final = 3600 * 10**9
_LEVELS: Final = {HOUR: 1, DAY: 2}  # A batch's file is 0.


class Piece(NamedTuple):
    """Files of one table and date that become one. label: what its name begins with."""

    label: str
    date: str
    files: tuple[FileInfo, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one piece. into: the file made, within the lake. kept: why nothing was; empty where it was."""

    table: str
    label: str
    files: int
    rows: int
    bytes_before: int
    bytes_after: int
    into: str = ""
    kept: str = ""


def compact(
    root: Path,
    lake_at: Path | Store,
    *,
    by: Collection[str] = (HOUR, DAY),
    tables: Collection[str] = TABLES,
    date: str = "",
    now_ns: int,
    software: str,
    dry_run: bool = False,
    file_bytes_limit: int = FILE_BYTES_LIMIT,
) -> Iterator[Outcome]:
    """Compact the hours and dates of a lake that have ended; yield what became of each piece.

    root: where scratch may stand; files of an object store are copied there. by: HOUR, DAY, or both: then a date that
    has ended is compacted as a whole. date: a prefix of YYYY-MM-DD.
    Errors: LakeMissing; CommitConflict, CommitContended where another process changed the same files; RowsDiffer;
        OSError, StoreError. Whatever was yielded before is done.
    """
    lake = Lake.open(lake_at)
    newest_ns = max((file.last_ns for file in lake.files(TABLE_LAST)), default=0)
    ended_ns = max(newest_ns, now_ns - SETTLED_NS)
    with _scratch(root) as scratch:
        for table in TABLES:
            log = TableLog.open(lake.store.below(table), table) if table in tables else None
            if log is None:
                continue
            tried: set[tuple[FileInfo, ...]] = set()
            while True:
                listing = log.listing()
                files = [file_info(log.store, add) for add in listing.adds if add["partition.date"].startswith(date)]
                pieces = [it for it in plan(files, ended_ns, by, file_bytes_limit) if it.files not in tried]
                for piece in pieces[:PIECES_LIMIT]:
                    tried.add(piece.files)
                    yield (
                        _planned(table, piece)
                        if dry_run
                        else _compacted(log, piece, listing.version, now_ns, software, scratch)
                    )
                if len(pieces) <= PIECES_LIMIT:
                    break


def plan(
    files: Iterable[FileInfo], ended_ns: int, by: Collection[str], file_bytes_limit: int = FILE_BYTES_LIMIT
) -> list[Piece]:
    """Return what is to be made of the files of one table, earliest first: of nothing twice, and nothing of one file.

    A file belongs to the hour of its first row. Compacted files are taken again where a smaller one stands beside them.
    """
    pieces: list[Piece] = []
    ordered = sorted(files, key=_place)
    for date, of_date in groupby(ordered, key=lambda file: file.date):
        within = list(of_date)
        if DAY in by and _day_end_ns(within[0]) <= ended_ns:
            pieces += _pieces(f"{DAY}-{date.replace('-', '')}", date, within, _LEVELS[DAY], file_bytes_limit)
        elif HOUR in by:
            below = [file for file in within if level(file.name) < _LEVELS[DAY]]
            for hour, of_hour in groupby(below, key=lambda file: file.first_ns // _HOUR_NS):
                if (hour + 1) * _HOUR_NS <= ended_ns:
                    label = f"{HOUR}-{date.replace('-', '')}T{hour % 24:02}"
                    pieces += _pieces(label, date, list(of_hour), _LEVELS[HOUR], file_bytes_limit)
    return pieces


def level(path: str) -> int:
    """Return what a file is by its name: 0 of a batch, 1 of an hour, 2 of a day."""
    return _LEVELS.get(label_of_name(path).partition("-")[0], 0)


def _place(file: FileInfo) -> tuple[str, int, str]:
    return file.date, file.first_ns, file.name


def _day_end_ns(file: FileInfo) -> int:
    return (file.first_ns // DAY_NS + 1) * DAY_NS


def _pieces(label: str, date: str, files: Sequence[FileInfo], made: int, bytes_limit: int) -> Iterator[Piece]:
    """Yield neighbours that are together below the limit, if any of them is not made of as much time already."""
    group: list[FileInfo] = []
    size = 0
    for file in [*files, None]:
        if group and (file is None or size + file.size > bytes_limit):
            if len(group) > 1 and any(level(it.name) < made for it in group):
                yield Piece(label, date, tuple(group))
            group, size = [], 0
        if file is not None:
            group.append(file)
            size += file.size


def _planned(table: str, piece: Piece) -> Outcome:
    rows, size = sum(file.rows for file in piece.files), sum(file.size for file in piece.files)
    return Outcome(table, piece.label, len(piece.files), rows, size, 0)


def _compacted(log: TableLog, piece: Piece, as_of: int, now_ns: int, software: str, scratch: Path) -> Outcome:
    """Make one file of a piece and have the log list it instead; a damaged input leaves all as it is."""
    planned = _planned(log.name, piece)
    try:
        paths = [file.store.copy_of(file.name, scratch / "copies") for file in piece.files]
        merge = Merge(log.name, paths, scratch)
        made = write_file(log.store, log.name, merge.groups(), date=piece.date, label=piece.label, level=LEVEL_DENSE)
    except (LakeDamaged, FileNotFoundError) as error:
        return replace(planned, kept=str(error))
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    try:
        _check_equal(log.name, log.store.copy_of(made.path, scratch), merge.digest, planned.rows)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    removed = [RemovedFile(it.name, it.date, it.size) for it in piece.files]
    log.commit([made], removes=removed, as_of=as_of, at_ns=now_ns, metadata={SOFTWARE_KEY: software}, data_change=False)
    return replace(planned, bytes_after=made.size, into=f"{log.name}/{made.path}")


def _check_equal(table: str, path: Path, expected: RowsDigest, rows: int) -> None:
    """Read a file again and hold its rows against those of its inputs. Errors: RowsDiffer, LakeDamaged, OSError."""
    check_content(path)
    received = RowsDigest()
    end: pa.Table | None = None
    ordered = True
    for group in read_groups(table, path):
        received.add(group)
        ordered = ordered and in_order(group if end is None else pa.concat_tables([end, group]).unify_dictionaries())
        end = group.slice(len(group) - 1)
    if not ordered or received != expected or received.rows != rows:
        stands = "" if ordered else ", not in order"
        raise RowsDiffer(path, expected=f"{rows} rows; read, {expected}", received=f"{received}{stands}")


@contextmanager
def _scratch(root: Path) -> Iterator[Path]:
    """Yield a place for scratch files of this process; what a killed one left is removed."""
    parent = root / SCRATCH
    for left in parent.glob("compact.*"):
        if writer_is_gone(left.name):
            shutil.rmtree(left, ignore_errors=True)
    path = parent / f"compact.{os.getpid()}-{secrets.token_hex(4)}.tmp"
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
