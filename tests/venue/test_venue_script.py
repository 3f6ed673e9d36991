"""`fixtape venue --script`: a conversation file against a bare session, and one of market data against the recorder."""

import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

import fixtape
from capture.book.checksum import book_checksum

pytestmark = pytest.mark.venue

FIXTAPE = str(Path(sys.executable).with_name("fixtape"))
CONVERSATIONS = Path(__file__).parents[1] / "conversations"
LIFE_S = "40"

CHECKSUM = book_checksum([(280131, 10**8)], [(280130, 2 * 10**8)])
RECORDED = f"""\
# The list and the status, a book, a change of it, and a Logout.
> 35=A 34=1 98=0 108=60 141=Y
< 35=A 98=0 108=60 141=Y
> 35=x 34=2 320=* 559=4
> 35=g 34=3 335=* 336=SESSION
< 35=y 320=$ 322=1 560=0 146=1 55=BTC/USD 562=0.00000001 5010=8 5011=0.0001 2349=1 5022=0.1 5032=1
< 35=h 335=$ 336=SESSION 340=2
> 35=V 34=4 262=* 263=1 55=BTC/USD
< 35=W 55=BTC/USD 262=$ 268=2 269=1 270=28013.1 271=1.0 273=09:00:00.000 269=0 270=28013.0 271=1.0 273=09:00:00.000
< 35=X 55=BTC/USD 262=$ 268=1 279=1 269=0 270=28013.0 271=2.0 273=09:00:01.000 5041={CHECKSUM}
< 35=1 112=STILL-THERE
> 35=0 34=5 112=STILL-THERE
< 35=5 58=that was all
> 35=5 34=6
"""


@contextmanager
def script(tmp_path, path):
    """A venue that plays a file over TLS; yields where it is and, by a call, how it ended."""
    command = [FIXTAPE, "venue", "--script", str(path), "--port", "0", "--ca-out", str(tmp_path / "ca.pem")]
    with subprocess.Popen(
        [*command, "--for", LIFE_S], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            port = process.stdout.readline().split(":")[1]
            yield ["127.0.0.1", port], lambda: (*process.communicate(timeout=60), process.returncode)
        finally:
            process.kill()


@contextmanager
def client(tmp_path, where, *options):
    """A bare session, ended with its context."""
    command = [FIXTAPE, "session", "connect", *where, "--ca", str(tmp_path / "ca.pem"), *options]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            yield
        finally:
            process.kill()


def test_a_conversation_of_the_tests_is_played_over_tls(tmp_path):
    """The client answers as written: exit 0, and a count."""
    path = CONVERSATIONS / "HBT-2_test_requests_are_answered.txt"
    with script(tmp_path, path) as (where, ended), client(tmp_path, where):
        out, err, code = ended()

    assert (code, err) == (0, "")
    assert out == "3 messages sent, 3 received, 0 differences\n"


def test_a_client_that_differs_ends_it_with_3(tmp_path):
    """The file, the line, and what came instead."""
    path = CONVERSATIONS / "HBT-2_test_requests_are_answered.txt"
    with script(tmp_path, path) as (where, ended), client(tmp_path, where, "--heartbeat", "30"):
        out, err, code = ended()

    assert code == 3
    assert err.startswith(f"{path.name}:2: > 35=A 34=1 98=0 108=60 141=Y: tag 108 is 30 in 8=FIX.4.4 ")
    assert out.endswith(" 1 differences\n")


def test_the_recorder_follows_a_script(tmp_path):
    """Its own request ids are taken over by `$`; what the script says is in the lake, proven."""
    path = tmp_path / "recorded.txt"
    path.write_text(RECORDED)
    with script(tmp_path, path) as (where, ended):
        recorded = subprocess.run(
            [FIXTAPE, "record", "--host", where[0], "--port", where[1], "--ca", str(tmp_path / "ca.pem"),
             "--sender", "CLIENT", "--symbol", "all", "--root", str(tmp_path / "tape"), "--for", "4"],
            capture_output=True, text=True, timeout=40, check=False,
        )  # fmt: skip
        out, err, code = ended()

    assert (code, err) == (0, ""), recorded.stderr
    assert out == "7 messages sent, 6 received, 0 differences\n"
    with fixtape.open(tmp_path / "tape") as tape:
        types = tape.sql("SELECT msg_type FROM messages ORDER BY msg_seq_num").fetchall()
        assert [it for (it,) in types] == ["y", "h", "W", "X"]
        assert tape.sql("SELECT max(proof) FROM book_changes").fetchall() == [(7,)]


@pytest.mark.parametrize(
    ("text", "more", "said", "code"),
    [
        ("role acceptor\n< 35=A 34=1\n", [], "it is for an acceptor", 78),
        ("< nonsense\n", [], "script.txt:1: < nonsense: expected fields as tag=value", 78),
        ("> 35=A\n", ["--symbols", "3"], "--script is all that is played", 2),
        ("> 35=A\n", ["--plain", "--host", "192.0.2.1"], "192.0.2.1 is no loopback address", 2),
    ],
)
def test_scripts_that_cannot_be_played(text, more, said, code, tmp_path):
    """A clear word, before anybody can connect."""
    path = tmp_path / "script.txt"
    path.write_text(text)

    done = subprocess.run(
        [FIXTAPE, "venue", "--script", str(path), "--port", "0", "--ca-out", str(tmp_path / "ca.pem"), *more],
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip

    assert (said in done.stderr, done.returncode) == (True, code), done.stderr
