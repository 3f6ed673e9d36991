"""No damage to a segment goes unseen, and none takes more with it than the block it hit."""

import itertools
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from capture.sinks import Connection
from storage.errors import JournalDamaged
from storage.journal.blocks import Source, walk
from storage.journal.reader import Record, read_segment
from storage.journal.verify import SegmentState, verify_segment
from storage.journal.writer import JournalWriter

START_NS = 1_795_000_000_123_456_789
CONNECTION = Connection("fix.example", "10.0.0.2", 41000, "192.0.2.7", 4000, "CLIENT", "KRAKEN-MD", "TLSv1.3")
HEARTBEAT = b"8=FIX.4.4\x019=5\x0135=0\x0110=161\x01"


def write_segment(root: Path, *, seal: bool = True) -> Path:
    """Write one small segment holding every kind of record; return its path."""
    writer = JournalWriter(root, run="r1", software="fixtape 0.1.0")
    opened = writer.opened(START_NS, CONNECTION)
    writer.sent(START_NS + 1, HEARTBEAT)
    writer.received(START_NS + 2, HEARTBEAT + b"8=F")
    writer.note(START_NS + 3, "clock", {"offset_ns": -5, "source": None})
    writer.received(START_NS + 4, b"IX.4.4\x01554=secret\x01")
    if seal:
        writer.closed(START_NS + 5, "end of stream", reset=False)
        writer.close()
    else:
        writer.sync()
        writer._segment.close()
    (path,) = root.glob(f"*/{opened.segment}.pcapng")
    return path


def offsets(path: Path) -> list[int]:
    """Return where the blocks of a whole segment begin, and where the file ends."""
    with Source(path) as source:
        return [*(step.offset for step in walk(source)), source.size]


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_segment(tmp_path_factory.mktemp("sealed"))


@pytest.fixture(scope="module")
def unsealed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_segment(tmp_path_factory.mktemp("open"), seal=False)


def flips(path: Path) -> Iterator[int]:
    """Flip every bit of a file in turn, and back; return the byte it is in."""
    whole = path.read_bytes()
    fd = os.open(path, os.O_WRONLY)
    try:
        for at, byte in enumerate(whole):
            for bit in range(8):
                os.pwrite(fd, bytes([byte ^ 1 << bit]), at)
                yield at
            os.pwrite(fd, bytes([byte]), at)
    finally:
        os.close(fd)


@pytest.mark.parametrize("name", ["sealed", "unsealed"])
def test_every_flipped_bit_is_found_in_its_block(name: str, request: pytest.FixtureRequest) -> None:
    """Whichever bit of a segment flips, there is one finding, at the block that holds it, and the rest is read."""
    path = request.getfixturevalue(name)
    borders, whole = offsets(path), verify_segment(path)

    for at in flips(path):
        report = verify_segment(path)

        hit = max(border for border in borders if border <= at)
        assert [finding.offset for finding in report.findings] == [hit], f"byte {at}"
        assert report.state is SegmentState.DAMAGED
        assert report.findings[0].size == borders[borders.index(hit) + 1] - hit
        assert report.records >= whole.records - 1
        assert report.torn_tail is None


def test_a_flipped_bit_stops_a_strict_reader(sealed: Path) -> None:
    """Read without a handler of damage, a segment ends at the first of it, whatever it is."""
    for at in flips(sealed):
        if at % 7:
            continue

        with pytest.raises(JournalDamaged) as caught:
            list(read_segment(sealed))

        assert caught.value.offset <= at


def records_before(records: list[Record], size: int, borders: list[int]) -> list[Record]:
    """Return the records of which all bytes lie within the first `size`."""
    ends = dict(itertools.pairwise(borders))
    return [record for record in records if ends[record.position.offset] <= size]


def test_a_segment_cut_anywhere_gives_its_whole_blocks(unsealed: Path, tmp_path: Path) -> None:
    """Cut at any byte, a segment gives the records before the cut and tells the torn tail from damage."""
    whole, borders, records = unsealed.read_bytes(), offsets(unsealed), list(read_segment(unsealed))
    path = tmp_path / "cut.pcapng"

    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        reader = read_segment(path)

        got = list(reader)

        border = max(b for b in borders if b <= size)
        assert [r.at_ns for r in got] == [r.at_ns for r in records_before(records, size, borders)]
        if size == border and size > 0:
            assert reader.torn_tail is None
        else:
            assert reader.torn_tail is not None
            assert (reader.torn_tail.offset, reader.torn_tail.size) == (border, size - border)


def test_a_tail_of_zeros_is_torn(unsealed: Path, tmp_path: Path) -> None:
    """Where the file system kept the size of a file but not its last data, the tail is torn and not damage."""
    whole, borders, records = unsealed.read_bytes(), offsets(unsealed), list(read_segment(unsealed))
    path = tmp_path / "zeros.pcapng"

    for size in range(1, len(whole) - 12):
        path.write_bytes(whole[:size] + bytes(len(whole) - size))
        reader = read_segment(path)

        got = list(reader)

        assert reader.torn_tail is not None, size
        assert reader.torn_tail.offset <= size + 3  # A length's own last bytes are zero.
        assert len(got) == len(records_before(records, reader.torn_tail.offset, borders))


@given(tail=st.binary(min_size=1, max_size=200))
@settings(deadline=None, max_examples=60)
def test_no_record_is_invented_from_a_random_tail(
    tail: bytes, unsealed: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Random bytes after the last block are a torn tail or a finding, and never a record."""
    path = tmp_path_factory.mktemp("tail") / "tail.pcapng"
    path.write_bytes(unsealed.read_bytes() + tail)

    report = verify_segment(path)

    assert report.records == verify_segment(unsealed).records
    assert report.torn_tail is not None or report.findings


@given(data=st.data())
@settings(deadline=None, max_examples=60)
def test_a_block_taken_out_or_doubled_is_found(
    data: st.DataObject, sealed: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A block that is missing, or there twice, shows, though every block that is there is whole."""
    whole, borders = sealed.read_bytes(), offsets(sealed)
    index = data.draw(st.integers(0, len(borders) - 2))
    times = data.draw(st.sampled_from([0, 2]))
    start, end = borders[index], borders[index + 1]
    path = tmp_path_factory.mktemp("blocks") / "blocks.pcapng"
    path.write_bytes(whole[:start] + whole[start:end] * times + whole[end:])

    report = verify_segment(path)

    if times == 2 or index < len(borders) - 2:  # Without its seal a segment is as good as one still open.
        assert report.findings
    else:
        assert report.state is SegmentState.OPEN


@given(data=st.data())
@settings(deadline=None, max_examples=100)
def test_a_reader_survives_any_bytes(
    data: st.DataObject, sealed: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Whatever is done to a segment, reading it ends, and ends in a report."""
    whole = bytearray(sealed.read_bytes())
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(whole) - 1))
        cut = data.draw(st.integers(0, 40))
        whole[at : at + cut] = data.draw(st.binary(max_size=40))
    path = tmp_path_factory.mktemp("any") / "any.pcapng"
    path.write_bytes(bytes(whole))

    report = verify_segment(path)

    assert report.bytes == len(whole)
