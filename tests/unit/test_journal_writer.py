"""The journal as it is written: which file, which bytes, and what a refusal of the disk leaves behind."""

import errno
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from failing_disk import FailingDisk

from capture.sinks import Connection, Journal, NoRoom
from storage.errors import JournalFull, JournalUncreatable, JournalUnwritable, StorageError
from storage.journal import appending
from storage.journal.reader import RecordKind, read_journal, read_segment
from storage.journal.segments import segment_paths
from storage.journal.verify import SegmentState, verify_journal, verify_segment
from storage.journal.writer import DESCRIPTOR_RETRY_NS, RETIRED_SEGMENTS_LIMIT, JournalWriter, packets_of

DAY_NS = 86_400 * 10**9
MIDNIGHT_NS = 20_779 * DAY_NS  # 2026-11-22
AT_NS = MIDNIGHT_NS + 36_900 * 10**9 + 123_456_789
CONNECTION = Connection("fix.example", "10.0.0.2", 41000, "192.0.2.7", 4000, "CLIENT", "KRAKEN-MD", "TLSv1.3")
HEARTBEAT = b"8=FIX.4.4\x019=5\x0135=0\x0110=161\x01"


def message(size: int) -> bytes:
    """Return a message of about so many bytes; its sums do not matter here."""
    return b"8=FIX.4.4\x019=9\x0135=W\x0158=" + b"x" * size + b"\x0110=001\x01"


@pytest.fixture
def writer(tmp_path: Path) -> JournalWriter:
    return JournalWriter(tmp_path, run="r1", software="fixtape 0.1.0")


def names(root: Path) -> list[str]:
    return [str(path.relative_to(root)) for path in segment_paths(root)]


def test_the_writer_is_a_journal(writer: JournalWriter) -> None:
    """It implements what the client asks of a recorder."""
    journal: Journal = writer

    journal.opened(AT_NS, CONNECTION)


def test_a_segment_is_named_for_its_first_record(writer: JournalWriter, tmp_path: Path) -> None:
    """The path is the day, then the time to the nanosecond; a position names the segment by it."""
    position = writer.opened(AT_NS, CONNECTION)

    assert names(tmp_path) == ["2026-11-22/20261122T101500.123456789Z.pcapng"]
    assert position.segment == "20261122T101500.123456789Z"


def test_directories_and_files_are_closed_to_others(writer: JournalWriter, tmp_path: Path) -> None:
    """A day is 0750 and a segment 0640, less what the umask takes."""
    before = os.umask(0o002)
    try:
        writer.opened(AT_NS, CONNECTION)
    finally:
        os.umask(before)

    (path,) = segment_paths(tmp_path)
    assert path.stat().st_mode & 0o777 == 0o640
    assert path.parent.stat().st_mode & 0o777 == 0o750


def test_the_same_calls_give_the_same_bytes(tmp_path: Path) -> None:
    """Nothing but the arguments goes into a segment."""
    written = []

    for root in (tmp_path / "a", tmp_path / "b"):
        writer = JournalWriter(root, run="r1", software="fixtape 0.1.0")
        writer.opened(AT_NS, CONNECTION)
        writer.sent(AT_NS + 1, b"8=FIX.4.4\x01554=secret\x01")
        writer.received(AT_NS + 2, HEARTBEAT)
        writer.closed(AT_NS + 3, "end of stream", reset=False)
        writer.close()
        written.append({path.name: path.read_bytes() for path in segment_paths(root)})

    assert written[0] == written[1]


def test_a_record_is_in_the_file_when_the_call_returns(writer: JournalWriter, tmp_path: Path) -> None:
    """What was received survives the process: it is in the file before anything is synced or closed."""
    writer.opened(AT_NS, CONNECTION)

    ((position, piece),) = writer.received(AT_NS + 1, HEARTBEAT)

    (path,) = segment_paths(tmp_path)
    assert piece == HEARTBEAT
    assert [(r.position, r.data) for r in read_segment(path)][1:] == [(position, HEARTBEAT)]


def test_every_connection_begins_a_segment(writer: JournalWriter, tmp_path: Path) -> None:
    """A session is not spread over another's segment."""
    for start in (AT_NS, AT_NS + 10):
        writer.opened(start, CONNECTION)
        writer.closed(start + 1, "end of stream", reset=True)

    assert len(names(tmp_path)) == 2
    assert [r.kind for r in read_journal(tmp_path)] == [RecordKind.OPENED, RecordKind.RESET] * 2


