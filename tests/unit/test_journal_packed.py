"""Compressed segments: the same bytes at the same offsets, no bit of them free, and no moment without a whole form."""

import os
import random
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from capture.sinks import Connection, Position
from storage.errors import JournalDamaged, JournalUnreadable
from storage.journal import compress, packed, segments
from storage.journal.blocks import Source, segment_bytes
from storage.journal.compress import compress_segment
from storage.journal.excerpt import Excerpt, messages
from storage.journal.reader import JournalDamage, read_journal, read_segment
from storage.journal.segments import other_form, plain_paths, segment_paths
from storage.journal.tail import JournalTail
from storage.journal.verify import SegmentState, summarize_segment, verify_journal, verify_segment
from storage.journal.writer import JournalWriter

AT_NS = 1_795_000_000_123_456_789
CONNECTION = Connection("fix.example", "10.0.0.2", 41000, "192.0.2.7", 4000, "CLIENT", "KRAKEN-MD", "TLSv1.3")
FLIPS = 1000
SMALL_PIECE = 2**16


def message(number: int, size: int = 40) -> bytes:
    dice = random.Random(number)  # noqa: S311 - text that can be made again
    text = "".join(dice.choices("0123456789.", k=size)).encode()
    body = b"35=X\x0134=%d\x0158=%s\x01" % (number, text)
    whole = b"8=FIX.4.4\x019=%d\x01" % len(body) + body
    return whole + b"10=%03d\x01" % (sum(whole) % 256)


