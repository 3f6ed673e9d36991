"""`fixtape venue --profile echo`: a plain way in for other engines' conformance suites."""

import socket
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from capture.wire.encoder import encode
from capture.wire.framer import Frame, Framer
from capture.wire.message import Message, parse

pytestmark = pytest.mark.venue

FIXTAPE = str(Path(sys.executable).with_name("fixtape"))


class Client:
    """A client of the echo that does nothing by itself; a context manager."""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        self.framer, self.frames, self.number = Framer(), [], 0

    def send(self, msg_type, *fields):
        self.number += 1
        at = datetime.now(UTC).strftime("%Y%m%d-%H:%M:%S.%f")[:-3].encode()
        frame = encode(msg_type, fields, msg_seq_num=self.number, sender=b"TW44", target=b"ISLD", sending_text=at)
        self.socket.sendall(frame)

    def receive(self) -> Message:
        while not self.frames:
            data = self.socket.recv(65536)
            assert data, "the echo closed the connection"
            self.frames += [it.data for it in self.framer.feed(data) if isinstance(it, Frame)]
        return parse(self.frames.pop(0))


@pytest.fixture
def echo():
    """An echo's port."""
    command = [FIXTAPE, "venue", "--profile", "echo", "--plain", "--name", "ISLD", "--client", "TW44", "--port", "0"]
    with subprocess.Popen(
        [*command, "--for", "60"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as it:
        assert it.stdout is not None
        yield int(it.stdout.readline().partition("echo on 127.0.0.1:")[2].split()[0])
        it.terminate()


def test_an_order_comes_back_as_it_was(echo):
    """Logon, TestRequest, an order that comes back, and a Logout that is answered."""
    order = (
        (11, b"ID1"),
        (21, b"3"),
        (40, b"1"),
        (54, b"1"),
        (38, b"002000.00"),
        (55, b"INTC"),
        (60, b"20260101-00:00:00"),
    )

    with Client(echo) as client:
        client.send(b"A", (98, b"0"), (108, b"30"))
        logon = client.receive()
        client.send(b"1", (112, b"HELLO"))
        heartbeat = client.receive()
        client.send(b"D", *order)
        back = client.receive()
        client.send(b"5")
        logout = client.receive()

    assert (logon.msg_type, logon.get(49), logon.get(56), logon.get(34)) == (b"A", b"ISLD", b"TW44", b"1")
    assert (heartbeat.msg_type, heartbeat.get(112)) == (b"0", b"HELLO")
    assert back.msg_type == b"D"
    assert all(back.get(tag) == value for tag, value in order)
    assert logout.msg_type == b"5"


def test_a_message_that_is_not_supported_is_said_to_be(echo):
    """What is defined and not served is refused with 35=j, 380=3, and the session goes on."""
    with Client(echo) as client:
        client.send(b"A", (98, b"0"), (108, b"30"))
        client.receive()
        client.send(b"x", (320, b"1"), (559, b"4"))
        refused = client.receive()

    assert (refused.msg_type, refused.get(380)) == (b"j", b"3")


@pytest.mark.parametrize("options", [[], ["--plain", "--host", "0.0.0.0"]])  # noqa: S104 - it is refused
def test_plain_text_is_for_loopback_and_said_aloud(options):
    """Without --plain, or on an address that others reach, the echo does not listen."""
    done = subprocess.run(
        [FIXTAPE, "venue", "--profile", "echo", *options, "--for", "1"], capture_output=True, text=True, check=False
    )

    assert done.returncode == 2
    assert "loopback" in done.stderr