def test_a_full_segment_is_followed_by_one_that_reads_alone(tmp_path: Path) -> None:
    """Past its limit of bytes a segment ends, and the next one repeats the connection."""
    writer = JournalWriter(tmp_path, run="r1", software="fixtape 0.1.0", segment_bytes_limit=3000)
    writer.opened(AT_NS, CONNECTION)

    for index in range(1, 4):
        writer.received(AT_NS + index, message(1500))

    first, second = segment_paths(tmp_path)
    assert first.stat().st_size >= 3000
    assert [(r.kind, r.connection) for r in read_segment(second)] == [
        (RecordKind.CONTINUED, CONNECTION),
        (RecordKind.RECEIVED, CONNECTION),
    ]


def test_a_day_ends_a_segment(writer: JournalWriter, tmp_path: Path) -> None:
    """The first record of a new UTC day stands in that day's directory."""
    writer.opened(MIDNIGHT_NS - 2, CONNECTION)
    writer.received(MIDNIGHT_NS - 1, HEARTBEAT)

    writer.received(MIDNIGHT_NS, HEARTBEAT)

    assert names(tmp_path) == [
        "2026-11-21/20261121T235959.999999998Z.pcapng",
        "2026-11-22/20261122T000000.000000000Z.pcapng",
    ]


def test_a_name_that_is_taken_is_bumped(writer: JournalWriter, tmp_path: Path) -> None:
    """Two writers that begin in the same nanosecond do not share a segment."""
    other = JournalWriter(tmp_path, run="r2", software="fixtape 0.1.0")

    positions = [writer.opened(AT_NS, CONNECTION), other.opened(AT_NS, CONNECTION)]

    assert [p.segment for p in positions] == ["20261122T101500.123456789Z", "20261122T101500.123456790Z"]


def test_names_do_not_go_back_with_the_clock(writer: JournalWriter, tmp_path: Path) -> None:
    """A clock set back during a run leaves the order of names the order of writing, and the records their times."""
    writer.opened(AT_NS, CONNECTION)
    writer.closed(AT_NS + 1, "end of stream", reset=False)

    writer.opened(AT_NS - 2 * DAY_NS, CONNECTION)
    writer.received(AT_NS - 2 * DAY_NS + 1, HEARTBEAT)

    assert len(names(tmp_path)) == 2
    assert [r.at_ns - AT_NS for r in read_journal(tmp_path)] == [0, 1, -2 * DAY_NS, -2 * DAY_NS + 1]


def test_a_large_read_is_cut_where_a_message_ends(writer: JournalWriter) -> None:
    """What does not fit one packet is cut at the last message's end before the limit."""
    data = message(40_000) + message(20_000) + message(30_000)
    writer.opened(AT_NS, CONNECTION)

    written = writer.received(AT_NS + 1, data)

    assert [piece for _, piece in written] == [message(40_000) + message(20_000), message(30_000)]
    assert written[1][0].offset > written[0][0].offset


def test_a_message_larger_than_a_packet_is_cut_at_the_limit() -> None:
    """Where no message ends, the packet is filled."""
    pieces = packets_of(message(150_000))

    assert [len(piece) for piece in pieces] == [65495, 65495, len(message(150_000)) - 2 * 65495]
    assert b"".join(pieces) == message(150_000)


def test_after_a_rotation_in_mid_message_a_packet_begins_with_a_message(tmp_path: Path) -> None:
    """The first message's end is a cut, once: Wireshark finds FIX where a packet begins with it."""
    writer = JournalWriter(tmp_path, run="r1", software="fixtape 0.1.0", segment_bytes_limit=600)
    stream = message(500) + message(100) + message(100) + message(100)
    writer.opened(AT_NS, CONNECTION)
    writer.received(AT_NS + 1, stream[:400])

    after = [piece for _, piece in writer.received(AT_NS + 2, stream[400:])]

    assert after == [stream[400 : len(message(500))], stream[len(message(500)) :]]


def test_an_empty_read_is_no_record(writer: JournalWriter) -> None:
    """The end of a stream is told by `closed`, not by a record without bytes."""
    writer.opened(AT_NS, CONNECTION)

    assert writer.received(AT_NS + 1, b"") == []


def test_credentials_do_not_reach_the_file(writer: JournalWriter, tmp_path: Path) -> None:
    """The value is masked and the record says which tags were."""
    writer.opened(AT_NS, CONNECTION)

    writer.sent(AT_NS + 1, b"8=FIX.4.4\x01553=the-key\x01554=the-password\x01")

    (path,) = segment_paths(tmp_path)
    assert b"the-" not in path.read_bytes()
    assert list(read_segment(path))[1].fields == {"fixtape": "masked", "tags": [553, 554]}


