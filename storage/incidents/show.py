"""An incident for a person: cause, evidence, both books side by side, what their checksums are made of, the frames.

Layer: storage, above `bundle`. Everything of the venue's is escaped before it is printed.
Source: style section 8; faults D10.
"""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any, Final, Self

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from capture.book.checksum import CHECKSUM_LEVELS
from capture.book.comparison import Levels
from capture.book.levels import PriceLevel
from capture.cli_support import escaped
from capture.market.requests import LEVEL_2
from capture.wire import values
from storage.incidents.bundle import OURS, SNAPSHOT, Incident, read_book, read_frames, read_incident

WIDTH: Final = 120  # Of what is not a terminal.
_DIFFERENT: Final = "≠"


def list_text(columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> str:
    """Return rows as aligned text."""
    lines = [list(columns), *(["-" if row[it] is None else str(row[it]) for it in columns] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "".join("  ".join(map(str.ljust, line, widths)).rstrip() + "\n" for line in lines)


@dataclass(frozen=True, slots=True)
class Shown:
    """An incident as its files have it."""

    path: Path
    incident: Incident
    ours: Levels | None
    snapshot: Levels | None
    frames: list[str]

    @classmethod
    def of(cls, path: Path) -> Self:
        """Read an incident. Errors: IncidentUnreadable."""
        incident = read_incident(path)
        scales = (incident.price_precision, incident.size_precision)
        healed = incident.healed
        theirs = scales if healed is None else (healed.price_precision, healed.size_precision)
        return cls(path, incident, read_book(path, OURS, scales), read_book(path, SNAPSHOT, theirs), read_frames(path))

    def json_text(self) -> str:
        """Return all of it as JSON: prices and sizes as exact decimals in strings."""
        healed = self.incident.healed
        scales = (self.incident.price_precision, self.incident.size_precision)
        theirs = scales if healed is None else (healed.price_precision, healed.size_precision)
        found = {
            "incident": self.incident,
            "ours": self._book_json(self.ours, scales),
            "snapshot": self._book_json(self.snapshot, theirs),
            "frames": self.frames,
        }
        return msgspec.json.format(msgspec.json.encode(found), indent=2).decode()

    def print(self) -> None:
        """Print it for a person."""
        console = Console(file=sys.stdout, markup=False, highlight=False, emoji=False)
        if not console.is_terminal:
            console = Console(file=sys.stdout, markup=False, highlight=False, emoji=False, width=WIDTH)
        for line in self._words():
            console.print(Text(escaped(line)), soft_wrap=True)
        console.print()
        console.print(self._ladder())
        for name, levels in (("ours", self.ours), ("snapshot", self.snapshot)):
            if levels is not None and self.incident.level == LEVEL_2:
                console.print(Text(f"{name}: CRC32 {levels.checksum()} of {checksum_text(levels)}"), soft_wrap=True)
        console.print()
        for frame in self.frames:
            mark = ">>" if self._is_the_message(frame) else "  "
            console.print(Text(f"{mark} {escaped(frame)}"), soft_wrap=True)

    def _words(self) -> list[str]:
        it = self.incident
        cause = ", ".join(filter(None, (it.cause, it.detail))) or "not examined yet"
        lines = [
            f"symbol     {it.symbol} as MDReqID {it.md_req_id}, session {it.session_id}",
            f"happened   {it.text}",
            f"cause      {cause}",
            *(f"           {words}" for words in it.evidence),
            f"checksum   received {_or_none(it.checksum_received)}, computed {_or_none(it.checksum_computed)}",
            f"message    MsgSeqNum {it.at.msg_seq_num} at {it.at.receive_time}, {_block(it.at)}",
        ]
        if it.last_good is not None:
            good = it.last_good
            lines.append(f"last good  MsgSeqNum {good.msg_seq_num} at {good.receive_time}, {_block(good)}")
        lines.append(f"snapshot   MsgSeqNum {it.snapshot.msg_seq_num} at {it.snapshot.receive_time}")
        if it.healed is None:
            lines.append("healed     not yet")
        else:
            differing = it.healed.levels_differing
            levels = "of other precisions" if differing is None else f"{differing} levels differ"
            at = it.healed.at
            lines.append(
                f"healed     after {it.healed.after_ms} ms by MsgSeqNum {at.msg_seq_num} at {at.receive_time}: {levels}"
            )
        lines.append(
            f"book       Level {it.level}, depth {it.depth}, precisions {it.price_precision} and {it.size_precision}"
        )
        if it.not_written_before:
            lines.append(f"before it  {it.not_written_before} incidents were counted and not written")
        return lines

    def _ladder(self) -> Table:
        scales = (self.incident.price_precision, self.incident.size_precision)
        healed = self.incident.healed
        theirs = scales if healed is None else (healed.price_precision, healed.size_precision)
        ours, snapshot = self.ours or Levels(), self.snapshot or Levels()
        table = Table(box=None, header_style="bold", pad_edge=False)
        for title in ("", "ours bid", "size", "offer", "size", "", "snapshot bid", "size", "offer", "size"):
            table.add_column(title, justify="right", no_wrap=True)
        best = [side[:CHECKSUM_LEVELS] for side in (*ours, *snapshot)]
        for place, (bid, offer, their_bid, their_offer) in enumerate(zip_longest(*best), 1):
            different = self.snapshot is not None and (bid, offer) != (their_bid, their_offer)
            table.add_row(
                str(place), *_cells(bid, scales), *_cells(offer, scales), _DIFFERENT if different else "",
                *_cells(their_bid, theirs), *_cells(their_offer, theirs),
            )  # fmt: skip
        return table

    def _book_json(self, levels: Levels | None, scales: tuple[int, int]) -> dict[str, Any] | None:
        """Return a book; the checksum of a book of orders is made of what was not kept."""
        if levels is None:
            return None
        bids, offers = ([_texts(it, scales) for it in side] for side in levels)
        book: dict[str, Any] = {"bids": bids, "offers": offers}
        if self.incident.level == LEVEL_2:
            book |= {"checksum": levels.checksum(), "checksum_text": checksum_text(levels).replace(" ", "")}
        return book

    def _is_the_message(self, frame: str) -> bool:
        return f"|34={self.incident.at.msg_seq_num}|" in frame and " < " in frame[:40]


def checksum_text(levels: Levels) -> str:
    """Return the digits that a checksum is made of, level by level, for reading."""
    best = (*levels.offers[:CHECKSUM_LEVELS], *levels.bids[:CHECKSUM_LEVELS])
    return " ".join(f"{it.price}{it.size}" for it in best)


def _cells(level: PriceLevel | None, scales: tuple[int, int]) -> tuple[str, str]:
    return ("", "") if level is None else _texts(level, scales)


def _texts(level: PriceLevel, scales: tuple[int, int]) -> tuple[str, str]:
    return values.unscaled(level.price, scales[0]), values.unscaled(level.size, scales[1])


def _block(place: Any) -> str:
    return f"journal {place.segment} at {place.segment_offset}"


def _or_none(checksum: int | None) -> str:
    return "none" if checksum is None else str(checksum)
