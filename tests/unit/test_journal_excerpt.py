"""A part of the journal from a block on: however it was cut, the messages are those that were written."""

from pathlib import Path

import pytest
from feeds import CONNECTION
from fix import cut, frame, refresh, seal
from hypothesis import given, settings
from hypothesis import strategies as st

from capture.sinks import Position
from storage.journal.excerpt import Excerpt, before, distance, messages
from storage.journal.reader import read_journal
from storage.journal.writer import JournalWriter

AT_NS = 1_795_000_000_000_000_000
FRAMES = [frame(refresh("new bid 98.0 5", checksum=number), seq=number) for number in range(1, 9)]


def written(root: Path, *reads: bytes, segment_bytes_limit: int = 2**28) -> list[Position]:
    """Write reads as a connection; return where each stands, or each part of it."""
    writer = JournalWriter(root, run="r", software="s", segment_bytes_limit=segment_bytes_limit)
    writer.opened(AT_NS, CONNECTION)
    places = []
    for number, data in enumerate(reads):
        places += [place for place, _ in writer.received(AT_NS + number, data)]
    writer.closed(AT_NS + len(reads), "end", reset=False)
    writer.close()
    return places


def frames(excerpt: Excerpt) -> list[bytes]:
    """The good messages of an excerpt."""
    return [it.frame for stretch in excerpt for it in messages(stretch)]


@settings(deadline=None, max_examples=60)
@given(sizes=st.lists(st.integers(1, 400), max_size=20), limit=st.sampled_from([1, 700, 2**28]))
def test_messages_do_not_depend_on_the_cuts(
    sizes: list[int], limit: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Reads cut anywhere, over segments of any size: every message once, at the block of its first byte."""
    root = tmp_path_factory.mktemp("journal")
    reads = [it for it in cut(b"".join(FRAMES), *sizes) if it]
    places = written(root, *reads, segment_bytes_limit=limit)
    begins, total = {}, 0
    for record in read_journal(root):
        if record.data:
            begins[total] = record.position
            total += len(record.data)

    excerpt = Excerpt(root, places[0])
    found = [it for stretch in excerpt for it in messages(stretch)]

    assert [it.frame for it in found] == FRAMES
    offset = 0
    for it in found:
        assert it.position == begins[max(begin for begin in begins if begin <= offset)]
        offset += len(it.frame)
    assert excerpt.ended == "the connection ends there"


def test_it_begins_in_mid_message(tmp_path: Path) -> None:
    """What the first block holds of an earlier message is passed over."""
    stream = b"".join(FRAMES)
    places = written(tmp_path, stream[:300], stream[300:])

    assert frames(Excerpt(tmp_path, places[1])) == FRAMES[2:]


def test_sent_and_received_are_told_apart(tmp_path: Path) -> None:
    """Each direction is a stream of its own."""
    writer = JournalWriter(tmp_path, run="r", software="s")
    writer.opened(AT_NS, CONNECTION)
    place, _ = writer.received(AT_NS, FRAMES[0][:100])[0]
    writer.sent(AT_NS + 1, FRAMES[1])
    writer.received(AT_NS + 2, FRAMES[0][100:])
    writer.close()

    found = [(it.is_sent, it.at_ns - AT_NS, it.frame) for s in Excerpt(tmp_path, place) for it in messages(s)]

    assert found == [(True, 1, FRAMES[1]), (False, 2, FRAMES[0])]


def test_garbled_messages_are_nobody_s(tmp_path: Path) -> None:
    """A message with a wrong sum is left out, as the session left it out."""
    places = written(tmp_path, FRAMES[0] + seal(b"35=X\x0134=2\x01", check_sum=b"000") + FRAMES[2])

    assert frames(Excerpt(tmp_path, places[0])) == [FRAMES[0], FRAMES[2]]


@pytest.mark.parametrize(
    ("begin", "limit", "count", "reason"),
    [
        (None, 500, 1, "no more than 500 bytes of journal are read for it"),
        (
            Position("20010101T000000.000000000Z", 0),
            None,
            0,
            "segment 20010101T000000.000000000Z is not in the journal",
        ),
    ],
)
def test_it_says_why_it_ended(
    tmp_path: Path, begin: Position | None, limit: int | None, count: int, reason: str
) -> None:
    """A limit, or a segment that is gone, is no end in silence."""
    places = written(tmp_path, *FRAMES)

    excerpt = Excerpt(tmp_path, begin or places[0], bytes_limit=limit)

    assert len(frames(excerpt)) == count
    assert excerpt.ended == reason


def test_damage_ends_it(tmp_path: Path) -> None:
    """A block that is not as it was written is named."""
    places = written(tmp_path, *FRAMES)
    (path,) = tmp_path.glob("*/*.pcapng")
    data = bytearray(path.read_bytes())
    data[places[3].offset + 60] ^= 1
    path.write_bytes(bytes(data))

    excerpt = Excerpt(tmp_path, places[0])

    assert frames(excerpt) == FRAMES[:3]
    assert f"the block at {places[3].offset} is damaged" in excerpt.ended


def test_journal_that_is_being_written_ends_where_it_is_whole(tmp_path: Path) -> None:
    """Half a block at the end is not there yet."""
    places = written(tmp_path, *FRAMES[:2])
    (path,) = tmp_path.glob("*/*.pcapng")
    path.write_bytes(path.read_bytes()[: places[1].offset + 40])

    excerpt = Excerpt(tmp_path, places[0])

    assert frames(excerpt) == FRAMES[:1]
    assert excerpt.ended == "the journal ends there"


def test_distance_is_counted_over_segments(tmp_path: Path) -> None:
    """Between two blocks lie the rest of one segment, whole ones, and the beginning of another."""
    places = written(tmp_path, *FRAMES, segment_bytes_limit=600)
    sizes = {it.stem: it.stat().st_size for it in tmp_path.glob("*/*.pcapng")}
    first, last = places[0], places[-1]

    between = sum(size for name, size in sizes.items() if first.segment <= name < last.segment)
    assert len(sizes) > 2
    assert distance(tmp_path, first, last) == between - first.offset + last.offset
    assert distance(tmp_path, first, first) == 0


def test_block_before_is_a_block(tmp_path: Path) -> None:
    """So many bytes earlier, or a little less, begins a block of the same segment; near its beginning, the first."""
    places = written(tmp_path, *FRAMES)

    earlier = before(tmp_path, places[6], 700)

    assert earlier in places[2:6]
    assert places[6].offset - earlier.offset <= 704
    assert before(tmp_path, places[0], 10_000) == Position(places[0].segment, 0)
