"""Commands of fixtape as processes, and a plain FIX connection to speak with them by hand."""

import json
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from capture.wire.encoder import encode
from capture.wire.framer import Frame, Framer
from capture.wire.message import parse

FIXTAPE = str(Path(sys.executable).with_name("fixtape"))
WAIT_S = 20.0


@contextmanager
def running(*command, **options):
    """A command of fixtape, killed with its context if it has not ended by itself."""
    with subprocess.Popen(
        [FIXTAPE, *map(str, command)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options
    ) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()


@contextmanager
def echo(*options, port=0):
    """An echo called ISLD in plain text: its port and its process."""
    command = ["venue", "--profile", "echo", "--plain", "--sender", "ISLD", "--port", port, "--for", 60, *options]
    with running(*command) as process:
        yield listening(process), process


def listening(process):
    """The port that an echo says it has."""
    line = process.stdout.readline()
    assert "echo on 127.0.0.1:" in line, process.stderr.read()
    return int(line.partition("echo on 127.0.0.1:")[2].split()[0])


def ended(*command):
    """What a command that ends by itself has to say: exit code and standard error."""
    done = subprocess.run([FIXTAPE, *map(str, command)], capture_output=True, text=True, check=False, timeout=WAIT_S)
    return done.returncode, done.stderr


def events_until(process, wanted):
    """The lines of a process up to the first for which `wanted` holds."""
    seen, deadline = [], time.monotonic() + WAIT_S
    while time.monotonic() < deadline:
        seen.append(json.loads(process.stdout.readline()))
        if wanted(seen[-1]):
            return seen
    raise AssertionError(seen)


class Talk:
    """One side of a plain FIX connection that does nothing by itself; a context manager."""

    def __init__(self, connection, us, them, begin=b"FIX.4.4"):
        self.socket, self._us, self._them, self._begin = connection, us, them, begin
        self._framer, self._frames, self.number = Framer(), [], 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, msg_type, *fields):
        """Send a message under the next number."""
        self.number += 1
        at = datetime.now(UTC).strftime("%Y%m%d-%H:%M:%S.%f")[:-3].encode()
        self.socket.sendall(
            encode(
                msg_type,
                fields,
                msg_seq_num=self.number,
                sender=self._us,
                target=self._them,
                sending_text=at,
                begin_string=self._begin,
            )
        )

    def receive(self):
        """The next message; an assertion fails where the connection ends instead."""
        while not self._frames:
            data = self.socket.recv(65536)
            assert data, "the other side closed the connection"
            self._frames += [it.data for it in self._framer.feed(data) if isinstance(it, Frame)]
        return parse(self._frames.pop(0))

    def closed(self):
        """Whether the connection ends without a message more."""
        return not self._frames and self.socket.recv(65536) == b""


def client(port, **options):
    """A client of the echo."""
    return Talk(socket.create_connection(("127.0.0.1", port), timeout=WAIT_S), b"TW44", b"ISLD", **options)


@contextmanager
def venue():
    """A venue called ISLD that a test speaks for: its port, and what accepts the next connection."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(WAIT_S)

        def accept():
            connection, _ = server.accept()
            connection.settimeout(WAIT_S)
            return Talk(connection, b"ISLD", b"TW44")

        yield server.getsockname()[1], accept
