"""Waiting before connecting again: it doubles, it has a cap, and refusals are waited out longer."""

import pytest

from capture.backoff import (
    FIRST_S,
    LIMIT_S,
    REFUSED_FIRST_S,
    REFUSED_LIMIT_S,
    ROLLOVER_LIMIT_S,
    STEADY_S,
    Backoff,
    Ending,
    ending_of,
)


def backoff():
    """Without jitter."""
    return Backoff(lambda _low, _high: 1.0)


def test_failures_in_a_row_are_waited_out_twice_as_long_each_up_to_the_cap():
    """A venue that is away is not hammered."""
    waits = backoff()

    delays = [waits.after(Ending.UNREACHABLE, 0.1) for _ in range(8)]

    assert delays[:3] == [FIRST_S, 2 * FIRST_S, 4 * FIRST_S]
    assert delays[-1] == LIMIT_S


def test_a_session_that_lasted_begins_anew():
    """After a steady session the next attempt comes at once."""
    waits = backoff()
    for _ in range(6):
        waits.after(Ending.UNREACHABLE, 0.1)

    delay = waits.after(Ending.DROPPED, STEADY_S)

    assert delay == FIRST_S


def test_a_venue_that_accepts_and_drops_is_a_storm_too():
    """Sessions that end at once are waited out like refused connections."""
    waits = backoff()

    delays = [waits.after(Ending.DROPPED, 0.2) for _ in range(7)]

    assert delays == sorted(delays)
    assert delays[-1] == LIMIT_S


def test_a_refused_logon_is_waited_out_for_minutes():
    """Repeated bad Logons lock the account out, so they are not repeated soon."""
    waits = backoff()

    delays = [waits.after(Ending.REFUSED, 0.1) for _ in range(6)]

    assert delays[0] == REFUSED_FIRST_S
    assert delays[-1] == REFUSED_LIMIT_S


def test_jitter_stays_within_its_bounds():
    """Each wait is drawn around its length."""
    drawn = []

    def uniform(low, high):
        drawn.append((low, high))
        return low

    delay = Backoff(uniform).after(Ending.UNREACHABLE, 0.0)

    assert drawn == [(0.8, 1.2)]
    assert delay == 0.8 * FIRST_S


def test_the_roll_over_is_waited_out_in_short_steps():
    """The venue refuses for half a minute then: whatever happens, the next attempt is never far away."""
    waits = backoff()

    delays = [waits.after(Ending.ROLLED_OVER, 0.1) for _ in range(6)]

    assert delays[0] == FIRST_S
    assert delays[-1] == ROLLOVER_LIMIT_S


@pytest.mark.parametrize(
    ("facts", "ending"),
    [
        ({"logged_on": True}, Ending.DROPPED),
        ({"logged_on": False}, Ending.UNREACHABLE),
        ({"logged_on": False, "refusal": "authentication failure"}, Ending.REFUSED),
        ({"logged_on": False, "refusal": "Invalid API key"}, Ending.REFUSED),
        ({"logged_on": False, "refusal": "MsgSeqNum too low, expecting 7 but received 1"}, Ending.UNREACHABLE),
        ({"logged_on": False, "refusal": ""}, Ending.UNREACHABLE),
        ({"logged_on": True, "rolling_over": True}, Ending.ROLLED_OVER),
        ({"logged_on": False, "refusal": "authentication failure", "rolling_over": True}, Ending.ROLLED_OVER),
    ],
)
def test_only_refused_credentials_are_waited_out_for_minutes(facts, ending):
    """Any other refusal is a failure like others, and in the roll-over window nothing is."""
    assert ending_of(**facts) is ending
