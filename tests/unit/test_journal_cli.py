"""The commands `journal ls`, `cat` and `verify`: what they print, and with which code they end."""

import csv
import io
import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from capture.session.dictionary import FIELD_TYPES, MESSAGES
from capture.session.names import FIELD_NAMES, MESSAGE_NAMES
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


def frame(number: int, msg_type: str, *fields: str) -> bytes:
    """Return a message that can be parsed."""
    body = "".join(f"{field}\x01" for field in (f"35={msg_type}", f"34={number}", *fields)).encode()
    return b"8=FIX.4.4\x019=%d\x01%b10=000\x01" % (len(body), body)


@pytest.fixture
def market(tmp_path: Path) -> Path:
    """Return a tape with a logon, a list, and books of two symbols."""
    writer = JournalWriter(tmp_path / "journal", run="r1", software="fixtape 0.1.0")
    writer.opened(AT_NS, CONNECTION)
    writer.sent(AT_NS + 1, frame(1, "A", "98=0", "108=60", "553=me", "554=secret-word"))
    entries = ("269=0", "270=1.50", "271=2.0", "269=1", "270=1.60", "271=3.0")
    for number, msg in enumerate(
        (
            frame(1, "y", "320=1", "322=1", "560=0", "146=2", "55=A/USD", "2349=2", "55=B/USD", "2349=3"),
            frame(2, "W", "55=A/USD", "262=m1", "268=2", *entries, "5041=17"),
            frame(3, "X", "55=B/USD", "262=m2", "268=2", "279=0", *entries[:3], "279=2", *entries[3:], "9999=x"),
            frame(4, "X", "55=A/USD", "262=m1", "268=3", "279=0", *entries),
            frame(5, "0", "58=\x7f\u202e\x1b"),
        )
    ):
        writer.received(AT_NS + 2 + number, msg)
    writer.note(AT_NS + 9, "clock", {"offset_ns": 7})
    writer.close()
    return tmp_path


def told(*arguments: str | Path) -> list[dict[str, object]]:
    result = run("cat", *arguments, "--format", "json")
    assert result.exit_code == 0, result.output
    assert result.stdout.isascii()
    assert result.stdout.replace("\n", "").isprintable()
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_cat_names_the_fields(market: Path) -> None:
    """JSON has names, groups as lists, and each value as the text that was sent."""
    opened, logon, listed, snapshot, refresh, uneven, heartbeat, note = told(market)

    assert (opened["note"], opened["sender_comp_id"]) == ("opened", "CLIENT")
    assert (logon["direction"], logon["time"]) == ("sent", "2026-11-18T11:06:40.123456790Z")
    assert listed["fields"]["NoRelatedSym"] == [
        {"Symbol": "A/USD", "PricePrecision": "2"},
        {"Symbol": "B/USD", "PricePrecision": "3"},
    ]
    bid = {"MDEntryType": "0", "MDEntryPx": "1.50", "MDEntrySize": "2.0"}
    offer = {"MDEntryType": "1", "MDEntryPx": "1.60", "MDEntrySize": "3.0"}
    assert snapshot == {
        "time": "2026-11-18T11:06:40.123456792Z",
        "direction": "received",
        "message": "MarketDataSnapshotFullRefresh",
        "fields": {
            "BeginString": "FIX.4.4",
            "BodyLength": "86",
            "MsgType": "W",
            "MsgSeqNum": "2",
            "Symbol": "A/USD",
            "MDReqID": "m1",
            "NoMDEntries": [bid, offer],
            "ChecksumOrderBook": "17",
            "CheckSum": "000",
        },
    }
    changes = [{"MDUpdateAction": "0", **bid}, {"MDUpdateAction": "2", **offer}]
    assert refresh["fields"]["NoMDEntries"] == changes
    assert refresh["fields"]["9999"] == "x"
    assert uneven["fields"]["NoMDEntries"] == "3"
    assert uneven["fields"]["MDEntryPx"] == ["1.50", "1.60"]
    assert heartbeat["fields"]["Text"] == "\x7f\u202e\x1b"
    assert note == {"time": "2026-11-18T11:06:40.123456798Z", "note": "clock", "offset_ns": 7}


def test_cat_masks_credentials_as_they_are_recorded(market: Path) -> None:
    """Neither form shows a password, and both show that there was one."""
    (logon,) = told(market, "--type", "A")
    text = run("cat", market).stdout

    assert "secret-word" not in text
    assert logon["fields"]["Password"].startswith("********")
    assert f"554={logon['fields']['Password']}|" in text


def test_cat_shows_what_is_no_message(tmp_path: Path) -> None:
    """Bytes that cannot be read as fields are there as they came."""
    writer = JournalWriter(tmp_path, run="r1", software="fixtape 0.1.0")
    writer.opened(AT_NS, CONNECTION)
    writer.received(AT_NS, b"8=FIX.4.4\x01what is this\xff\x0110=001\x01")

    _, line = told(tmp_path)

    assert line["raw"] == "8=FIX.4.4\x01what is this\xff\x0110=001\x01"


@pytest.mark.parametrize(
    ("options", "numbers"),
    [
        (("--symbol", "A/USD"), ["1", "2", "4"]),  # The list names it within its group.
        (("--symbol", "B/USD", "--type", "X"), ["3"]),
        (("--symbol", "A/USD", "--symbol", "B/USD"), ["1", "2", "3", "4"]),
        (("--symbol", "USD"), []),
        (("--number", "2:4"), ["2", "3", "4"]),
        (("--number", "4:"), ["4", "5"]),
        (("--number", ":1"), ["1", "1"]),
        (("--number", "1", "--direction", "sent"), ["1"]),
        (("--direction", "sent"), ["1"]),
        (("--direction", "received", "--limit", "2"), ["1", "2"]),
    ],
)
def test_cat_selects_messages(market: Path, options: tuple[str, ...], numbers: list[str]) -> None:
    """By symbol also within a group, by number, by direction, and by all of them at once; notes are no messages."""
    assert [line["fields"]["MsgSeqNum"] for line in told(market, *options)] == numbers
    assert len(run("cat", market, *options).stdout.splitlines()) == len(numbers)


@pytest.mark.parametrize("number", ["x", "5:2", ":", "-1"])
def test_cat_refuses_a_range_that_is_none(market: Path, number: str) -> None:
    """A range that cannot be meant is misuse, and the words say how one looks."""
    result = run("cat", market, f"--number={number}")

    assert result.exit_code == 2
    assert "such as 100:200" in result.stderr


def test_every_field_that_is_defined_has_a_name() -> None:
    """What the dictionary defines can be shown by name, but for the one field that FIX 4.4 took out."""
    assert set(FIELD_TYPES) - set(FIELD_NAMES) == {370}
    assert {msg_type.decode() for msg_type in MESSAGES} == set(MESSAGE_NAMES)
    assert len(set(FIELD_NAMES.values())) == len(FIELD_NAMES)


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