def test_notes_need_no_connection(writer: JournalWriter, tmp_path: Path) -> None:
    """What is noted before, between and after connections belongs to none."""
    writer.note(AT_NS, "started", {"clock": "synchronised", "offset_ns": -3, "source": None})
    writer.opened(AT_NS + 1, CONNECTION)
    writer.closed(AT_NS + 2, "end of stream", reset=False)
    writer.note(AT_NS + 3, "stopped", {})

    records = list(read_journal(tmp_path))

    assert [r.connection for r in records] == [None, CONNECTION, CONNECTION, None]
    assert records[0].fields == {
        "fixtape": "note",
        "kind": "started",
        "clock": "synchronised",
        "offset_ns": -3,
        "source": None,
    }


def test_a_close_in_order_seals(writer: JournalWriter, tmp_path: Path) -> None:
    """Closed in order, a segment says so itself and everything is durable."""
    writer.opened(AT_NS, CONNECTION)

    writer.close()

    (path,) = segment_paths(tmp_path)
    assert verify_segment(path).state is SegmentState.SEALED
    assert writer.durable_bytes == writer.written_bytes == path.stat().st_size


def test_counters_tell_what_is_durable(writer: JournalWriter) -> None:
    """Bytes are received, then written, then durable: the last only by a sync."""
    writer.opened(AT_NS, CONNECTION)
    writer.received(AT_NS + 1, HEARTBEAT)
    before = (writer.received_bytes, writer.durable_bytes)

    durable = writer.sync()

    assert before == (len(HEARTBEAT), 0)
    assert durable == writer.durable_bytes == writer.written_bytes


def test_a_sync_takes_ended_segments_with_it(tmp_path: Path) -> None:
    """Segments ended since the last sync are made durable by the next one, or by the writer past a limit."""
    writer = JournalWriter(tmp_path, run="r1", software="fixtape 0.1.0", segment_bytes_limit=1)
    writer.opened(AT_NS, CONNECTION)

    for index in range(1, RETIRED_SEGMENTS_LIMIT + 3):
        writer.received(AT_NS + index, HEARTBEAT)

    assert writer.durable_bytes > 0
    assert writer.sync() == writer.written_bytes == sum(p.stat().st_size for p in segment_paths(tmp_path))


def test_syncs_from_another_thread_lose_nothing(tmp_path: Path) -> None:
    """While one thread writes and segments end, another may sync: no byte is forgotten, no descriptor mixed up."""
    writer = JournalWriter(tmp_path, run="r1", software="fixtape 0.1.0", segment_bytes_limit=3000)
    done = threading.Event()

    def keep_syncing() -> None:
        while not done.is_set():
            writer.sync()

    with ThreadPoolExecutor(1) as pool:
        syncing = pool.submit(keep_syncing)
        writer.opened(AT_NS, CONNECTION)
        for index in range(1, 300):
            writer.received(AT_NS + index, HEARTBEAT * 20)
        done.set()
        syncing.result()
    writer.close()

    assert writer.durable_bytes == writer.written_bytes == sum(p.stat().st_size for p in segment_paths(tmp_path))
    assert all(report.state is SegmentState.SEALED for report in verify_journal(tmp_path))


