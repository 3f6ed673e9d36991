"""Switches that show on the connection itself: a second Logon of one name, and connects during a roll-over."""

import socket
import ssl
import time

import pytest
from fix import CLIENT, VENUE, frame
from venues import recordings

from capture.venue.thread import VenueThread

pytestmark = pytest.mark.venue

LASTS_S = 1.5
WAIT_S = 10.0
HOUR_NS = 3600 * 10**9
DAY_NS = 24 * HOUR_NS


def connect(venue):
    """A TLS connection."""
    context = ssl.create_default_context(cadata=venue.ca_pem.decode())
    plain = socket.create_connection((venue.host, venue.port), timeout=WAIT_S)
    return context.wrap_socket(plain, server_hostname="localhost")


def log_on(venue):
    """A connection with a Logon under way, and what came of it: the first bytes, or none where it was dropped."""
    connection = connect(venue)
    connection.sendall(frame("35=A 98=0 108=60 141=Y", sender=CLIENT, target=VENUE, at_ns=time.time_ns()))
    return connection, came(connection)


def came(connection):
    """The next bytes; empty at the end of the connection, in order or not."""
    try:
        return connection.recv(65536)
    except ConnectionError:
        return b""


@pytest.mark.parametrize(
    ("second_logon", "second_is_in", "first_is_in"),
    [("allow", True, True), ("refuse", False, True), ("evict", True, False)],
)
def test_a_second_logon_of_one_name(second_logon, second_is_in, first_is_in):
    """The connection that has to go is closed; who stays is answered."""
    with VenueThread(recordings("ethusd-d25"), second_logon=second_logon) as venue:
        first, _ = log_on(venue)
        second, answer = log_on(venue)
        first.sendall(frame("35=1 112=T", seq=2, sender=CLIENT, target=VENUE, at_ns=time.time_ns()))
        heard = came(first)
        first.close()
        second.close()

    assert (b"\x0135=A\x01" in answer) == second_is_in
    assert (b"\x01112=T\x01" in heard) == first_is_in


def attempts(venue):
    """What becomes of Logons from now until one is answered."""
    found = []
    until = time.monotonic() + WAIT_S
    while time.monotonic() < until:
        try:
            connection, answer = log_on(venue)
        except OSError as error:
            found.append(type(error).__name__)
        else:
            connection.close()
            found.append("answered" if answer else "dropped")
            if answer:
                return found
        time.sleep(0.2)
    raise AssertionError(found)


@pytest.mark.parametrize(("connects", "meanwhile"), [("dropped", "dropped"), ("refused", "ConnectionRefusedError")])
def test_connects_during_a_roll_over(connects, meanwhile):
    """They are dropped at their Logon, or nobody listens; afterwards the venue is there again, on the same port."""
    with VenueThread(recordings("ethusd-d25"), rollover_connects=connects, rollover_seconds=1) as venue:
        first, _ = log_on(venue)
        venue.call(venue.server.roll_over, LASTS_S)
        began = time.monotonic()
        said = came(first)
        first.close()

        found = attempts(venue)

    assert b"\x0158=daily roll-over\x01" in said
    assert set(found[:-1]) == {meanwhile}
    assert time.monotonic() - began >= LASTS_S


@pytest.mark.parametrize(("rollover", "said_first"), [("logout", b"\x0135=5\x01"), ("close", b"")])
def test_it_rolls_over_by_the_clock(rollover, said_first):
    """At 22:00 UTC, once, in the form that the switch says."""
    with VenueThread(recordings("ethusd-d25"), rollover=rollover, rollover_seconds=1) as venue:
        first, _ = log_on(venue)
        ten = (time.time_ns() - 22 * HOUR_NS) // DAY_NS * DAY_NS + DAY_NS + 22 * HOUR_NS
        venue.call(venue.server.look, ten - 1)
        first.sendall(frame("35=1 112=T", seq=2, sender=CLIENT, target=VENUE, at_ns=time.time_ns()))
        before = came(first)
        venue.call(venue.server.look, ten)
        said = came(first)
        first.close()
        found = attempts(venue)
        second, _ = log_on(venue)
        venue.call(venue.server.look, ten + 1)
        second.sendall(frame("35=1 112=U", seq=2, sender=CLIENT, target=VENUE, at_ns=time.time_ns()))
        later = came(second)
        second.close()

    assert b"\x01112=T\x01" in before
    assert (said_first in said) if said_first else not said
    assert set(found) <= {"dropped", "answered"}
    assert b"\x01112=U\x01" in later


def test_a_roll_over_in_place_keeps_everybody():
    """The connection stays, and so does the door open."""
    with VenueThread(recordings("ethusd-d25"), rollover="reset") as venue:
        first, _ = log_on(venue)
        venue.call(venue.server.roll_over)
        said = came(first)
        found = attempts(venue)
        first.close()

    assert b"\x0134=1\x01" in said
    assert b"\x01141=Y\x01" in said
    assert found == ["answered"]
