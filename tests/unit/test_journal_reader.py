"""The journal as it is read: records in order, torn tails in silence, damage aloud."""

from pathlib import Path

import pytest

from capture.sinks import Connection
from storage.errors import JournalDamaged, JournalTooNew, JournalUnreadable
from storage.journal import format as pcapng
from storage.journal.format import About, comment
from storage.journal.reader import JournalDamage, RecordKind, read_journal, read_segment
from storage.journal.segments import journal_directory, segment_paths
from storage.journal.times import iso_text, log_text, parse_utc
from storage.journal.verify import SegmentState, summarize_segment, verify_journal, verify_segment
from storage.journal.writer import JournalWriter

AT_NS = 1_795_000_000_123_456_789
CONNECTION = Connection("fix.example", "10.0.0.2", 41000, "192.0.2.7", 4000, "CLIENT", "KRAKEN-MD", "TLSv1.3")
HEARTBEAT = b"8=FIX.4.4\x019=5\x0135=0\x0110=161\x01"


def record_session(root: Path, start_ns: int = AT_NS, *, run: str = "r1", limit: int = 2**20) -> JournalWriter:
    writer = JournalWriter(root, run=run, software="fixtape 0.1.0", segment_bytes_limit=limit)
    writer.opened(start_ns, CONNECTION)
    writer.sent(start_ns + 1, HEARTBEAT)
    writer.received(start_ns + 2, HEARTBEAT * 2)
    writer.note(start_ns + 3, "clock", {"offset_ns": 7})
    writer.closed(start_ns + 4, "reset by peer", reset=True)
    return writer


def test_records_come_back_in_order(tmp_path: Path) -> None:
    """What was written is read: kind, time, bytes, comment, connection and run."""
    record_session(tmp_path)

    records = list(read_journal(tmp_path))

    assert [(r.kind, r.at_ns - AT_NS, r.data) for r in records] == [
        (RecordKind.OPENED, 0, b""),
        (RecordKind.SENT, 1, HEARTBEAT),
        (RecordKind.RECEIVED, 2, HEARTBEAT * 2),
        (RecordKind.NOTE, 3, b""),
        (RecordKind.RESET, 4, b""),
    ]
    assert {r.run for r in records} == {"r1"}
    assert {r.connection for r in records} == {CONNECTION}
    assert records[4].fields == {"fixtape": "closed", "reason": "reset by peer", "reset": True}


def test_segments_are_read_in_the_order_of_their_names(tmp_path: Path) -> None:
    """The journal is one story, segment after segment, whether the tape's root or the journal is given."""
    for offset, run in ((10**15, "r2"), (0, "r1")):
        record_session(tmp_path / "journal", AT_NS + offset, run=run)

    assert [r.run for r in read_journal(tmp_path)] == ["r1"] * 5 + ["r2"] * 5
    assert journal_directory(tmp_path) == journal_directory(tmp_path / "journal")


def test_a_torn_tail_is_there_to_be_asked_for(tmp_path: Path) -> None:
    """Reading ends where the last whole block does; where that is and how much follows is known afterwards."""
    record_session(tmp_path)
    (path,) = segment_paths(tmp_path)
    whole = path.stat().st_size
    path.write_bytes(path.read_bytes()[:-3])
    reader = read_journal(tmp_path)

    kinds = [r.kind for r in reader]

    (tail,) = reader.torn_tails
    assert kinds[-1] is RecordKind.NOTE
    assert (tail.path, tail.offset + tail.size) == (path, whole - 3)


def test_damage_inside_is_raised_with_what_to_do(tmp_path: Path) -> None:
    """The error says which block, what is wrong with it, and what can be done."""
    record_session(tmp_path)
    (path,) = segment_paths(tmp_path)
    damaged = bytearray(path.read_bytes())
    damaged[damaged.index(HEARTBEAT) + 12] ^= 0x20
    path.write_bytes(bytes(damaged))

    with pytest.raises(JournalDamaged, match=r"CRC32 of the block and of its packet: expected .*; restore") as caught:
        list(read_journal(tmp_path))

    assert caught.value.exit_code == 3
    assert caught.value.path == path


