"""How long to wait before connecting again.

Layer: beside the client. Pure: what happened comes in, seconds go out; the jitter's source is given.
Source: cases LGO-8 and LON-7: a refusal never causes a storm; venue reference 3.1: repeated bad logons lock the account
out for about 15 minutes.
"""

import re
from collections.abc import Callable
from enum import Enum
from typing import Final

FIRST_S: Final = 1.0
LIMIT_S: Final = 30.0
ROLLOVER_LIMIT_S: Final = 10.0
REFUSED_FIRST_S: Final = 60.0
REFUSED_LIMIT_S: Final = 900.0
STEADY_S: Final = 5.0  # A session that lasted so long was no part of a storm.
JITTER: Final = 0.2  # Either way, so that many clients do not come back in one instant.
# In the Text(58) of a refusal: it speaks of credentials, and repeating them soon could lock the account out.
_CREDENTIALS: Final = re.compile(r"auth|credential|password|api.?key|signature|nonce|permission|locked", re.IGNORECASE)


class Ending(Enum):
    """How a connection, or the attempt at one, ended."""

    UNREACHABLE = "no connection, no TLS, or no Logon for an answer to ours"
    REFUSED = "the Logon was answered with a Logout that speaks of credentials"
    DROPPED = "a session that was established ended"
    ROLLED_OVER = "anything at all while the venue rolls over, when it refuses for about half a minute"


def ending_of(*, logged_on: bool, refusal: str | None = None, rolling_over: bool = False) -> Ending:
    """Return how a connection ended. refusal: Text(58) of the Logout that answered the Logon, if one did."""
    if rolling_over:
        return Ending.ROLLED_OVER
    if logged_on:
        return Ending.DROPPED
    if refusal is not None and _CREDENTIALS.search(refusal):
        return Ending.REFUSED
    return Ending.UNREACHABLE


class Backoff:
    """Doubles with each failure in a row; refused credentials are waited out longer."""

    def __init__(self, uniform: Callable[[float, float], float]) -> None:
        self._uniform = uniform
        self._delay_s = FIRST_S
        self._refused_delay_s = REFUSED_FIRST_S

    def after(self, ending: Ending, lasted_s: float) -> float:
        """Return the seconds to wait after a connection that ended so and lasted so long."""
        if ending is Ending.REFUSED:
            delay_s = self._refused_delay_s
            self._refused_delay_s = min(delay_s * 2, REFUSED_LIMIT_S)
        else:
            limit_s = ROLLOVER_LIMIT_S if ending is Ending.ROLLED_OVER else LIMIT_S
            if ending is Ending.DROPPED:
                self._refused_delay_s = REFUSED_FIRST_S
                if lasted_s >= STEADY_S:
                    self._delay_s = FIRST_S
            delay_s = min(self._delay_s, limit_s)
            self._delay_s = min(delay_s * 2, limit_s)
        return delay_s * self._uniform(1 - JITTER, 1 + JITTER)
