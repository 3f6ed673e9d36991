"""Each way of not getting started: one line with the remedy, an exit code of its own, no traceback, nothing sent."""

import json
import os
import socket
import ssl
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from venues import recordings, venue_thread

from capture.venue import certificates
from storage.lake import Lake

pytestmark = pytest.mark.venue

FIXTAPE = str(Path(sys.executable).with_name("fixtape"))


def _briefly(tmp_path):
    """Options that end a recording of its own after a second."""
    return ["--root", str(tmp_path / "tape"), "--for", "1"]


def _without_root_powers():
    """What to put before a command so that root, too, is bound by permissions."""
    return ["setpriv", "--bounding-set=-dac_override,-dac_read_search", "--"] if os.geteuid() == 0 else []


def record(*options, root, before=()):
    """Run `fixtape record` to its end; returns its exit code and what it said, after the line that it begins with."""
    done = subprocess.run(
        [*before, FIXTAPE, "record", "--sender", "C", "--symbol", "ETH/USD", "--root", root, "--for", "20", *options],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    said = [line for line in done.stderr.splitlines() if line.startswith("fixtape: ")]
    assert "Traceback" not in done.stderr, done.stderr
    assert len(said) == 1, done.stderr
    return done.returncode, said[0]


@pytest.fixture
def venue(tmp_path):
    """A venue with one market, and the options that lead to it."""
    with venue_thread() as (server, credentials):
        ca_file = credentials.write_ca(tmp_path / "ca.pem")
        yield ["--host", "127.0.0.1", "--port", str(server.port), "--ca", str(ca_file)]


def test_unknown_host(tmp_path):
    """A name that does not resolve is the setting's fault or the resolver's, and is said to be."""
    code, said = record("--host", "no-such-host.invalid", root=tmp_path / "tape")

    assert code == 69
    assert "no-such-host.invalid: unknown host" in said
    assert "check venue.host" in said


def test_refused_port(tmp_path):
    """A closed port is named with its address."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]

    code, said = record("--host", "127.0.0.1", "--port", str(port), root=tmp_path / "tape")

    assert code == 69
    assert f"127.0.0.1:{port}: connection refused; check the port" in said


def test_wrong_authority(venue, tmp_path):
    """A certificate by an authority other than the given one is refused."""
    other = certificates.make("localhost").write_ca(tmp_path / "other.pem")

    code, said = record(*venue[:-1], str(other), root=tmp_path / "tape")

    assert code == 77
    assert "certificate refused" in said
    assert "nothing was sent" in said


def test_wrong_host_name(venue, tmp_path):
    """A certificate that does not bear the expected name is refused."""
    code, said = record(*venue, "--server-name", "fix.example.net", root=tmp_path / "tape")

    assert code == 77
    assert "certificate refused" in said
    assert "fix.example.net" in said


def test_tls_1_2_peer(tmp_path):
    """A venue that offers TLS 1.2 at most is refused."""
    old = certificates.make("127.0.0.1", minimum=ssl.TLSVersion.TLSv1_2, maximum=ssl.TLSVersion.TLSv1_2)
    with venue_thread(credentials=old) as (server, _):
        ca_file = old.write_ca(tmp_path / "ca.pem")

        code, said = record(
            "--host", "127.0.0.1", "--port", str(server.port), "--ca", str(ca_file), root=tmp_path / "tape"
        )

    assert code == 76
    assert "no TLS 1.3 handshake" in said


def test_plain_peer(tmp_path):
    """A peer without TLS is refused, and gets no FIX byte."""
    with venue_thread(plain=True) as (server, _):
        code, said = record("--host", "127.0.0.1", "--port", str(server.port), root=tmp_path / "tape")

    assert code == 76
    assert "no TLS at all" in said


def test_logon_refused_by_silence(tmp_path):
    """A venue that does not know the SenderCompID closes the connection; the line says what to check."""
    with venue_thread(clients=("SOMEBODY",)) as (server, credentials):
        ca_file = credentials.write_ca(tmp_path / "ca.pem")

        code, said = record(
            "--host", "127.0.0.1", "--port", str(server.port), "--ca", str(ca_file), root=tmp_path / "tape"
        )

    assert code == 77
    assert "closed the connection instead of answering the Logon; check the SenderCompID" in said


def test_logon_refused_with_a_text(tmp_path):
    """A Logout instead of a Logon is a refusal, and its Text is the reason given."""
    with _answering_logout(b"authentication failure") as (port, credentials):
        ca_file = credentials.write_ca(tmp_path / "ca.pem")

        code, said = record("--host", "127.0.0.1", "--port", str(port), "--ca", str(ca_file), root=tmp_path / "tape")

    assert code == 77
    assert "Logon refused: authentication failure" in said


def test_unknown_symbol(venue, tmp_path):
    """A symbol that the venue does not list ends the run before anything is recorded, with a near one."""
    code, said = record(*venue, "--symbol", "ETH/USDD", root=tmp_path / "tape")

    assert code == 78
    assert "ETH/USDD: not among the 1 instruments that the venue lists; did you mean ETH/USD?" in said


def test_depth_that_no_venue_offers(venue, tmp_path):
    """A depth outside the venue's list is a wrong setting."""
    code, said = record(*venue, "--depth", "20", root=tmp_path / "tape")

    assert code == 78
    assert "market.depth is 20; use one of 10, 25, 100, 500 or 1000" in said


def test_depth_that_the_venue_refuses(tmp_path):
    """A depth that this venue refuses is a refusal of the symbol, said at the end with exit 3."""
    with venue_thread(depth_refused=10) as (server, credentials):
        address = ["--host", "127.0.0.1", "--port", str(server.port)]
        trust = ["--ca", str(credentials.write_ca(tmp_path / "ca.pem"))]
        done = subprocess.run(
            [FIXTAPE, "record", *address, *trust, "--sender", "C", "--symbol", "ETH/USD", "--depth", "10",
             *_briefly(tmp_path)],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )  # fmt: skip

    assert done.returncode == 3
    assert "ETH/USD: not recorded, the venue refused it: Unsupported market depth: 10" in done.stderr


def test_lake_of_a_newer_schema(venue, tmp_path):
    """A lake that a later fixtape wrote is left alone."""
    root = tmp_path / "tape"
    Lake.create_or_open(root / "lake")
    for entry in (root / "lake").rglob("00000000000000000000.json"):
        lines = [json.loads(line) for line in entry.read_text().splitlines()]
        for line in lines:
            if "metaData" in line:
                line["metaData"]["configuration"]["fixtape.schemaVersion"] = "2"
        entry.write_text("\n".join(map(json.dumps, lines)) + "\n")

    code, said = record(*venue, root=root)

    assert code == 78
    assert "schema 2, at most 1 is known here; upgrade fixtape" in said


def test_directory_that_cannot_be_written(venue, tmp_path):
    """A root below something that is no directory cannot be made."""
    (tmp_path / "file").write_text("")

    code, said = record(*venue, root=tmp_path / "file" / "tape")

    assert code == 73
    assert "cannot create" in said


def test_directory_without_permission(venue, tmp_path):
    """A root that this user may not write is refused before the venue is spoken to."""
    root = tmp_path / "tape"
    root.mkdir()
    root.chmod(0o555)

    code, said = record(*venue, root=root, before=_without_root_powers())

    assert code == 73
    assert "make the directory writable" in said


def test_root_in_use(venue, tmp_path):
    """A second recorder of one root is refused, and the first is not disturbed."""
    root = tmp_path / "tape"
    command = [FIXTAPE, "record", *venue, "--sender", "A", "--symbol", "ETH/USD", "--root", str(root), "--for", "6"]
    first = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert first.stderr is not None
        first.stderr.readline()

        code, said = record(*venue, root=root)

        out, _ = first.communicate(timeout=30)
    finally:
        first.kill()
    assert code == 75
    assert "another recorder writes there" in said
    assert first.returncode == 0
    assert "1,128 of 1,128 verified" in out


def test_settings_that_are_missing(tmp_path):
    """Without a host nothing is tried."""
    code, said = record(root=tmp_path / "tape")

    assert code == 78
    assert "venue.host is not set" in said


def test_unknown_key_in_the_file(tmp_path):
    """A misspelt key is named with the one that was meant."""
    config = tmp_path / "c.toml"
    config.write_text('[market]\nsymbol = ["BTC/USD"]\n')

    code, said = record("--config", str(config), root=tmp_path / "tape")

    assert code == 78
    assert f"{config}: unknown key `market.symbol`; did you mean `symbols`?" in said


def test_venue_port_in_use(tmp_path):
    """A venue whose port is taken says so."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])

        done = subprocess.run(
            [FIXTAPE, "venue", "--port", port, "--ca-out", str(tmp_path / "ca.pem"), "--for", "1"],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )

    assert done.returncode == 73
    assert f"127.0.0.1:{port}: cannot listen" in done.stderr
    assert "--port" in done.stderr


def test_recording_that_is_none(tmp_path):
    """A file that holds no FIX is refused with its name."""
    nonsense = tmp_path / "nonsense.fix"
    nonsense.write_bytes(b"hello world " * 100)

    done = subprocess.run([FIXTAPE, "venue", str(nonsense)], capture_output=True, text=True, timeout=30, check=False)

    assert done.returncode in {2, 78}
    assert "nonsense.fix" in done.stderr
    assert "Traceback" not in done.stderr


class _answering_logout:  # noqa: N801 - used as a context manager
    """A peer that answers the first message with a Logout and closes."""

    def __init__(self, text):
        self.text = text

    def __enter__(self):
        credentials = certificates.make("127.0.0.1")
        listener = socket.create_server(("127.0.0.1", 0))
        listener.settimeout(20)

        def serve():
            connection, _ = listener.accept()
            with credentials.context.wrap_socket(connection, server_side=True) as tls:
                tls.settimeout(20)
                tls.recv(4096)
                body = b"35=5\x0149=KRAKEN-MD\x0156=CLIENT\x0134=1\x0152=20260101-00:00:00.000\x0158=%b\x01" % self.text
                message = b"8=FIX.4.4\x019=%d\x01%b" % (len(body), body)
                tls.sendall(message + b"10=%03d\x01" % (sum(message) & 0xFF))
                tls.recv(4096)

        self.thread = threading.Thread(target=serve, daemon=True)
        self.thread.start()
        self.listener = listener
        return listener.getsockname()[1], credentials

    def __exit__(self, *_):
        self.thread.join(20)
        self.listener.close()


def test_market_of_recordings_is_not_shared_by_two_files():
    """One symbol in two recordings would be two truths."""
    with pytest.raises(Exception, match="BTC/USD is in another recording too"):
        recordings("btcusd-d10-resubscribe", "btcusd-d10-resubscribe")
