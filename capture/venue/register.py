"""Who is logged on at a venue, and whose numbers have begun since the last roll-over; one for all its connections.

Layer: venue. Knows sessions and names; no message. Source: venue reference 1.5; rows 1 and 24 of section 7.
Left to others: saying so to a client (`venue.acceptor`).
"""

from typing import Final

from capture.session.session import Session
from capture.session.states import ESTABLISHED
from capture.venue.settings import SessionSwitches

EVICTED: Final = "the same SenderCompID(49) logged on elsewhere"
_SENDERS_LIMIT: Final = 10_000  # Remembered since a roll-over; past it all are forgotten.


class Register:
    """Lets sessions in by SenderCompID.

    second_logon: what happens where one of that name is logged on: `allow`, `refuse` or `evict`.
    """

    def __init__(self, switches: SessionSwitches, second_logon: str = "allow") -> None:
        self._second_logon = second_logon
        self._rollover_number = int(switches.rollover_number)
        self._sessions: list[tuple[bytes, Session]] = []
        self._begun: set[bytes] | None = None  # Senders that logged on since the roll-over; None before the first.

    def admit(self, sender: bytes, session: Session) -> bool:
        """Return whether a sender may log on by this session; others of that name end where it takes their place."""
        self._sessions = [it for it in self._sessions if it[1].state in ESTABLISHED and not it[1].close_reason]
        others = [it for name, it in self._sessions if name == sender]
        if others and self._second_logon == "refuse":
            return False
        if self._second_logon == "evict":
            for other in others:
                other.close(EVICTED)
        self._sessions.append((sender, session))
        return True

    def roll_over(self) -> None:
        """Have every sender's numbers begin anew."""
        self._begun = set()

    def first_number(self, sender: bytes) -> int:
        """Return what the Logon bears that answers a sender's."""
        if self._begun is None or sender in self._begun:
            return 1
        if len(self._begun) >= _SENDERS_LIMIT:
            self._begun.clear()
        self._begun.add(sender)
        return self._rollover_number