def test_damage_can_be_read_past(tmp_path: Path) -> None:
    """A handler of damage gets the finding, and the other records follow."""
    record_session(tmp_path)
    (path,) = segment_paths(tmp_path)
    damaged = bytearray(path.read_bytes())
    hit = damaged.index(HEARTBEAT) + 12
    damaged[hit] ^= 0x20
    path.write_bytes(bytes(damaged))
    findings: list[JournalDamage] = []

    records = list(read_segment(path, findings.append))

    (finding,) = findings
    assert [r.kind for r in records] == [RecordKind.OPENED, RecordKind.RECEIVED, RecordKind.NOTE, RecordKind.RESET]
    assert finding.offset <= hit < finding.offset + finding.size
    assert finding.offset < finding.at <= hit


def test_a_later_schema_is_refused(tmp_path: Path) -> None:
    """A segment of a version to come is not guessed at."""
    path = tmp_path / "later.pcapng"
    about = comment(About.SEGMENT, {"run": "r1", "software": "fixtape 9", "schema": pcapng.SCHEMA + 1})
    path.write_bytes(pcapng.section_block("fixtape 9", about) + pcapng.interface_block())

    with pytest.raises(JournalTooNew, match="journal schema 2, at most 1 is known here; update fixtape") as caught:
        list(read_segment(path))

    assert caught.value.exit_code == 78


def test_a_segment_that_cannot_be_opened_is_told(tmp_path: Path) -> None:
    """A missing file is an error with its path, not an empty segment."""
    with pytest.raises(JournalUnreadable, match="cannot open the segment: No such file"):
        list(read_segment(tmp_path / "missing.pcapng"))


def test_an_empty_file_is_a_torn_segment(tmp_path: Path) -> None:
    """A segment whose writer was killed before the first write is torn at its beginning."""
    path = tmp_path / "empty.pcapng"
    path.write_bytes(b"")

    report = verify_segment(path)

    assert (report.state, report.records, report.findings) == (SegmentState.TORN, 0, ())


def test_another_file_is_a_finding_and_no_record(tmp_path: Path) -> None:
    """A file that is no segment is reported as such."""
    path = tmp_path / "foreign.pcapng"
    path.write_bytes(b"GIF89a" * 100)

    report = verify_segment(path)

    assert (report.state, report.records) == (SegmentState.DAMAGED, 0)
    assert report.findings[0].offset == 0


def test_a_sealed_segment_says_itself_what_it_holds(tmp_path: Path) -> None:
    """What the seal and the first record say is what reading everything finds."""
    record_session(tmp_path).close()
    (path,) = segment_paths(tmp_path)

    said, found = summarize_segment(path), verify_segment(path)

    assert said.state is found.state is SegmentState.SEALED
    for name in ("run", "connection", "records", "bytes", "first_ns", "last_ns"):
        assert getattr(said, name) == getattr(found, name), name


def test_a_connection_goes_on_from_segment_to_segment(tmp_path: Path) -> None:
    """Over a rotation no number is missing; with a segment taken out, one is."""
    writer = JournalWriter(tmp_path, run="r1", software="fixtape 0.1.0", segment_bytes_limit=1)
    writer.opened(AT_NS, CONNECTION)
    for index in range(1, 5):
        writer.received(AT_NS + index, HEARTBEAT)
    writer.close()
    whole = list(verify_journal(tmp_path))

    segment_paths(tmp_path)[2].unlink()

    assert [report.findings for report in whole] == [()] * 5
    assert [len(report.findings) for report in verify_journal(tmp_path)] == [0, 0, 1, 0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-18T11:06:40.123456789Z", AT_NS),
        ("20261118-11:06:40.123456789", AT_NS),
        ("2026-11-18 11:06:40.1", AT_NS - 23_456_789),
        ("2026-11-18", AT_NS // 86_400_000_000_000 * 86_400_000_000_000),
    ],
)
def test_times_are_read_as_they_are_written(text: str, expected: int) -> None:
    """Days and instants, in the forms that the journal itself prints."""
    assert parse_utc(text) == expected


def test_times_are_written_to_the_nanosecond() -> None:
    """Both forms keep all nine digits."""
    assert log_text(AT_NS) == "20261118-11:06:40.123456789"
    assert parse_utc(iso_text(AT_NS)) == AT_NS


@pytest.mark.parametrize("text", ["", "yesterday", "2026-13-01", "2026-11-18T25:00:00Z", "2026-11-18T11:06"])
def test_what_is_no_time_is_refused(text: str) -> None:
    """A time that cannot be is an error and not another time."""
    with pytest.raises(ValueError, match=r"UTC time|must be in"):
        parse_utc(text)
