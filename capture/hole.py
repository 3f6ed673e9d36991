"""A time in which the journal had no room: what was not kept of it, and how it is told afterwards.

Layer: beside the client. Data and words; reads no clock.
Source: docs/journal.md, "A disk that is full".
Left to others: when there is room again (the journal), ending and beginning connections (`client`).

The connection ends where the first byte was not kept, so what the journal has of it is its beginning, and nothing after
the hole is taken for a continuation of what stands before it. The end itself is written down once there is room.
"""

from dataclasses import dataclass
from typing import Final, NamedTuple

from capture.sinks import NoRoom
from capture.wire.values import SECOND_NS

BEGIN: Final = b"8=FIX"


class Ended(NamedTuple):
    """The end of a connection that the journal has not taken yet."""

    at_ns: int
    reason: str
    reset: bool


@dataclass(slots=True)
class Hole:
    """One hole, from the moment at which the journal refused something.

    kind, why: as the journal said. session: the name of the connection that ended for it, empty where there was none.
    last_seq: MsgSeqNum(34) of the last message before it, where there was a connection.
    reads, byte_count, messages: that were received and not kept. ended: the connection's end, until it is written down.
    """

    since_ns: int
    kind: str
    why: str
    session: str
    last_seq: int
    reads: int = 0
    byte_count: int = 0
    messages: int = 0
    ended: Ended | None = None

    def refuse(self, data: bytes) -> None:
        """Count a read that was not kept; messages by their first bytes, for it is not interpreted."""
        self.reads += 1
        self.byte_count += len(data)
        self.messages += data.count(BEGIN)

    def text(self, at_ns: int) -> str:
        """Return what there is to know of it, at its end."""
        seconds = (at_ns - self.since_ns) / SECOND_NS
        lost = f"{self.reads} reads, {self.byte_count} bytes, {self.messages} messages begun were received and not kept"
        where = f"; session {self.session} ended after MsgSeqNum {self.last_seq}" if self.session else ""
        return f"{self.why}: nothing recorded for {seconds:.1f} s; {lost}{where}"


def begun(error: NoRoom, at_ns: int, session: str, last_seq: int) -> Hole:
    """Return the hole that a refusal of the journal begins."""
    return Hole(at_ns, error.kind, error.why, session, last_seq)
