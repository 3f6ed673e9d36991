"""`fixtape session connect`: the bare initiator on the command line, against the echo."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

pytestmark = pytest.mark.venue

FIXTAPE = str(Path(sys.executable).with_name("fixtape"))


@contextmanager
def running(*command, **options):
    """A command of fixtape, ended with its context."""
    with subprocess.Popen(
        [FIXTAPE, *map(str, command)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options
    ) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()


@contextmanager
def echo():
    """An echo's port."""
    command = ["venue", "--profile", "echo", "--plain", "--name", "ISLD", "--port", "0", "--for", "60"]
    with running(*command) as process:
        assert process.stdout is not None
        yield int(process.stdout.readline().partition("echo on 127.0.0.1:")[2].split()[0])


def events_until(process, wanted):
    """The lines of a process up to the first for which `wanted` holds."""
    seen, deadline = [], time.monotonic() + 20
    assert process.stdout is not None
    while time.monotonic() < deadline:
        seen.append(json.loads(process.stdout.readline()))
        if wanted(seen[-1]):
            return seen
    raise AssertionError(seen)


def connecting(port, *options):
    """The command that connects to an echo."""
    return ["session", "connect", "127.0.0.1", port, "--plain", "--sender", "TW44", "--target", "ISLD", *options]


def test_it_logs_on_sends_and_logs_out(tmp_path):
    """Each thing that happens is a line; SIGTERM logs out and ends it with 0."""
    messages = tmp_path / "messages.txt"
    messages.write_text("# an order\n35=D|11=ID1|21=3|40=1|54=1|38=2|55=INTC|60=20260101-00:00:00\n")
    with echo() as port, running(*connecting(port, "--send", messages)) as process:
        seen = events_until(process, lambda event: event["event"] == "delivered")
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=20)

    assert process.returncode == 0, err
    assert "|35=D|" in seen[-1]["message"]
    assert "|11=ID1|" in seen[-1]["message"]
    names = [event["event"] for event in seen] + [json.loads(line)["event"] for line in out.splitlines()]
    assert names == ["connected", "sent", "LoggedOn", "sent", "delivered", "sent", "LoggedOut", "disconnected"]


def test_numbers_go_on_over_a_restart(tmp_path):
    """With a store and without a reset the next Logon bears the next number."""
    first_numbers = []
    for _ in range(2):
        with echo() as port:
            options = ["--no-reset", "--store", tmp_path / "store"]
            with running(*connecting(port, *options)) as process:
                seen = events_until(process, lambda event: event["event"] == "sent")
                process.send_signal(signal.SIGTERM)
                process.communicate(timeout=20)
        logon = seen[-1]["message"]
        first_numbers.append(int(logon.partition("|34=")[2].partition("|")[0]))

    assert first_numbers[0] == 1
    assert first_numbers[1] > 1


def test_secrets_are_shown_as_stars(tmp_path):
    """A trading Logon is signed, and neither key nor password shows."""
    environment = {**os.environ, "FIXTAPE_API_KEY": "PLANTEDKEY", "FIXTAPE_API_SECRET": "UExBTlRFRA=="}
    with echo() as port:
        command = connecting(port, "--profile", "trading")
        with running(*command, env=environment) as process:
            seen = events_until(process, lambda event: event["event"] == "sent")
            process.send_signal(signal.SIGTERM)
            out, err = process.communicate(timeout=20)

    assert "|553=***|554=***|5025=" in seen[-1]["message"]
    assert "PLANTED" not in json.dumps(seen) + out + err


def test_plain_text_is_for_loopback():
    """Without TLS nothing but this machine is spoken to."""
    done = subprocess.run(
        [FIXTAPE, "session", "connect", "192.0.2.1", "4000", "--plain"], capture_output=True, text=True, check=False
    )

    assert done.returncode == 2
    assert "no loopback address" in done.stderr