def record(root: Path, count: int, *, close: bool = True, size: int = 40, limit: int = 2**28) -> JournalWriter:
    writer = JournalWriter(root, run="r1", software="fixtape 0.1.0", segment_bytes_limit=limit)
    writer.opened(AT_NS, CONNECTION)
    for number in range(count):
        writer.received(AT_NS + 1 + number, message(number, size))
    if close:
        writer.closed(AT_NS + count + 1, "end of stream", reset=False)
        writer.close()
    return writer


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pieces so small that a segment of a megabyte has many."""
    monkeypatch.setattr(packed, "PIECE_BYTES", SMALL_PIECE)


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    """Return a sealed segment of 900 messages, somewhat more than a megabyte."""
    record(tmp_path, 900, size=1000)
    (path,) = segment_paths(tmp_path)
    return path


def test_reading_does_not_see_compression(plain: Path, small_pieces: None) -> None:
    """Records, positions, sizes and any range of bytes are the same in both forms."""
    data, records = plain.read_bytes(), list(read_segment(plain))
    times = plain.stat().st_mtime_ns

    done = compress_segment(plain)

    assert done is not None
    assert (done.bytes, done.stored_bytes) == (len(data), done.path.stat().st_size)
    assert not plain.exists()
    assert done.path.stat().st_mtime_ns == times
    assert done.path.stat().st_mode & 0o777 == 0o640
    assert list(read_segment(done.path)) == records
    assert list(read_journal(plain.parent.parent)) == records
    assert segment_bytes(done.path) == len(data)
    dice = random.Random(1)  # noqa: S311
    with Source(done.path) as source:
        for _ in range(300):
            offset, size = dice.randrange(len(data)), dice.randrange(3 * SMALL_PIECE)
            assert source.at(offset, size) == data[offset : offset + size]


@pytest.mark.parametrize("over", [-1, 0, 1])
def test_pieces_end_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, over: int) -> None:
    """A segment that fills its pieces to the byte, or by one less or more, reads back the same."""
    record(tmp_path, 900, size=1000)
    (path,) = segment_paths(tmp_path)
    data = path.read_bytes()
    monkeypatch.setattr(packed, "PIECE_BYTES", (len(data) + over) // 2)

    done = compress_segment(path)

    assert done is not None
    with Source(done.path) as source:
        assert source.at(0, source.size) == data
    assert verify_segment(done.path).findings == ()


def test_zstd_itself_reads_it(plain: Path, small_pieces: None) -> None:
    """`zstd -d` gives the segment and one block after it; that file verifies, and compresses to the same again."""
    if shutil.which("zstd") is None:
        pytest.skip("zstd is not installed")
    data = plain.read_bytes()
    done = compress_segment(plain)
    assert done is not None
    packed_data = done.path.read_bytes()

    subprocess.run(["zstd", "-dq", str(done.path)], check=True, timeout=30)

    assert plain.read_bytes()[: len(data)] == data
    report = verify_segment(plain)
    assert (report.state, report.findings) == (SegmentState.SEALED, ())
    done.path.unlink()
    assert compress_segment(plain) == done
    assert done.path.read_bytes() == packed_data


def test_only_what_was_sealed_is_compressed(tmp_path: Path) -> None:
    """A segment that is written, or whose writer was killed, stays as it is."""
    record(tmp_path, 3, close=False)
    (path,) = segment_paths(tmp_path)

    assert compress_segment(path) is None
    assert segment_paths(tmp_path) == [path]


def test_a_compressed_segment_says_so(plain: Path) -> None:
    """Summary and report know the state, the size of both forms and how many records there are."""
    before = verify_segment(plain)
    done = compress_segment(plain)
    assert done is not None

    for report in (verify_segment(done.path), summarize_segment(done.path)):
        assert report.state is SegmentState.COMPRESSED
        assert (report.records, report.bytes) == (before.records, before.bytes)
        assert report.stored_bytes == done.stored_bytes


def test_every_flipped_bit_is_found(tmp_path: Path) -> None:
    """There is no bit in a compressed segment that may be another."""
    record(tmp_path, 2)
    done = compress_segment(segment_paths(tmp_path)[0])
    assert done is not None
    data = bytearray(done.path.read_bytes())
    unseen = []

    for bit in range(len(data) * 8):
        data[bit // 8] ^= 1 << bit % 8
        done.path.write_bytes(data)
        if not verify_segment(done.path).findings:
            unseen.append(bit)
        data[bit // 8] ^= 1 << bit % 8

    assert unseen == []


def test_flipped_bits_of_a_longer_one_are_found(plain: Path, small_pieces: None) -> None:
    """The check of the file alone finds each of a thousand random flips; it is what `verify` ends with."""
    done = compress_segment(plain)
    assert done is not None
    size = done.stored_bytes
    dice = random.Random(7)  # noqa: S311
    unseen = []
    descriptor = os.open(done.path, os.O_RDWR)

    for bit in (dice.randrange(size * 8) for _ in range(FLIPS)):
        (byte,) = os.pread(descriptor, 1, bit // 8)
        os.pwrite(descriptor, bytes((byte ^ 1 << bit % 8,)), bit // 8)
        if not found(done.path, descriptor):
            unseen.append(bit)
        os.pwrite(descriptor, bytes((byte,)), bit // 8)

    assert not found(done.path, descriptor)
    os.close(descriptor)
    assert unseen == []


def found(path: Path, descriptor: int) -> bool:
    try:
        return any(True for _ in packed.check_packed(path, descriptor))
    except JournalDamaged:
        return True


@pytest.mark.parametrize("change", ["cut", "longer", "empty"])
def test_another_length_is_found(plain: Path, change: str) -> None:
    """A compressed segment that was cut, appended to or emptied is damaged, and says what to do."""
    done = compress_segment(plain)
    assert done is not None
    data = done.path.read_bytes()
    done.path.write_bytes({"cut": data[:-5], "longer": data + data[-9:], "empty": b""}[change])

    (finding,) = verify_segment(done.path).findings

    assert "compressed segment" in finding.what
    assert "zstd -d" in finding.remedy
    with pytest.raises(JournalDamaged):
        list(read_segment(done.path))


def test_a_damaged_piece_costs_its_records_only(plain: Path, small_pieces: None) -> None:
    """Reading goes on with the first whole block after a piece that cannot be read, and names the piece."""
    records = list(read_segment(plain))
    done = compress_segment(plain)
    assert done is not None
    data = bytearray(done.path.read_bytes())
    descriptor = os.open(done.path, os.O_RDONLY)
    piece = packed.read_index(done.path, descriptor, len(data)).pieces[3]
    os.close(descriptor)
    data[piece.offset + piece.size // 2] ^= 1
    done.path.write_bytes(data)
    findings: list[JournalDamage] = []

    left = list(read_segment(done.path, findings.append))

    lost = [it for it in records if it not in left]
    assert 0 < len(lost) <= SMALL_PIECE // 1000 + 2
    assert all(2 * SMALL_PIECE < it.position.offset < 4 * SMALL_PIECE for it in lost)
    (finding,) = findings
    assert finding.what == f"compressed piece at {piece.offset} of the file"
    with pytest.raises(JournalDamaged):
        list(read_segment(done.path))


def test_where_both_forms_stand_the_plain_one_counts(plain: Path) -> None:
    """A segment is listed once, and read from its plain form, while both are there."""
    data = plain.read_bytes()
    done = compress_segment(plain)
    assert done is not None
    plain.write_bytes(data)

    assert segment_paths(plain.parent.parent) == [plain]
    assert [report.state for report in verify_journal(plain.parent.parent)] == [SegmentState.SEALED]


def test_a_damaged_compressed_form_is_made_anew(plain: Path) -> None:
    """The plain form goes only where the other one holds the same bytes."""
    data = plain.read_bytes()
    done = compress_segment(plain)
    assert done is not None
    wrong = bytearray(done.path.read_bytes())
    wrong[100] ^= 1
    done.path.write_bytes(wrong)
    plain.write_bytes(data)

    assert compress_segment(plain) == done
    assert verify_segment(done.path).findings == ()


def test_what_does_not_read_back_leaves_the_plain_form(plain: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A compressed form that differs never gets its name."""
    data = plain.read_bytes()
    end = packed.Packer.end
    monkeypatch.setattr(packed.Packer, "end", lambda self: end(self)[:-1] + b"\0")

    with pytest.raises(JournalDamaged, match="the plain form was kept"):
        compress_segment(plain)

    assert plain.read_bytes() == data
    assert list(plain.parent.iterdir()) == [plain]


