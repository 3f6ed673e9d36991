"""Wireshark reads the journal: its FIX dissector finds every message that was recorded, in both directions."""

import gzip
import os
import random
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import pytest

import capture
from capture.sinks import Connection
from storage.journal import packed
from storage.journal.compress import compress_segment
from storage.journal.segments import segment_paths
from storage.journal.writer import JournalWriter

START_NS = 1_795_000_000_123_456_789
READ_SIZES = (1, 7, 50, 300, 1448, 16384, 65496, 131072)
RECORDINGS = Path(capture.__file__).parent / "venue" / "recordings"
MSG_SEQ_NUM = re.compile(rb"\x0134=([0-9]+)\x01")
V4 = Connection("fix.example", "10.0.0.2", 41000, "192.0.2.7", 4000, "CLIENT", "KRAKEN-MD", "TLSv1.3")
V6 = Connection("fix.example", "2001:db8::2", 41000, "2001:db8::7", 4000, "CLIENT", "KRAKEN-MD", "TLSv1.3")

pytestmark = pytest.mark.tshark


@pytest.fixture(scope="module")
def tshark() -> str:
    found = shutil.which("tshark")
    if found is None and not os.environ.get("CI"):
        pytest.skip("tshark is not installed")
    assert found is not None, "CI must have tshark: apt-get install tshark"
    return found


def recording(name: str) -> bytes:
    return gzip.decompress((RECORDINGS / f"{name}.fix.gz").read_bytes())


def message(number: int, msg_type: str, *fields: bytes) -> bytes:
    """Return a whole message, its BodyLength and CheckSum right."""
    head = b"35=%s\x0134=%d\x0149=CLIENT\x0156=KRAKEN-MD\x01" % (msg_type.encode(), number)
    body = b"".join([head, *(field + b"\x01" for field in fields)])
    whole = b"8=FIX.4.4\x019=%d\x01" % len(body) + body
    return whole + b"10=%03d\x01" % (sum(whole) % 256)


def reads(stream: bytes, seed: int, sizes: Sequence[int]) -> Iterator[bytes]:
    """Cut a stream into reads of random sizes out of the given ones."""
    dice, at = random.Random(seed), 0  # noqa: S311 - cuts that can be repeated, and no secret.
    while at < len(stream):
        size = dice.choice(sizes)
        yield stream[at : at + size]
        at += size


def record(
    writer: JournalWriter, stream: bytes, connection: Connection, seed: int, sizes: Sequence[int] = READ_SIZES
) -> int:
    """Record a stream in random reads, mixed with what we send and with notes; return how many messages were sent."""
    dice = random.Random(seed + 1)  # noqa: S311
    sent, at_ns = 1, START_NS
    writer.opened(at_ns, connection)
    writer.sent(at_ns, message(1, "A", b"98=0", b"108=60", b"554=the-password"))
    for read in reads(stream, seed, sizes):
        at_ns += dice.randrange(1, 10**9)
        writer.received(at_ns, read)
        if dice.random() < 0.3:
            sent += 1
            writer.sent(at_ns + 1, message(sent, "0"))
        if dice.random() < 0.1:
            writer.note(at_ns + 2, "clock", {"offset_ns": dice.randrange(100)})
    writer.closed(at_ns + 3, "end of stream", reset=dice.random() < 0.5)
    writer.close()
    return sent


def dissected(tshark: str, path: Path, *options: str) -> dict[str, list[int]]:
    """Return the MsgSeqNum(34) of every message that tshark finds, by the port it came from, in its order."""
    fields = ("-T", "fields", "-e", "tcp.srcport", "-e", "fix.MsgSeqNum")
    done = subprocess.run(
        [tshark, *options, "-r", str(path), "-Y", "fix", *fields], capture_output=True, text=True, check=True
    )
    found: dict[str, list[int]] = {}
    for line in done.stdout.splitlines():
        port, _, numbers = line.partition("\t")
        found.setdefault(port, []).extend(int(number) for number in numbers.split(",") if number)
    return found


