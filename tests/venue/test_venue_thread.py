"""A venue in a thread, for any client: here a plain TLS socket that speaks FIX by hand."""

import socket
import ssl
import time
from collections import deque

import pytest
from fix import CLIENT, VENUE, frame
from venues import recordings

from capture.errors import MisuseError
from capture.venue.market import SyntheticMarket
from capture.venue.thread import VenueThread
from capture.wire.framer import Frame, Framer
from capture.wire.message import parse

pytestmark = pytest.mark.venue


class Client:
    """A TLS socket and a counter."""

    def __init__(self, venue):
        context = ssl.create_default_context(cadata=venue.ca_pem.decode())
        plain = socket.create_connection((venue.host, venue.port), timeout=10)
        self.socket = context.wrap_socket(plain, server_hostname="localhost")
        self.framer, self.seq, self.items = Framer(), 0, deque()
        self.say("35=A 98=0 108=60 141=Y")
        assert self.next().msg_type == b"A"

    def say(self, text):
        """Send a message."""
        self.seq += 1
        self.socket.sendall(frame(text, seq=self.seq, sender=CLIENT, target=VENUE, at_ns=time.time_ns()))

    def next(self):
        """The next message."""
        while not self.items:
            self.items += self.framer.feed(self.socket.recv(65536))
        item = self.items.popleft()
        assert isinstance(item, Frame)
        return parse(item.data)


def test_any_client_is_served():
    """Logon, list, a book: over TLS, verified by the venue's own authority."""
    with VenueThread(SyntheticMarket(3, seed=1)) as venue:
        client = Client(venue)
        client.say("35=x 320=L1 559=4")
        listed = client.next()
        client.say("35=V 146=1 55=ETH/USD 262=M1 263=1 264=10 265=1 267=3 269=0 269=1 269=2")
        book = [client.next() for _ in range(20)]
        client.socket.close()

    assert listed.get(146) == b"3"
    assert [it.msg_type for it in book[:2]] == [b"W", b"X"]


def test_what_changes_is_pushed():
    """An instrument and the status that change while the venue runs reach who asked for them."""
    with VenueThread(recordings("ethusd-d25")) as venue:
        client = Client(venue)
        client.say("35=x 263=1 320=L1 559=4")
        client.say("35=g 263=1 335=S1 336=SESSION")
        assert [client.next().msg_type for _ in range(2)] == [b"y", b"h"]

        venue.call(venue.server.update_instrument, "ETH/USD", status=4)
        venue.call(venue.server.update_instrument, "NEW/USD", price_precision=3)
        venue.call(venue.server.set_status, 102)
        pushed = [client.next() for _ in range(3)]
        client.socket.close()

        assert [(it.get(55), it.get(5032)) for it in pushed[:2]] == [(b"ETH/USD", b"4"), (b"NEW/USD", b"1")]
        assert pushed[2].get(340) == b"102"
        with pytest.raises(MisuseError, match="340"):
            venue.call(venue.server.set_status, 7)
