"""Every pair of state and signal: the table's result, or an error."""

from itertools import product

import pytest
from fix import CLIENT, VENUE

from capture.errors import SessionError
from capture.session.session import Role, Session, SessionSettings
from capture.session.states import ESTABLISHED, TRANSITIONS, Signal, State

PAIRS = list(product(State, Signal))


def session_in(state: State) -> Session:
    """A session put into a state."""
    session = Session(SessionSettings(Role.INITIATOR, sender=CLIENT.encode(), target=VENUE.encode()))
    session.state = state
    return session


@pytest.mark.parametrize(("state", "signal"), PAIRS, ids=[f"{state.name}-{signal.name}" for state, signal in PAIRS])
def test_signal_moves_as_the_table_says_or_is_an_error(state: State, signal: Signal) -> None:
    """A pair in the table leads where it says; one that is absent is a SessionError, and the state stays."""
    session = session_in(state)

    if (state, signal) in TRANSITIONS:
        session.signal(signal)

        assert session.state is TRANSITIONS[state, signal]
    else:
        with pytest.raises(SessionError, match=signal.value):
            session.signal(signal)

        assert session.state is state


def test_transport_can_end_in_every_state_but_the_first() -> None:
    """The end of the transport leads back to the beginning from everywhere."""
    for state in set(State) - {State.DISCONNECTED}:
        assert TRANSITIONS[state, Signal.TRANSPORT_CLOSED] is State.DISCONNECTED


def test_every_state_can_be_reached_and_left() -> None:
    """No state is a trap, and none is idle."""
    assert set(TRANSITIONS.values()) == set(State)
    assert {state for state, _ in TRANSITIONS} == set(State)


def test_established_is_what_lies_between_the_logons_and_the_last_logout() -> None:
    """Messages are handled in order from both Logons to both Logouts, and in no other state."""
    assert {State.ACTIVE, State.AWAITING_RESEND, State.LOGOUT_SENT, State.LOGOUT_RECEIVED} == ESTABLISHED
