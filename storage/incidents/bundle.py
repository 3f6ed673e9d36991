"""The directory of one incident: written piece by piece under final names, and read back.

Layer: storage. Knows files and text, no journal and no clock.
Source: design section 6.
Left to others: what is in it (`evidence`), when it is written (`keeper`), how it is shown (`cli`).

    ROOT/incidents/20260301T120000.000000000Z-1/    the time of the message, and a number within the run: no venue text
        incident.json        what happened, where its bytes are, the cause and the evidence in words
        frames.fix           the symbol's messages around it, as `fixtape journal cat` prints them
        book-ours.csv        the book after the message, as we had it; beside it what the snapshot has in that place
        book-snapshot.csv    the snapshot that healed it, likewise

A file that is not there yet is not known yet. Each is replaced whole.
"""

import csv
import io
import os
from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Final

import msgspec

from capture.book.comparison import Levels
from capture.book.levels import PriceLevel
from capture.errors import ValueMalformed
from capture.findings import Place
from capture.sinks import Position
from capture.wire import values
from storage.access import create_file, make_directories
from storage.errors import IncidentUnreadable
from storage.journal.times import iso_text

DIRECTORY: Final = "incidents"  # Of a tape.
INCIDENT: Final = "incident.json"
FRAMES: Final = "frames.fix"
OURS: Final = "book-ours.csv"
SNAPSHOT: Final = "book-snapshot.csv"
SCHEMA: Final = 1

_COLUMNS: Final = ("side", "place", "price", "size", "other_price", "other_size", "differs")


class PlaceInfo(msgspec.Struct, frozen=True, kw_only=True):
    """One message, and the journal block that holds its first byte."""

    msg_seq_num: int
    receive_ns: int
    receive_time: str
    segment: str
    segment_offset: int

    @classmethod
    def of(cls, place: Place) -> "PlaceInfo":
        """Return a place as the file says it."""
        return cls(
            msg_seq_num=place.msg_seq_num,
            receive_ns=place.receive_ns,
            receive_time=iso_text(place.receive_ns),
            segment=place.position.segment,
            segment_offset=place.position.offset,
        )

    def place(self) -> Place:
        """Return it as the rest of the program has it."""
        return Place(self.msg_seq_num, self.receive_ns, Position(self.segment, self.segment_offset))


class HealingInfo(msgspec.Struct, frozen=True, kw_only=True):
    """The snapshot that healed the book. levels_differing: prices on which it and the book as we had it differ."""

    session_id: str
    at: PlaceInfo
    after_ms: int
    price_precision: int
    size_precision: int
    levels_differing: int | None


class Incident(msgspec.Struct, kw_only=True):
    """What happened to one book.

    at: the message after which it showed. snapshot: the one that the book began with. last_good: the last message
    before it whose checksum agreed, or the snapshot. cause: as of `capture.book.classifier`; empty while the journal
    was not looked at. not_written_before: how many earlier ones of the run were only counted.
    """

    schema: int = SCHEMA
    number: int
    run: str
    software: str
    symbol: str
    md_req_id: str
    session_id: str
    text: str
    at: PlaceInfo
    snapshot: PlaceInfo
    last_good: PlaceInfo | None = None
    checksum_received: int | None
    checksum_computed: int | None
    price_precision: int
    size_precision: int
    depth: int
    level: int = 2
    cause: str = ""
    detail: str = ""
    evidence: list[str] = []
    healed: HealingInfo | None = None
    not_written_before: int = 0


def incident_paths(root: Path) -> list[Path]:
    """Return the directories of a tape's incidents, oldest first: their names are their times."""
    inside = root / DIRECTORY if (root / DIRECTORY).is_dir() else root
    return sorted(path.parent for path in inside.glob(f"*/{INCIDENT}"))


def write_incident(path: Path, incident: Incident) -> None:
    """Write what is known of an incident. Errors: OSError."""
    make_directories(path)
    _write(path / INCIDENT, msgspec.json.format(msgspec.json.encode(incident), indent=2) + b"\n")


def write_book(path: Path, name: str, book: Levels, other: Levels | None, scales: tuple[int, int]) -> None:
    """Write a book, the other one beside it where they differ and are of the same precisions. Errors: OSError."""
    _write(path / name, _book_text(book, other, scales))


def write_frames(path: Path, lines: Sequence[str]) -> None:
    """Write messages as a FIX log. Errors: OSError."""
    _write(path / FRAMES, "".join(f"{line}\n" for line in lines).encode())


def read_incident(path: Path) -> Incident:
    """Return what is known of an incident. Errors: IncidentUnreadable."""
    data = _read(path / INCIDENT)
    try:
        schema = msgspec.json.decode(data)["schema"]
        if not isinstance(schema, int) or schema > SCHEMA:
            raise IncidentUnreadable(path, f"its schema is {schema}, at most {SCHEMA} is known here")
        return msgspec.json.decode(data, type=Incident)
    except (msgspec.DecodeError, KeyError, TypeError) as error:
        raise IncidentUnreadable(path, f"{INCIDENT}: {error}") from None


def read_book(path: Path, name: str, scales: tuple[int, int]) -> Levels | None:
    """Return one of the two books, or None where it is not known. Errors: IncidentUnreadable."""
    if not (path / name).exists():
        return None
    sides: dict[str, list[PriceLevel]] = {"bid": [], "offer": []}
    try:
        for row in csv.DictReader(io.StringIO(_read(path / name).decode())):
            price, _ = values.scaled(row["price"].encode(), scales[0])
            size, _ = values.scaled(row["size"].encode(), scales[1])
            sides[row["side"]].append(PriceLevel(price, size))
    except (KeyError, UnicodeDecodeError, ValueMalformed, AttributeError) as error:
        raise IncidentUnreadable(path, f"{name}: {error}") from None
    return Levels(sides["bid"], sides["offer"])


def read_frames(path: Path) -> list[str]:
    """Return the FIX log, empty where there is none. Errors: IncidentUnreadable."""
    return _read(path / FRAMES).decode("ascii", "backslashreplace").splitlines() if (path / FRAMES).exists() else []


def _book_text(book: Levels, other: Levels | None, scales: tuple[int, int]) -> bytes:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for side, held, beside in (
        ("bid", book.bids, None if other is None else other.bids),
        ("offer", book.offers, None if other is None else other.offers),
    ):
        known = dict(beside or ())
        for place, (level, opposite) in enumerate(zip_longest(held, beside or ()), 1):
            if level is None:
                break
            differs = ""
            if beside is not None and known.get(level.price) != level.size:
                differs = "size" if level.price in known else "only here"
            shown = opposite if opposite is not None and opposite != level else None
            writer.writerow((side, place, *_texts(level, scales), *_texts(shown, scales), differs))
    return out.getvalue().encode()


def _texts(level: PriceLevel | None, scales: tuple[int, int]) -> tuple[str, str]:
    if level is None:
        return "", ""
    return values.unscaled(level.price, scales[0]), values.unscaled(level.size, scales[1])


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise IncidentUnreadable(path.parent, f"{path.name}: {error.strerror}") from None


def _write(path: Path, data: bytes) -> None:
    """Replace a file whole; once it returns, it survives a power cut but for its name."""
    temporary = path.with_name(f".{path.name}.tmp")
    with os.fdopen(create_file(temporary, os.O_WRONLY | os.O_TRUNC), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
