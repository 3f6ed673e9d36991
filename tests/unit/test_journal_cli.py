"""The commands `journal ls`, `cat` and `verify`: what they print, and with which code they end."""

import csv
import io
import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from capture.sinks import Connection
from storage.journal.cli import journal
from storage.journal.compress import compress_segment
from storage.journal.segments import segment_paths
from storage.journal.writer import JournalWriter
from storage.tape_layout import locked

AT_NS = 1_795_000_000_123_456_789
CONNECTION = Connection("fix.example", "10.0.0.2", 41000, "192.0.2.7", 4000, "CLIENT", "KRAKEN-MD", "TLSv1.3")


def message(number: int, msg_type: str = "0", text: bytes = b"") -> bytes:
    return b"8=FIX.4.4\x019=9\x0135=%s\x0134=%d\x0158=%s\x0110=001\x01" % (msg_type.encode(), number, text)


@pytest.fixture
def tape(tmp_path: Path) -> Path:
    """Return a tape with one sealed segment in which a message is spread over three reads."""
    writer = JournalWriter(tmp_path / "journal", run="r1", software="fixtape 0.1.0")
    writer.opened(AT_NS, CONNECTION)
    writer.sent(AT_NS + 1, message(1, "A"))
    stream = message(1, "A") + message(2, "W") + message(3)
    writer.received(AT_NS + 2, stream[:60])
    writer.note(AT_NS + 3, "clock", {"offset_ns": 7, "source": "a b"})
    writer.received(AT_NS + 4, stream[60:65])
    writer.received(AT_NS + 5, stream[65:])
    writer.closed(AT_NS + 10**9, "end of stream", reset=False)
    writer.close()
    return tmp_path


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(journal, [str(argument) for argument in arguments])


def damage(tape: Path) -> Path:
    (path,) = segment_paths(tape)
    data = bytearray(path.read_bytes())
    data[data.index(b"35=W")] ^= 1
    path.write_bytes(bytes(data))
    return path


def test_cat_shows_each_message_whole(tape: Path) -> None:
    """However it was cut into reads, a message is one line, at the time that completed it."""
    result = run("cat", tape)

    assert result.exit_code == 0
    opened, *rest = result.stdout.splitlines()
    assert opened.startswith("20261118-11:06:40.123456789 ! opened host=fix.example local_address=10.0.0.2 local_port=")
    assert opened.endswith(" peer_port=4000 sender_comp_id=CLIENT target_comp_id=KRAKEN-MD tls=TLSv1.3")
    assert rest == [
        "20261118-11:06:40.123456790 > 8=FIX.4.4|9=9|35=A|34=1|58=|10=001|",
        "20261118-11:06:40.123456791 < 8=FIX.4.4|9=9|35=A|34=1|58=|10=001|",
        '20261118-11:06:40.123456792 ! clock offset_ns=7 source="a b"',
        "20261118-11:06:40.123456794 < 8=FIX.4.4|9=9|35=W|34=2|58=|10=001|",
        "20261118-11:06:40.123456794 < 8=FIX.4.4|9=9|35=0|34=3|58=|10=001|",
        '20261118-11:06:41.123456789 ! closed reason="end of stream" reset=false',
    ]


@pytest.mark.parametrize("what", [".", "journal", "journal/2026-11-18/20261118T110640.123456789Z.pcapng"])
def test_cat_takes_a_tape_a_journal_or_a_segment(tape: Path, what: str) -> None:
    """All three name the same bytes here."""
    assert run("cat", tape / what).stdout == run("cat", tape).stdout


def test_cat_selects_by_type_time_and_count(tape: Path) -> None:
    """Types, a half-open window and a limit each leave out what they should."""
    whole = run("cat", tape).stdout.splitlines()

    types = run("cat", tape, "--type", "W", "--type", "0")
    window = run("cat", tape, "--from", "2026-11-18T11:06:40.123456791Z", "--to", "20261118-11:06:40.123456794")
    limited = run("cat", tape, "--limit", "3")

    assert types.stdout.splitlines() == whole[4:6]
    assert window.stdout.splitlines() == whole[2:4]
    assert limited.stdout.splitlines() == whole[:3]


