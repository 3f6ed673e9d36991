"""A reader that is behind says for how long."""

from feeds import CONNECTION
from fix import CLIENT, SECOND, T0, VENUE

from capture.client import LAGGING_READ_BYTES, Client
from capture.clock import Now
from capture.connect import Endpoint
from capture.feed import Feed
from capture.session.session import Role, Session, SessionSettings
from capture.sinks import Position
from capture.subscriber import Subscriber


class Journal:
    """Keeps the notes."""

    def __init__(self):
        self.notes = []

    def received(self, at_ns, data):
        return [(Position("segment", 0), data)]

    def note(self, at_ns, kind, fields):
        self.notes.append((at_ns, kind, fields["since_ns"]))


def lag_of(*reads):
    """The notes that reads make, given as seconds and bytes."""
    clock, journal = [T0], Journal()
    session = Session(SessionSettings(Role.INITIATOR, CLIENT.encode(), VENUE.encode()))
    feed = Feed(session)
    client = Client(
        Endpoint("127.0.0.1", 1, "x", None),
        feed,
        Subscriber(session, ("all",), 10),
        journal,
        read_clock=lambda: Now(clock[0], clock[0]),
    )
    feed.opened(T0, 0, CONNECTION)
    for second, size in reads:
        clock[0] = T0 + int(second * SECOND)
        client.received(b"x" * size)
    events = feed.take_columns().events.columns
    told = [at for kind, at in zip(events["kind"], events["from_ns"], strict=True) if kind == "note"]
    assert told == [since_ns for _, _, since_ns in journal.notes], "what the journal says, the events say"
    return [((at_ns - T0) / SECOND, kind, (since_ns - T0) / SECOND) for at_ns, kind, since_ns in journal.notes]


def test_a_lag_is_told_once_it_is_over():
    """Large reads for three seconds are one note that says since when."""
    full = LAGGING_READ_BYTES

    assert lag_of((0, 100), (1, full), (2, full), (4, full), (4.5, 100), (5, 100)) == [(4.5, "reader lag", 1.0)]


def test_a_burst_is_no_lag():
    """Less than a second of large reads is what a venue does at any time."""
    assert lag_of((0, LAGGING_READ_BYTES), (0.9, LAGGING_READ_BYTES), (0.95, 10)) == []