@pytest.mark.parametrize("name", ["btcusd-d10-resubscribe", "ethusd-d25", "spot10-d1000"])
@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("connection", [V4, V6], ids=["ipv4", "ipv6"])
def test_tshark_lists_every_message(tshark: str, tmp_path: Path, name: str, seed: int, connection: Connection) -> None:
    """However the reads were cut, tshark shows each message sent and received, once and in order."""
    stream = recording(name)
    sent = record(JournalWriter(tmp_path, run="r1", software="fixtape 0.1.0"), stream, connection, seed)

    found = dissected(tshark, segment_paths(tmp_path)[0])

    assert found == {
        "4000": [int(number) for number in MSG_SEQ_NUM.findall(stream)],
        "41000": list(range(1, sent + 1)),
    }


def test_tshark_reads_what_was_compressed(tshark: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A compressed segment of many pieces shows the same messages, and tshark has nothing to say about its end."""
    monkeypatch.setattr(packed, "PIECE_BYTES", 2**17)
    stream = recording("spot10-d1000")
    record(JournalWriter(tmp_path, run="r1", software="fixtape 0.1.0"), stream, V4, 1)
    (plain,) = segment_paths(tmp_path)
    before = dissected(tshark, plain)
    assert compress_segment(plain) is not None
    (path,) = segment_paths(tmp_path)

    after = dissected(tshark, path)  # It fails where tshark ends with an error.

    assert path.suffix == ".zst"
    assert after == before
    assert after["4000"] == [int(number) for number in MSG_SEQ_NUM.findall(stream)]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_tshark_reads_every_segment_of_a_rotated_session(tshark: str, tmp_path: Path, seed: int) -> None:
    """A segment that begins in mid-message shows its messages from the first on whose begin stands in one read."""
    stream = recording("ethusd-d25")
    writer = JournalWriter(tmp_path, run="r1", software="fixtape 0.1.0", segment_bytes_limit=60_000)
    record(writer, stream, V4, seed, sizes=(211, 300, 1409))  # No read begins with a message but by chance.
    paths = segment_paths(tmp_path)

    found = [dissected(tshark, path)["4000"] for path in paths]

    assert len(paths) > 3
    assert found[0][0] == 1
    assert found[-1][-1] == len(MSG_SEQ_NUM.findall(stream))
    assert all(numbers == list(range(numbers[0], numbers[-1] + 1)) for numbers in found)
    assert all(after[0] - before[-1] <= 3 for before, after in pairwise(found))  # The one cut, and at most one more.


def test_tshark_can_be_told_where_our_port_is_anothers(tshark: str, tmp_path: Path) -> None:
    """Where our own port is that of another protocol, tshark needs the venue's port, and then reads everything."""
    stream = recording("btcusd-d10-resubscribe")
    other = Connection("fix.example", "10.0.0.2", 44818, "192.0.2.7", 4000, "CLIENT", "KRAKEN-MD", "TLSv1.3")
    record(JournalWriter(tmp_path, run="r1", software="fixtape 0.1.0"), stream, other, 1)

    found = dissected(tshark, segment_paths(tmp_path)[0], "-d", "tcp.port==4000,fix")

    assert found["4000"] == [int(number) for number in MSG_SEQ_NUM.findall(stream)]


def test_tshark_finds_nothing_malformed(tshark: str, tmp_path: Path) -> None:
    """With every checksum looked at, no packet is malformed, none is lost, and each comment is there."""
    record(JournalWriter(tmp_path, run="r1", software="fixtape 0.1.0"), recording("ethusd-d25"), V4, 1)
    (path,) = segment_paths(tmp_path)
    bad = "_ws.malformed or ip.checksum.status==0 or tcp.analysis.lost_segment or tcp.analysis.out_of_order"

    def lines(*arguments: str) -> list[str]:
        command = [tshark, "-o", "ip.check_checksum:TRUE", "-r", str(path), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()

    assert lines("-Y", bad) == []
    comments = lines("-T", "fields", "-e", "frame.comment", "-Y", "frame.comment")
    assert comments[0].startswith('{"fixtape":"opened","host":"fix.example"')
    assert comments[1] == '{"fixtape":"masked","tags":[554]}'


def test_tshark_keeps_the_nanoseconds(tshark: str, tmp_path: Path) -> None:
    """The time of the first record comes out as it went in."""
    record(JournalWriter(tmp_path, run="r1", software="fixtape 0.1.0"), recording("btcusd-d10-resubscribe"), V4, 1)
    (path,) = segment_paths(tmp_path)

    done = subprocess.run(
        [tshark, "-r", str(path), "-c", "1", "-T", "fields", "-e", "frame.time_epoch", "-e", "frame.packet_flags"],
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.split()[0] == "1795000000.123456789"
