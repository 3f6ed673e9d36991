"""The states of a session and its one table of transitions.

Layer: session. Data only: read by `session.session`, by the test that walks every pair, and by the diagram in the docs.
Source: FIX 4.4 volume 2; cases LON, GAP, LGO.

A signal is a fact: a message came or was sent, the transport opened or closed. Sending is a signal like receiving,
so that a session rebuilt from a journal goes through the states that the live one went through.
"""

from collections.abc import Mapping
from enum import Enum
from typing import Final


class State(Enum):
    """Where a session stands."""

    DISCONNECTED = "disconnected"
    CONNECTED = "connected"  # Transport up, no Logon either way.
    LOGON_SENT = "logon sent"
    LOGON_RECEIVED = "logon received"  # The acceptor's answer is due.
    ACTIVE = "active"
    AWAITING_RESEND = "awaiting resend"
    LOGOUT_SENT = "logout sent"
    LOGOUT_RECEIVED = "logout received"  # Our answer is due.
    LOGGED_OUT = "logged out"  # Both Logouts said, or a Logon refused; the transport is to close.


class Signal(Enum):
    """What moves a session from state to state."""

    TRANSPORT_OPENED = "transport opened"
    TRANSPORT_CLOSED = "transport closed"
    LOGON_SENT = "logon sent"
    LOGON_RECEIVED = "logon received"
    GAP_OPENED = "gap opened"
    GAP_CLOSED = "gap closed"
    LOGOUT_SENT = "logout sent"
    LOGOUT_RECEIVED = "logout received"


TRANSITIONS: Final[Mapping[tuple[State, Signal], State]] = {
    (State.DISCONNECTED, Signal.TRANSPORT_OPENED): State.CONNECTED,
    # The initiator speaks first, the acceptor answers.
    (State.CONNECTED, Signal.LOGON_SENT): State.LOGON_SENT,
    (State.LOGON_SENT, Signal.LOGON_RECEIVED): State.ACTIVE,
    (State.CONNECTED, Signal.LOGON_RECEIVED): State.LOGON_RECEIVED,
    (State.LOGON_RECEIVED, Signal.LOGON_SENT): State.ACTIVE,
    # A Logon is refused by a Logout; the acceptor may say it instead of its Logon.
    (State.LOGON_SENT, Signal.LOGOUT_RECEIVED): State.LOGGED_OUT,
    (State.LOGON_SENT, Signal.LOGOUT_SENT): State.LOGOUT_SENT,
    (State.CONNECTED, Signal.LOGOUT_SENT): State.LOGGED_OUT,
    (State.LOGON_RECEIVED, Signal.LOGOUT_SENT): State.LOGGED_OUT,
    # A gap is open until what was missing has come or been filled over.
    (State.ACTIVE, Signal.GAP_OPENED): State.AWAITING_RESEND,
    (State.AWAITING_RESEND, Signal.GAP_CLOSED): State.ACTIVE,
    # Either side ends it; both at once take the other's Logout as the answer.
    (State.ACTIVE, Signal.LOGOUT_SENT): State.LOGOUT_SENT,
    (State.AWAITING_RESEND, Signal.LOGOUT_SENT): State.LOGOUT_SENT,
    (State.ACTIVE, Signal.LOGOUT_RECEIVED): State.LOGOUT_RECEIVED,
    (State.AWAITING_RESEND, Signal.LOGOUT_RECEIVED): State.LOGOUT_RECEIVED,
    (State.LOGOUT_SENT, Signal.LOGOUT_RECEIVED): State.LOGGED_OUT,
    (State.LOGOUT_RECEIVED, Signal.LOGOUT_SENT): State.LOGGED_OUT,
    # The transport can end at any time.
    **{(state, Signal.TRANSPORT_CLOSED): State.DISCONNECTED for state in State if state is not State.DISCONNECTED},
}

ESTABLISHED: Final = frozenset({State.ACTIVE, State.AWAITING_RESEND, State.LOGOUT_SENT, State.LOGOUT_RECEIVED})
