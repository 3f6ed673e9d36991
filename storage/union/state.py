"""Where a merge has come to, kept beside the lake that it writes, so that another day goes on from there.

Layer: storage. One small file a date, synced before the date is committed, removed once a later one is.
Source: faults section 1, clause 3, for the steps.
Left to others: which date is the last one committed: the lake's log says so, and no other file is believed.
"""

import os
from dataclasses import asdict
from pathlib import Path
from typing import Final

import msgspec

from capture.book.book import Book, BookState
from capture.market.instruments import Instrument
from storage.access import FILE_MODE, make_directories
from storage.errors import MergeStateLost
from storage.stores import sync_directory
from storage.union.known import Known
from storage.union.line import Ref
from storage.union.walk import Walk

DIRECTORY: Final = ".merge"  # Below the root of the united lake.
SCHEMA: Final = 1


class SavedBook(msgspec.Struct, frozen=True):
    """A book. Sides as (price, size), best first."""

    instrument: dict[str, str | int]
    depth: int
    state: int
    proven: bool
    proof: int
    rows: int
    good_ns: int
    last_ns: int
    last_ms: int
    last_seq: int
    bids: list[tuple[int, int]]
    offers: list[tuple[int, int]]


class SavedWalk(msgspec.Struct, frozen=True):
    """What a `Walk` holds."""

    symbol: str | None
    book: SavedBook | None
    taken: list[tuple[str, int, int] | None]
    reach: list[tuple[str, int, int] | None]
    clock_ns: int
    sequenced: bool
    suspect_since: int | None


class Saved(msgspec.Struct, frozen=True):
    """Everything that the next date needs.

    roots: of the two recorders. rows: by date that is merged, how many messages each recorder had of it. depths: by
    recorder and symbol. instruments: the last version of each, and since when.
    """

    roots: list[str]
    rows: dict[str, list[int]]
    next_seq: int
    walks: list[SavedWalk]
    instruments: list[tuple[int, dict[str, str | int]]]
    depths: list[dict[str, tuple[int, int]]]
    schema: int = SCHEMA


def save(root: Path, date: str, saved: Saved) -> None:
    """Write the state after a date, durably. Errors: OSError."""
    directory = root / DIRECTORY
    make_directories(directory)
    temporary = directory / f"{date}.json.tmp"
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(temporary, flags, FILE_MODE), "wb") as file:
        file.write(msgspec.json.encode(saved))
        file.flush()
        os.fsync(file.fileno())
    temporary.rename(directory / f"{date}.json")
    sync_directory(directory)


def load(root: Path, date: str) -> Saved:
    """Return the state after a date. Errors: MergeStateLost."""
    path = root / DIRECTORY / f"{date}.json"
    try:
        saved = msgspec.json.decode(path.read_bytes(), type=Saved)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise MergeStateLost(path, str(error)) from error
    if saved.schema != SCHEMA:
        raise MergeStateLost(path, f"schema {saved.schema}, expected {SCHEMA}")
    return saved


def forget_before(root: Path, date: str) -> None:
    """Remove what was kept of earlier dates."""
    for path in (root / DIRECTORY).glob("*.json"):
        if path.stem < date:
            path.unlink()


def saved_walk(walk: Walk) -> SavedWalk:
    """Return a walk as it is kept."""
    book = walk.book
    kept = None
    if book is not None:
        kept = SavedBook(
            instrument=asdict(book.instrument),
            depth=book.depth,
            state=book.state.value,
            proven=book.proven,
            proof=book.proof,
            rows=book.rows,
            good_ns=book.good_ns,
            last_ns=book.last_ns,
            last_ms=book.last_ms,
            last_seq=book.last_seq,
            bids=[(level.price, level.size) for level in book.bids.levels()],
            offers=[(level.price, level.size) for level in book.offers.levels()],
        )
    taken, reach = list(map(_bare, walk.taken)), list(map(_bare, walk.reach))
    return SavedWalk(walk.symbol, kept, taken, reach, walk.clock_ns, walk.sequenced, walk.suspect_since)


def _bare(ref: Ref | None) -> tuple[str, int, int] | None:
    return None if ref is None else (ref.session_id, ref.msg_seq_num, ref.receive_ns)


def restored_walk(saved: SavedWalk) -> Walk:
    """Return a walk that goes on from what was kept."""
    book = None
    if saved.book is not None:
        kept = saved.book
        book = Book(msgspec.convert(kept.instrument, Instrument), kept.depth)
        for side, levels in ((book.bids, kept.bids), (book.offers, kept.offers)):
            for price, size in levels:
                side.set(price, size)
        book.state = BookState(kept.state)
        book.proven, book.proof, book.rows, book.good_ns = kept.proven, kept.proof, kept.rows, kept.good_ns
        book.last_ns, book.last_ms, book.last_seq = kept.last_ns, kept.last_ms, kept.last_seq
        book.moved()  # The top of book as it stands was told.
    return Walk(
        saved.symbol,
        book,
        [None if ref is None else Ref(*ref) for ref in saved.taken],
        [None if ref is None else Ref(*ref) for ref in saved.reach],
        saved.clock_ns,
        saved.sequenced,
        saved.suspect_since,
    )


def saved_known(known: Known) -> tuple[list[tuple[int, dict[str, str | int]]], list[dict[str, tuple[int, int]]]]:
    """Return the last instruments and depths as they are kept."""
    instruments = [
        (versions.times[-1], asdict(versions.values[-1])) for _, versions in sorted(known.instruments.items())
    ]
    depths = [
        {symbol: (versions.times[-1], versions.values[-1]) for symbol, versions in sorted(of_one.items())}
        for of_one in known.depths
    ]
    return instruments, depths


def restore_known(
    known: Known, instruments: list[tuple[int, dict[str, str | int]]], depths: list[dict[str, tuple[int, int]]]
) -> None:
    """Know what was kept."""
    for since_ns, fields in instruments:
        instrument = msgspec.convert(fields, Instrument)
        known.hold_instrument(since_ns, instrument)
    for which, of_one in enumerate(depths):
        for symbol, (since_ns, depth) in of_one.items():
            known.hold_depth(which, symbol, since_ns, depth)
