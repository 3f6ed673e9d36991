"""When the venue's daily roll-over is, and how long before and after it an end is planned.

Layer: session, below its settings. Times of day in UTC; no clock.
Source: venue reference 1.5.
Left to others: what a session does then (`session.rollover`).
"""

from dataclasses import dataclass
from typing import Final

from capture.wire import values

_DAY_NS: Final = values.DAY_MS * values.MILLISECOND_NS


@dataclass(frozen=True, slots=True)
class RolloverWindow:
    """A time of day (UTC) at which both numbers begin anew, and what lies around it.

    at_s: seconds since midnight.
    before_s: from then on nothing new is asked for, and an end is planned.
    after_s: until then an end is planned.
    lasts_s: how long the venue takes; a client to whom nothing has happened by then logs out, a venue lets nobody in.
    reset_flag: the next Logon says 141=Y; where not, both sides know without it.
    """

    at_s: int = 22 * 3600
    before_s: int = 10
    after_s: int = 120
    lasts_s: int = 30
    reset_flag: bool = True

    def moment(self, wall_ns: int) -> int | None:
        """Return the roll-over in whose window a time lies, or None."""
        begin = (self.at_s - self.before_s) * values.SECOND_NS
        since = (wall_ns - begin) % _DAY_NS
        inside = since < (self.before_s + self.after_s) * values.SECOND_NS
        return wall_ns - since + self.before_s * values.SECOND_NS if inside else None

    def day(self, wall_ns: int) -> int:
        """Return which roll-over's day a time belongs to."""
        return (wall_ns - self.at_s * values.SECOND_NS) // _DAY_NS


KRAKEN_ROLLOVER: Final = RolloverWindow()
