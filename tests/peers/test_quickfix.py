"""QuickFIX, an engine that shares nothing with ours, as the other side: client of our venue, venue of our recorder."""

import json
import os
import socket
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest
from tunnel import tls_tunnel
from venues import DATA, record_until, recordings, settings_for, venue_thread

import fixtape
from capture.venue import certificates

pytestmark = pytest.mark.peers

HERE = Path(__file__).parent
PYTHON = os.environ.get("FIXTAPE_PEERS_PYTHON", "")
DICTIONARY = DATA / "KRAKEN-FIX44.xml"


def peer(script, *arguments, **options):
    """A script in the peers' environment."""
    command = [PYTHON, str(HERE / script), *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)


def last_line(process, *, say=None):
    """What the script printed last, as JSON."""
    out, err = process.communicate(say, timeout=60)
    assert process.returncode == 0, (out, err)
    return json.loads(out.splitlines()[-1])


def test_quickfix_finds_nothing_wrong_with_what_our_venue_sends(tmp_path):
    """Every message of the venue validates against the dictionary; numbers, heartbeats and Logout agree."""
    with venue_thread(recordings(), plain=True) as (server, _):
        found = last_line(peer("quickfix_initiator.py", server.port, DICTIONARY, tmp_path, 8))

    received = found["received"]
    assert found["rejects"] == []
    assert (received["y"], received["W"], received["X"]) == (1, 16, 4277 + 296 + 1128)
    assert received["0"] >= 2
    assert (received["A"], received["5"]) == (1, 1)
    print(f"quickfix initiator: {sum(received.values())} received, {sum(found['sent'].values())} sent, 0 rejects")


@pytest.mark.parametrize("gap", [False, True], ids=["in order", "with a number lost"])
def test_quickfix_finds_nothing_wrong_with_what_our_recorder_sends(gap, tmp_path):
    """Every message of the recorder validates; a lost number is asked for, filled over, and the book taken anew."""
    port = _free_port()
    credentials = certificates.make("127.0.0.1")
    ca_file = credentials.write_ca(tmp_path / "ca.pem")
    guide, extra = DATA / "guide-example.fix", ["gap"] if gap else []
    venue = peer("quickfix_acceptor.py", port, DICTIONARY, tmp_path, guide, *extra, stdin=subprocess.PIPE)
    assert venue.stdout is not None
    assert venue.stdout.readline() == "listening\n"

    with tls_tunnel(credentials, port) as tls_port:
        settings = settings_for(SimpleNamespace(port=tls_port), ca_file, tmp_path / "tape", depth=10)
        summary, _ = record_until(settings, lambda recorder: recorder.counters.verified >= 1, seconds=20)
        found = last_line(venue, say="end\n")

    assert found["rejects"] == []
    assert summary.counters.verified >= 1
    assert summary.counters.gaps == int(gap)
    assert (found["received"]["A"], found["received"]["5"]) == (1, 1)
    assert found["received"].get("2", 0) == int(gap)
    with fixtape.open(tmp_path / "tape") as tape:
        ((checksum,),) = tape.sql("SELECT max(checksum_received) FROM messages WHERE verdict = 'verified'").fetchall()
    assert checksum == 3341325816
    print(
        f"quickfix acceptor: {sum(found['received'].values())} received, {sum(found['sent'].values())} sent, 0 rejects"
    )


def _free_port():
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]