def test_cat_lets_nothing_of_the_venue_at_the_terminal(tmp_path: Path) -> None:
    """Escape sequences, line ends and other bytes come out as text."""
    writer = JournalWriter(tmp_path, run="r1", software="fixtape 0.1.0")
    writer.opened(AT_NS, CONNECTION)
    writer.received(AT_NS, message(1, "0", b"\x1b[31m\n\r\x9b|\\\xff"))
    writer.closed(AT_NS, "\x1b[2J\nlooks like a line \u202e", reset=False)
    writer.close()

    out = run("cat", tmp_path).stdout

    assert r"58=\x1b[31m\x0a\x0d\x9b\x7c\x5c\xff|10=001|" in out
    assert r'reason="\u001b[2J\nlooks like a line \u202e"' in out
    assert len(out.splitlines()) == 3
    assert out.isascii()


def test_cat_shows_what_came_of_a_message_that_never_ended(tmp_path: Path) -> None:
    """An incomplete message is shown as far as it came, and said to be incomplete."""
    writer = JournalWriter(tmp_path, run="r1", software="fixtape 0.1.0")
    writer.opened(AT_NS, CONNECTION)
    writer.received(AT_NS, b"8=FIX.4.4\x0135=0")
    writer.closed(AT_NS, "gone", reset=True)

    lines = run("cat", tmp_path).stdout.splitlines()

    assert lines[1].endswith("< 8=FIX.4.4|35=0")
    assert lines[2].endswith("! incomplete direction=< bytes=14")
    assert lines[3].endswith("! reset reason=gone reset=true")


def test_cat_reads_past_damage_and_says_so(tape: Path) -> None:
    """The rest is printed, the finding goes to standard error, the exit code is 3."""
    path = damage(tape)

    result = run("cat", tape)

    assert result.exit_code == 3
    assert f"{path}:" in result.stderr
    assert "! closed" in result.stdout


def test_verify_is_silent_about_what_is_whole(tape: Path) -> None:
    """No findings: nothing on standard output, exit code 0."""
    result = run("verify", tape)

    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr.startswith("1 segments, 7 records, ")


def test_verify_names_each_finding_on_a_line(tape: Path) -> None:
    """Path, offset, what, expected, received and what to do; exit code 3."""
    path = damage(tape)

    result = run("verify", tape)

    (line,) = result.stdout.splitlines()
    assert result.exit_code == 3
    assert line.startswith(f"{path}:")
    assert "CRC32 of the block and of its packet" in line
    assert line.endswith("; restore the segment from a copy, or read on past it and mark the gap")


def test_verify_tells_of_a_torn_tail_without_finding_fault(tape: Path) -> None:
    """A torn tail, as a killed recorder leaves it or one at work, is told with its offset and size; it is no damage."""
    (path,) = segment_paths(tape)
    path.write_bytes(path.read_bytes()[:-5])

    result = run("verify", path)

    assert result.exit_code == 0
    assert "torn tail: expected a whole block, received 71 bytes" in result.stderr


def test_verify_ends_with_the_code_of_its_error(tmp_path: Path) -> None:
    """What cannot be read at all is one line on standard error and its own exit code."""
    (tmp_path / "2026-11-18").mkdir()
    (tmp_path / "2026-11-18" / "20261118T110640.123456789Z.pcapng").mkdir()

    result = run("verify", tmp_path)

    assert result.exit_code == 74
    assert result.stderr.startswith("fixtape: ")
    assert len(result.stderr.splitlines()) == 1


