"""The one line of a symbol: messages of two recorders in their order, by their places among the lines that were read.

Layer: storage, pure: no file, no clock.
Left to others: the order (`storage.union.aligner`); what the line makes of a book (`storage.union.walk`).
"""

from array import array
from typing import Final

from capture.columns import Proof
from storage.union.aligner import NOBODY, unite
from storage.union.kernel import SNAPSHOT
from storage.union.line import Ref
from storage.union.lines import Lines
from storage.union.output import Sighting

PROVEN: Final = Proof.SEQUENCE | Proof.CHECKSUM | Proof.INVARIANTS


class United:
    """A symbol's line. of_a, of_b: the places of each message in `lines`, NOBODY where a recorder did not see it."""

    def __init__(self, lines: Lines, symbol: str | None) -> None:
        self.lines = lines
        self.begins = (lines.span(0, symbol).start, lines.span(1, symbol).start)
        first, second = self.begins
        pairs = unite(lines.line(0, symbol), lines.line(1, symbol))
        self.of_a = array("i", [NOBODY if a == NOBODY else first + a for a, _ in pairs])
        self.of_b = array("i", [NOBODY if b == NOBODY else second + b for _, b in pairs])
        self.count = len(pairs)

    def sighting(self, index: int) -> Sighting:
        """Return where a message stands in each recorder's line."""
        return Sighting(self.of_a[index], self.of_b[index])

    def is_snapshot(self, index: int) -> bool:
        """Return whether a message is a whole book."""
        a, b = self.sighting(index)
        return self.lines.kind[b if a == NOBODY else a] == SNAPSHOT

    def better(self, index: int) -> int:
        """Return whose row is taken: of one that is proven where the other is not, else of whoever was first."""
        a, b = self.sighting(index)
        if NOBODY in (a, b):
            return 0 if b == NOBODY else 1
        proof, receive_ns = self.lines.proof, self.lines.receive_ns
        if (proof[a] == PROVEN) != (proof[b] == PROVEN):
            return 0 if proof[a] == PROVEN else 1
        return 0 if receive_ns[a] <= receive_ns[b] else 1

    def last(self, which: int, count: int) -> Ref | None:
        """Return the last message of a recorder among the first so many, if it has one."""
        places = self.of_b if which else self.of_a
        place = next((places[index] for index in range(count - 1, -1, -1) if places[index] != NOBODY), None)
        return None if place is None else self.lines.ref(place)

    def came_after(self, at_ns: int) -> int:
        """Return the first message that some recorder received at a time or later; `count` if there is none."""
        receive_ns = self.lines.receive_ns
        for index, (a, b) in enumerate(zip(self.of_a, self.of_b, strict=True)):
            if (a >= 0 and receive_ns[a] >= at_ns) or (b >= 0 and receive_ns[b] >= at_ns):
                return index
        return self.count
