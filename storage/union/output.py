"""The rows of the united lake as they are made, part by part.

Layer: storage. Knows rows and columns; decides nothing.
Left to others: which rows (`storage.union.walk`), files and commits (`storage.lake`).
"""

from collections.abc import Mapping
from typing import Any, Final

from capture.columns import LAYOUTS, NO_NAME, NULL, Columns, Table
from capture.findings import Kind
from capture.rows import Rows
from storage.lake import Part
from storage.schemas import SIGHTINGS, SIGHTINGS_LAYOUT
from storage.union.aligner import Sighting
from storage.union.line import Seen

MERGED_SESSION: Final = "merged"  # One for all: its numbers run on over every outage that one recorder bridged.
RECORDERS: Final = ("a", "b")  # As columns and texts name them, in the order in which they were given.


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

    def sighting(self, at_ns: int, seq: int | None, symbol: str | None, sighting: Sighting, taken: int) -> None:
        """Append who saw a message, whose row bears that time and number; no number where it has none."""
        names = self.rows.columns.names
        msg_type = next(seen.content[0] for seen in sighting if seen is not None)
        self._sightings.append(
            (
                at_ns,
                self.rows.session_code(),
                NULL if seq is None else seq,
                NO_NAME if symbol is None else names["symbol"].code(symbol),
                names["msg_type"].code(msg_type),
                RECORDERS[taken],
                *self._sight(sighting.a),
                *self._sight(sighting.b),
            )
        )

    def _sight(self, seen: Seen | None) -> tuple[int, int, int]:
        if seen is None:
            return NULL, NO_NAME, NULL
        session = self.rows.columns.names["session"].code(seen.ref.session_id)
        return seen.ref.receive_ns, session, seen.ref.msg_seq_num

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