def test_ls_lists_what_each_segment_holds(tape: Path) -> None:
    """One row a segment: name, session, peer, start, end, records, bytes, stored, ratio, state."""
    (path,) = segment_paths(tape)
    expected = {
        "segment": path.stem,
        "session": "CLIENT->KRAKEN-MD",
        "peer": "fix.example:4000",
        "start": "2026-11-18T11:06:40.123456789Z",
        "end": "2026-11-18T11:06:41.123456789Z",
        "records": 7,
        "bytes": path.stat().st_size,
        "stored": path.stat().st_size,
        "ratio": "1.00",
        "state": "sealed",
    }

    rows = json.loads(run("ls", tape, "--format", "json").stdout)
    (row,) = csv.DictReader(io.StringIO(run("ls", tape, "--format", "csv").stdout))
    head, line = run("ls", tape).stdout.splitlines()

    assert rows == [expected]
    assert row == {name: str(value) for name, value in expected.items()}
    assert head.split() == [name.upper() for name in expected]
    assert line.split() == [str(value) for value in expected.values()]


def test_ls_tells_what_compression_saves(tape: Path) -> None:
    """A compressed segment has the bytes of the plain one, and the size and the state of its file."""
    (plain,) = segment_paths(tape)
    size = plain.stat().st_size
    assert compress_segment(plain) is not None
    (path,) = segment_paths(tape)
    stored = path.stat().st_size

    (row,) = json.loads(run("ls", tape, "--format", "json").stdout)

    assert (row["segment"], row["bytes"], row["stored"]) == (plain.stem, size, stored)
    assert row["ratio"] == f"{size / stored:.2f}"
    assert row["state"] == "compressed"


def test_ls_tells_open_torn_and_damaged_apart(tmp_path: Path) -> None:
    """The state of a segment is how it ends, or that it is damaged before."""
    for index, cut in enumerate((0, 3)):
        writer = JournalWriter(tmp_path, run="r1", software="fixtape 0.1.0")
        writer.opened(AT_NS + index, CONNECTION)
        path = segment_paths(tmp_path)[index]
        path.write_bytes(path.read_bytes()[: path.stat().st_size - cut])

    states = [row["state"] for row in json.loads(run("ls", tmp_path, "--format", "json").stdout)]

    assert states == ["open", "torn"]


def test_ls_of_an_empty_journal_is_its_head(tmp_path: Path) -> None:
    """No segments, no rows."""
    assert run("ls", tmp_path, "--format", "csv").stdout.splitlines() == [
        "segment,session,peer,start,end,records,bytes,stored,ratio,state"
    ]


def test_compress_leaves_what_is_not_sealed(tape: Path) -> None:
    """What is sealed becomes smaller and stays readable; what is not is named and left."""
    before = run("cat", tape).stdout
    JournalWriter(tape / "journal", run="r2", software="fixtape 0.1.0").opened(AT_NS + 10**10, CONNECTION)

    result = run("compress", tape)

    assert result.exit_code == 0
    assert result.stdout.startswith("compressed 1 segments, ")
    assert result.stderr.endswith("Z.pcapng: not sealed, left as it is\n")
    assert [path.suffix for path in segment_paths(tape)] == [".zst", ".pcapng"]
    assert run("cat", tape).stdout.startswith(before)
    assert run("verify", tape).exit_code == 0


@pytest.mark.parametrize("what", [".", "journal"])
def test_compress_waits_for_the_recorder(tape: Path, what: str) -> None:
    """While someone else writes to the tape nothing is touched."""
    with locked(tape):
        result = run("compress", tape / what)

    assert result.exit_code == 75
    assert [path.suffix for path in segment_paths(tape)] == [".pcapng"]


@pytest.mark.parametrize("name", ["ls", "cat", "verify", "compress"])
def test_every_command_has_a_worked_example(name: str) -> None:
    """The help of each command ends with one call as it would be typed."""
    assert f"Example:\n    fixtape journal {name} " in run(name, "--help").stdout


def test_loading_the_commands_is_cheap() -> None:
    """Asking for help loads neither the reader nor anything it needs."""
    code = "import sys, storage.journal.cli; sys.exit(bool({'msgspec', 'storage.journal.reader'} & set(sys.modules)))"

    done = subprocess.run([sys.executable, "-c", code], check=False, env={"PYTHONPATH": ":".join(sys.path)})

    assert done.returncode == 0
