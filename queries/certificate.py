"""What a rebuilt book rests on, and how far it can be believed.

Layer: queries, below `queries.books`, which finds it out.
Source: design section 7, `book`; section 6 for the witnesses.
"""

from dataclasses import asdict, dataclass
from typing import Any, Final

from queries.text import shown
from queries.times import iso

SNAPSHOT: Final = "snapshot"
KEY_FRAME: Final = "key frame"
CROSSED_SHOWN: Final = 5
_SUSPECTING: Final = frozenset({"mismatch", "suspect"})


@dataclass(frozen=True, slots=True)
class Crossed:
    """Something between a book's beginning and its moment: an event of the symbol or its session.

    kind: as in `events`. from_ns, to_ns: how long it lasted.
    """

    kind: str
    at_ns: int
    from_ns: int
    to_ns: int
    text: str


@dataclass(frozen=True, slots=True)
class Certificate:
    """What a rebuilt book rests on.

    begins_with, begin_ns, begin_msg_seq_num: the snapshot, or the key frame, that rows were applied to.
    rows_applied: behind a key frame, or from the snapshot on, its own included; of them, rows_suspect were recorded
        while the book was suspect, and rows_unproven lack a witness that they could have, for a snapshot carries no
        checksum.
    last_*: of the newest of them, or of the key frame.
    checksum_received, checksum_computed, verdict: what the last message said, as recorded; null where it said nothing.
    checksum_rebuilt: of this book; null where its precision changed and older levels cannot be written in the new one.
    next_*: the first message after the moment that bears a checksum, and the book's own after it; null without one.
    blind_bids, blind_offers: levels that left the subscribed depth since the beginning and were not named again: the
        venue may hold them still, out of sight.
    crossed: gaps in the session's numbers, and what made the symbol's book suspect or healed it, since the beginning.
    later_session_id: a newer session that has not mentioned the symbol, or null.
    recorded_until_ns: where the lake ends, if the moment asked for lies after it, or null.
    """

    session_id: str
    begins_with: str
    begin_ns: int
    begin_msg_seq_num: int
    rows_applied: int
    rows_suspect: int
    rows_unproven: int
    last_ns: int
    last_msg_seq_num: int
    last_proven: bool
    checksum_received: int | None
    checksum_computed: int | None
    verdict: str | None
    checksum_rebuilt: int | None
    next_ns: int | None
    next_msg_seq_num: int | None
    next_checksum_received: int | None
    next_checksum_rebuilt: int | None
    blind_bids: int
    blind_offers: int
    crossed: tuple[Crossed, ...]
    later_session_id: str | None
    recorded_until_ns: int | None

    @property
    def checksum_agrees(self) -> bool | None:
        """Return whether the rebuilt book has the checksum sent, or else the one recorded; None if there is none."""
        recorded = self.checksum_computed if self.checksum_received is None else self.checksum_received
        return None if recorded is None or self.checksum_rebuilt is None else self.checksum_rebuilt == recorded

    @property
    def next_agrees(self) -> bool | None:
        """Return whether the book, with the rows up to the next checksum, has it; None if there is none to compare."""
        if self.next_checksum_received is None or self.next_checksum_rebuilt is None:
            return None
        return self.next_checksum_rebuilt == self.next_checksum_received

    @property
    def suspect_since_ns(self) -> int | None:
        """Return from when on the book was suspect at its moment, and not healed by then; None if it was not."""
        since: int | None = None
        for it in self.crossed:
            if it.kind in _SUSPECTING and since is None:
                since = it.from_ns
            elif it.kind == "healed":
                since = None
        return since

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain values, with what follows from them."""
        agrees = {"checksum_agrees": self.checksum_agrees, "next_agrees": self.next_agrees}
        return {**asdict(self), **agrees, "suspect_since_ns": self.suspect_since_ns}

    def lines(self) -> list[str]:
        """Return the certificate in words."""
        said = {None: "has nothing to agree with", True: "agrees with", False: "DIFFERS FROM"}[self.checksum_agrees]
        by = "" if self.checksum_agrees is None else " the venue's" if self.checksum_received is not None else " ours"
        begun = f"{'' if self.begins_with == SNAPSHOT else ' '}{iso(self.begin_ns)} MsgSeqNum {self.begin_msg_seq_num}"
        lines = [
            f"{self.begins_with:<9}{begun}, session {shown(self.session_id)}",
            f"last     {iso(self.last_ns)} MsgSeqNum {self.last_msg_seq_num}, {self.verdict or 'no verdict'}",
            f"rows     {self.rows_applied} applied, {self.rows_suspect} suspect, {self.rows_unproven} unproven",
            f"checksum {self.checksum_rebuilt} {said}{by}",
            f"next     {self._next()}",
            f"proof    {self._proof()}",
        ]
        if self.blind_bids or self.blind_offers:
            lines.append(f"blind    {self.blind_bids} bids and {self.blind_offers} offers left the depth since")
        lines += [
            f"crossed  {it.kind} at {iso(it.at_ns)}{': ' if it.text else ''}{shown(it.text)}"
            for it in self.crossed[-CROSSED_SHOWN:]
        ]
        if self.suspect_since_ns is not None:
            lines.append(f"suspect  since {iso(self.suspect_since_ns)}, until a new snapshot heals it")
        if self.recorded_until_ns is not None:
            lines.append(f"stale    nothing at all is recorded after {iso(self.recorded_until_ns)}")
        if self.later_session_id is not None:
            lines.append(f"stale    session {shown(self.later_session_id)} has not mentioned the symbol yet")
        return lines

    def _next(self) -> str:
        if self.next_ns is None:
            return "no checksum came after it"
        said = {None: "cannot be compared", True: "agrees", False: "DIFFERS"}[self.next_agrees]
        return f"{iso(self.next_ns)} MsgSeqNum {self.next_msg_seq_num}, its checksum {said}"

    def _proof(self) -> str:
        if self.checksum_agrees is False:
            return "NONE: this is not the book that was recorded; rows are missing or damaged, see `fixtape rebuild`"
        return f"last row {'proven' if self.last_proven else 'not proven'}"