def test_pieces_that_lean_on_each_other_are_not_taken(tmp_path: Path, small_pieces: None) -> None:
    """Where zstd makes one job of what should be several, as it does of little, the plain form stays."""
    record(tmp_path, 200, size=1000)
    (path,) = segment_paths(tmp_path)

    with pytest.raises(JournalDamaged, match="compressed piece at"):
        compress_segment(path)

    assert segment_paths(tmp_path) == [path]


def test_a_segment_compressed_while_it_is_looked_for_is_found(plain: Path) -> None:
    """A reader that was told of the plain form finds the other one in its place."""
    records = list(read_segment(plain))
    compress_segment(plain)

    assert list(read_segment(plain)) == records
    assert verify_segment(plain).state is SegmentState.COMPRESSED
    with pytest.raises(JournalUnreadable):
        Source(plain.with_name("20000101T000000.000000000Z.pcapng"))


def test_a_tail_goes_on_across_a_compression(tmp_path: Path) -> None:
    """A follower of the journal reads on where it was when the segment it reads is compressed beside it."""
    writer = record(tmp_path, 30, close=False, limit=3000)
    tail = JournalTail(tmp_path, Position(segment_paths(tmp_path)[0].stem, 0))
    seen = list(tail.read())
    assert len(plain_paths(tmp_path)) > 1

    writer.received(AT_NS + 100, message(100))
    for path in plain_paths(tmp_path):
        compress_segment(path)
    writer.received(AT_NS + 101, message(101))
    writer.close()
    for path in plain_paths(tmp_path):
        compress_segment(path)
    seen += tail.read()

    assert plain_paths(tmp_path) == []
    assert seen == list(read_journal(tmp_path))


def test_an_excerpt_reads_both_forms(tmp_path: Path) -> None:
    """From the middle of a compressed segment on into a plain one, every message is there."""
    record(tmp_path, 60, limit=4000)
    first = plain_paths(tmp_path)[0]
    position = list(read_segment(first))[5].position
    before = [it for stretch in Excerpt(tmp_path, position) for it in messages(stretch)]
    compress_segment(first)

    after = [it for stretch in Excerpt(tmp_path, position) for it in messages(stretch)]

    assert after == before
    assert len(after) == 56


STEPS = {
    "sync": (os, "fsync"),
    "rename": (Path, "rename"),
    "directory": (compress, "sync_directory"),
    "unlink": (Path, "unlink"),
}


def killed_at(path: Path, step: str, call: int, *, after: bool) -> int:
    """Compress in a process that ends without a word before or after a step; return its exit code."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    owner, name = STEPS[step]
    real, calls = getattr(owner, name), 0

    def dying(*arguments: object, **named: object) -> object:
        nonlocal calls
        calls += 1
        if calls == call and not after:
            os._exit(9)
        result = real(*arguments, **named)
        if calls == call:
            os._exit(9)
        return result

    setattr(owner, name, dying)
    try:
        compress_segment(path)
    finally:
        os._exit(0)


def kills() -> Iterator[tuple[str, int, bool]]:
    for step, calls in (("sync", 3), ("rename", 1), ("directory", 2), ("unlink", 2)):
        for call in range(1, calls + 1):
            yield from ((step, call, after) for after in (False, True))


@pytest.mark.parametrize(("step", "call", "after"), list(kills()))
def test_killed_at_any_step_a_whole_form_is_left(plain: Path, step: str, call: int, *, after: bool) -> None:
    """Whatever was done, the records are there, and the next compression ends what was begun."""
    root = plain.parent.parent
    records = list(read_segment(plain))

    code = killed_at(plain, step, call, after=after)

    assert code == 9
    assert list(read_journal(root)) == records
    assert [report.findings for report in verify_journal(root)] == [()]
    for path in plain_paths(root):
        compress_segment(path)
    assert list(plain.parent.iterdir()) == [other_form(plain)]
    assert list(read_journal(root)) == records


def test_jobs_find_the_same(tmp_path: Path) -> None:
    """Two processes report what one does, in the same order."""
    record(tmp_path, 60, limit=4000)
    for path in segment_paths(tmp_path)[::2]:
        compress_segment(path)

    assert list(verify_journal(tmp_path, jobs=2)) == list(verify_journal(tmp_path))


def test_the_index_of_the_largest_segment_fits_its_block() -> None:
    """Pieces grow with the segment, so that their number has a limit."""
    for size in (1, 2**20, 2**28, 2**33, 2**33 + 1, 65_536 * 2**20):
        assert -(-size // packed.piece_bytes_for(size)) <= packed.PIECES_LIMIT
        assert packed.piece_bytes_for(size) <= packed.PIECE_BYTES_LIMIT
    assert segments.is_packed(Path("a.pcapng.zst"))