def test_short_writes_are_completed(writer: JournalWriter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A write(2) that takes a part is followed by one for the rest."""
    whole_write = os.write
    monkeypatch.setattr(appending.os, "write", lambda fd, data: whole_write(fd, bytes(data[:7])))

    writer.opened(AT_NS, CONNECTION)
    writer.received(AT_NS + 1, HEARTBEAT)

    assert [r.data for r in read_journal(tmp_path)] == [b"", HEARTBEAT]


class FullDisk:
    """write(2) on a disk that takes so many more bytes."""

    def __init__(self, room: int) -> None:
        self.room = room
        self._write = os.write

    def __call__(self, fd: int, data: bytes) -> int:
        if not self.room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        taken = self._write(fd, bytes(data[: self.room]))
        self.room -= taken
        return taken


def test_a_full_disk_leaves_whole_blocks(
    writer: JournalWriter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A write that fails halfway is taken back: the segment ends with its last whole block."""
    writer.opened(AT_NS, CONNECTION)
    monkeypatch.setattr(appending.os, "write", FullDisk(50))

    with pytest.raises(JournalUnwritable, match=r"cannot write: No space left on device; free space") as caught:
        writer.received(AT_NS + 1, HEARTBEAT)

    (path,) = segment_paths(tmp_path)
    report = verify_segment(path)
    assert (report.state, report.records) == (SegmentState.OPEN, 1)
    assert isinstance(caught.value, OSError)
    assert caught.value.errno == errno.ENOSPC
    assert caught.value.exit_code == 74


def test_after_a_full_disk_a_connection_can_end_with_what_is_kept_of_it(
    writer: JournalWriter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is not kept takes no number: with room again the end follows upon the last record that is there."""
    writer.opened(AT_NS, CONNECTION)
    with monkeypatch.context() as patch:
        patch.setattr(appending.os, "write", FullDisk(50))
        with pytest.raises(JournalFull) as caught:
            writer.received(AT_NS + 1, HEARTBEAT)
    full = writer.has_room()

    writer.reserve.look()
    writer.closed(AT_NS + 2, "disk full", reset=False)

    (report,) = verify_journal(tmp_path)
    assert isinstance(caught.value, NoRoom)
    assert (caught.value.kind, caught.value.why) == ("disk full", "No space left on device")
    assert (full, writer.has_room()) == (False, True)
    assert report.findings == ()
    assert [r.kind for r in read_journal(tmp_path)] == [RecordKind.OPENED, RecordKind.CLOSED]


def test_the_reserve_is_freed_before_anything_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a full disk the journal goes on into its reserve, and says so once; then it is refused, and says so once."""
    writer = JournalWriter(tmp_path, run="r1", software="fixtape 0.1.0", reserve_bytes=2**17)
    writer.reserve.open()
    writer.opened(AT_NS, CONNECTION)
    disk = FullDisk(50)
    monkeypatch.setattr(appending.os, "write", disk)
    freed = writer.reserve.give

    def give() -> bool:
        disk.room += 500
        return freed()

    monkeypatch.setattr(writer.reserve, "give", give)

    writer.received(AT_NS + 1, HEARTBEAT)
    with pytest.raises(JournalFull):
        writer.received(AT_NS + 2, message(1500))

    assert [r.data for r in read_journal(tmp_path)] == [b"", HEARTBEAT]
    assert [text.partition(":")[0] for _, text in writer.alarms] == [
        "the disk is full",
        "no room is left for the journal",
    ]
    assert not (tmp_path / ".reserve").exists()


def test_a_file_that_may_not_grow_is_followed_by_another(
    writer: JournalWriter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """EFBIG is a limit of the file: the next segment takes the record. What fits into none ends the run."""
    whole_write = os.write

    def limited(fd: int, data: bytes) -> int:
        if os.fstat(fd).st_size + len(data) > 2000:
            raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
        return whole_write(fd, data)

    monkeypatch.setattr(appending.os, "write", limited)
    writer.opened(AT_NS, CONNECTION)
    for index in range(1, 4):
        writer.received(AT_NS + index, message(1000))

    with pytest.raises(JournalUnwritable, match="File too large") as caught:
        writer.received(AT_NS + 4, message(3000))

    assert not isinstance(caught.value, JournalFull)
    assert [r.data for r in read_journal(tmp_path) if r.kind == "received"] == [message(1000)] * 3
    assert [report.findings for report in verify_journal(tmp_path)] == [()] * len(segment_paths(tmp_path))


def test_without_a_descriptor_the_open_segment_goes_on(
    writer: JournalWriter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At its end a segment goes on for want of another, told once; with descriptors again the next one begins."""
    writer.opened(MIDNIGHT_NS - 2, CONNECTION)

    def none_left(*_: object) -> int:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    with monkeypatch.context() as patch:
        patch.setattr(appending, "create_file", none_left)
        writer.received(MIDNIGHT_NS, HEARTBEAT)
        writer.closed(MIDNIGHT_NS + 1, "", reset=False)
        writer.opened(MIDNIGHT_NS + 2, CONNECTION)
        writer.received(MIDNIGHT_NS + DESCRIPTOR_RETRY_NS, HEARTBEAT)
    writer.received(MIDNIGHT_NS + 2 * DESCRIPTOR_RETRY_NS, HEARTBEAT)

    assert len(segment_paths(tmp_path)) == 2
    assert [r.data for r in read_journal(tmp_path) if r.kind == "received"] == [HEARTBEAT] * 3
    assert [kind for kind, _ in writer.alarms] == ["no descriptor"]
    assert [report.findings for report in verify_journal(tmp_path)] == [(), ()]


@pytest.mark.parametrize("policy", ["block", "drop-with-gap", "exit"])
def test_what_more_than_may_wait_for_a_sync_comes_to(policy: str, tmp_path: Path) -> None:
    """It waits for a sync of its own, or is not kept until one is done, or ends the run; and is counted."""
    writer = JournalWriter(tmp_path, run="r", software="s", unsynced_limit=1000, on_stall=policy)
    writer.opened(AT_NS, CONNECTION)
    writer.received(AT_NS + 1, message(1000))

    if policy == "block":
        writer.received(AT_NS + 2, HEARTBEAT)
        assert writer.has_room()
    else:
        with pytest.raises(JournalUnwritable, match="bytes wait to be synced") as caught:
            writer.received(AT_NS + 2, HEARTBEAT)
        assert isinstance(caught.value, JournalFull) == (policy == "drop-with-gap")
        before = writer.has_room()
        writer.sync()
        assert (before, writer.has_room()) == (False, True)

    assert writer.stalls == 1


def test_a_full_disk_leaves_no_empty_segments(
    writer: JournalWriter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A segment that not even its head could be written to is taken away again, however often it is tried."""
    monkeypatch.setattr(appending.os, "write", FullDisk(50))

    for index in range(3):
        with pytest.raises(JournalUnwritable):
            writer.opened(AT_NS + index, CONNECTION)

    assert segment_paths(tmp_path) == []


def test_after_a_failed_sync_what_was_not_durable_is_written_again_elsewhere(
    writer: JournalWriter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A failed sync loses its pages: they are written into another file, and places stay what they were."""
    monkeypatch.setattr(appending, "os", disk := FailingDisk())
    writer.opened(AT_NS, CONNECTION)
    ((before, _),) = writer.received(AT_NS + 1, HEARTBEAT)
    disk.faults = {disk.calls: errno.EIO}

    durable = writer.sync()

    ((after, _),) = writer.received(AT_NS + 2, HEARTBEAT)
    (kind, text) = writer.alarms.popleft()
    records = [(it.position, it.data) for it in read_journal(tmp_path) if it.kind == "received"]
    assert durable == writer.durable_bytes < writer.written_bytes
    assert records == [(before, HEARTBEAT), (after, HEARTBEAT)]
    assert before.segment < after.segment  # The failed one takes no more than it had.
    assert (kind, writer.rewrites, disk.synced_after_failure) == ("journal failure", 1, [])
    assert "Input/output error" in text
    assert f"{before.segment}.pcapng.1" in text


def test_where_the_second_file_fails_too_nothing_more_is_called_durable(
    writer: JournalWriter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two files that cannot be synced end it, and what the first sync left open is never counted."""
    monkeypatch.setattr(appending, "os", disk := FailingDisk())
    writer.opened(AT_NS, CONNECTION)
    before = writer.sync()
    writer.received(AT_NS + 1, HEARTBEAT)
    disk.faults = dict.fromkeys(range(disk.calls, 1000), errno.EIO)

    with pytest.raises(JournalUnwritable, match="cannot make durable: Input/output error"):
        writer.sync()

    disk.faults = {}
    with pytest.raises(JournalUnwritable):
        writer.sync()
    assert writer.durable_bytes == before
    assert (writer.durable_records, disk.synced_after_failure) == (1, [])


def test_without_a_descriptor_for_the_directory_nothing_is_called_durable_yet(
    writer: JournalWriter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that could not be synced for want of a descriptor is no failure of the disk: it is tried again."""
    opened = os.open
    writer.opened(AT_NS, CONNECTION)

    def full(path: Path, flags: int, *mode: int) -> int:
        if flags & os.O_DIRECTORY:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return opened(path, flags, *mode)

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", full)
        first = writer.sync()

    assert (first, writer.rewrites) == (0, 0)
    assert writer.sync() == writer.written_bytes


def test_a_sync_is_due_once_much_was_written(tmp_path: Path) -> None:
    """Past so many bytes a sync is asked for, and no more once it has begun."""
    writer = JournalWriter(tmp_path, run="r1", software="fixtape 0.1.0", sync_bytes=3000)
    writer.opened(AT_NS, CONNECTION)
    before = writer.sync_due.is_set()

    writer.received(AT_NS + 1, message(3000))

    assert (before, writer.sync_due.is_set()) == (False, True)
    writer.sync()
    assert not writer.sync_due.is_set()


def test_a_root_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    """Where a file stands in the way, the error says so, what to do, and with which code to end."""
    (tmp_path / "file").write_bytes(b"")
    writer = JournalWriter(tmp_path / "file" / "journal", run="r1", software="fixtape 0.1.0")

    with pytest.raises(JournalUncreatable, match="cannot create the directory: Not a directory; make") as caught:
        writer.opened(AT_NS, CONNECTION)

    assert isinstance(caught.value, StorageError)
    assert caught.value.exit_code == 73
