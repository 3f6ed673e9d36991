"""The rows of the united lake as they are made, part by part.

Layer: storage. Knows rows and columns; decides nothing.
Left to others: which rows (`storage.union.walk`), files and commits (`storage.lake`).
"""

from array import array
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from capture.columns import LAYOUTS, NO_NAME, NULL, Columns, Table
from capture.findings import Kind
from capture.rows import Rows
from storage.lake import Part
from storage.schemas import SIGHTINGS, SIGHTINGS_LAYOUT
from storage.union.lines import RECORDERS, Lines

MERGED_SESSION: Final = "merged"  # One for all: its numbers run on over every outage that one recorder bridged.


class Sighting(NamedTuple):
    """One message of the venue by its place in each recorder's line; below zero where one did not see it."""

    a: int
    b: int


class Output:
    """Rows that were not taken yet. next_seq: the number that the next message gets."""

    def __init__(self, next_seq: int) -> None:
        self.next_seq = next_seq
        self.rows = Rows()
        self.rows.session_id = MERGED_SESSION
        self._sightings = Table(SIGHTINGS_LAYOUT)

    @property
    def row_count(self) -> int:
        """How many rows wait."""
        return self.rows.columns.rows + len(self._sightings)

    def number(self) -> int:
        """Return the number of a new message."""
        self.next_seq += 1
        return self.next_seq - 1

    def take(self) -> Part:
        """Return all rows so far and begin anew."""
        columns, sightings = self.rows.take(), self._sightings
        self._sightings = Table(SIGHTINGS_LAYOUT)
        return Part({SIGHTINGS: sightings, **columns.tables()}, columns.names)

    def bind(self, lines: Lines) -> None:
        """Let the runner over some lines write here."""
        columns, names = self.rows.columns, self.rows.columns.names
        if lines.runner.columns is columns:
            return
        sessions = array("i", [*map(names["session"].code, lines.sessions), 0])
        segments = array("i", [*map(names["segment"].code, lines.segments), 0])
        lines.runner.bind(columns, self._sightings, sessions, segments, self.rows.session_code())

    def make_room(self, lines: Lines, sighting: Sighting) -> None:
        """Let the columns grow for a message that had no room."""
        columns = self.rows.columns
        entries = max(len(lines.entries_of(place)) for place in sighting if place >= 0)
        columns.book_changes.make_room(2 * entries + 1)
        columns.trades.make_room(entries)
        columns.trades.make_text_room(
            "entry_id", sum(lines.id_size[it] for place in sighting if place >= 0 for it in lines.entries_of(place))
        )
        columns.quotes.make_room(1)
        columns.messages.make_room(1)

    def sighting(
        self, at_ns: int, seq: int | None, symbol: str | None, lines: Lines, sighting: Sighting, taken: int
    ) -> None:
        """Append who saw a message, whose row bears that time and number; no number where it has none."""
        names = self.rows.columns.names
        self._sightings.append(
            (
                at_ns,
                self.rows.session_code(),
                NULL if seq is None else seq,
                NO_NAME if symbol is None else names["symbol"].code(symbol),
                names["msg_type"].code(lines.types[lines.msg_type[sighting[taken]]]),
                RECORDERS[taken],
                *self._sight(lines, sighting.a),
                *self._sight(lines, sighting.b),
            )
        )

    def _sight(self, lines: Lines, place: int) -> tuple[int, int, int]:
        if place < 0:
            return NULL, NO_NAME, NULL
        session = self.rows.columns.names["session"].code(lines.sessions[lines.session[place]])
        return lines.receive_ns[place], session, lines.own_seq[place]

    def merged(self, at_ns: int, session_id: str, which: int) -> None:
        """Append that the messages of a session are told by the merged one."""
        row = dict.fromkeys(layout.name for layout in LAYOUTS["events"])
        text = f"recorder {RECORDERS[which]}"
        self.copy(
            "events",
            {**row, "receive_ns": at_ns, "session_id": session_id, "kind": Kind.MERGED.value, "text": text}
            | {"from_ns": at_ns, "to_ns": at_ns},
        )

    def copy(self, table: str, row: Mapping[str, Any]) -> None:
        """Append a row as a lake has it, names decoded and nulls as None."""
        columns: Columns = self.rows.columns
        target = columns.tables()[table]
        cells = []
        for name, kind in target.layout:
            value = row[name]
            if kind in columns.names:
                value = NO_NAME if value is None else columns.names[kind].code(value)
            elif value is None and kind == "q":
                value = NULL
            cells.append(value)
        target.append(cells)
