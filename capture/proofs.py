"""When to ask the venue for a proof that nothing is missing: before the roll-over, around midnight, and at the end.

Layer: beside the subscriber, below the client. No I/O, no clock.
Source: design section 6: a TestRequest's numbered answer proves the tail, each day opens and closes with a proof.
Left to others: what an answer proves (`session.session`), whether anybody sends it.

The venue answers a TestRequest with a Heartbeat that bears the next number: what it sent before has come in, or the
number shows that it has not.
"""

from collections.abc import Sequence
from typing import Final

from capture.findings import Finding
from capture.session import events
from capture.session.rollover_window import RolloverWindow
from capture.session.session import Session
from capture.wire import values

STOP_NS: Final = 3 * values.SECOND_NS  # For the answer at the end of a run; then it ends unproven.
AHEAD_S: Final = 5  # Before midnight, and before the roll-over's window: time for an answer.
LATE_NS: Final = 4 * values.SECOND_NS  # A moment that passed longer ago, while nothing was connected, is let go.

DAY_END: Final = "DAY-END"
DAY_BEGIN: Final = "DAY-BEGIN"
ROLLOVER: Final = "ROLLOVER"
STOP: Final = "STOP"

_DAY_S: Final = values.DAY_MS // 1000
_DAY_NS: Final = _DAY_S * values.SECOND_NS


def moments(window: RolloverWindow | None) -> tuple[tuple[int, str], ...]:
    """Return the times of day, in seconds since midnight UTC, at which to ask, each with its occasion.

    The day closes with a proof before midnight and opens with one after it. Before the roll-over it is asked ahead of
    the window in which nothing new is asked for.
    """
    midnight = ((_DAY_S - AHEAD_S, DAY_END), (0, DAY_BEGIN))
    if window is None:
        return midnight
    return (*midnight, ((window.at_s - window.before_s - AHEAD_S) % _DAY_S, ROLLOVER))


class Proofs:
    """Asks for proofs on one session after another. Tell it the time, what was found, and the end of the run."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._moments = moments(session.settings.rollover)
        self._wall_ns: int | None = None
        self._last_asked = ""  # TestReqID(112) of the last proof of the run.
        self._give_up_ns: int | None = None

    def tick(self, mono_ns: int, wall_ns: int) -> None:
        """Let time pass: ask where a moment has come, end the run where its last answer has not."""
        before, self._wall_ns = self._wall_ns, wall_ns
        if self._give_up_ns is not None:
            if mono_ns >= self._give_up_ns:
                self._log_out(f"TestRequest {self._last_asked} was not answered within {STOP_NS // values.SECOND_NS} s")
            return
        if before is None:
            return
        for second, occasion in self._moments:
            since_ns = (wall_ns - second * values.SECOND_NS) % _DAY_NS
            if before < wall_ns - since_ns and since_ns <= LATE_NS and self._session.takes_requests:
                self._session.prove(occasion)

    def stop(self, mono_ns: int) -> None:
        """End the run: log out once the tail is proven, or at once where there is nobody to ask."""
        if self._session.takes_requests:
            self._last_asked = self._session.prove(STOP)
            self._give_up_ns = mono_ns + STOP_NS
        else:
            self._session.log_out("")

    def handle(self, findings: Sequence[Finding]) -> None:
        """Look for the answer that the end of the run waits for."""
        if self._give_up_ns is not None and events.Proven(self._last_asked) in findings:
            self._log_out("")

    def _log_out(self, text: str) -> None:
        self._give_up_ns = None
        self._session.log_out(text)
