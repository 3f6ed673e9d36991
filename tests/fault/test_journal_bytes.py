"""A4, A5: a journal's bytes are cut, filled up, replaced and flipped; what is read then is what was written, or told.

Nothing here runs beside a recorder: one is killed in mid-stream, and copies of its segment are altered.
"""

import signal
import time

import checker
import pytest
from campaign import chance, report, scaled

from storage.errors import JournalDamaged
from storage.journal.compress import compress_segment
from storage.journal.reader import read_segment
from storage.journal.segments import present_form
from storage.journal.verify import verify_segment

pytestmark = [pytest.mark.faults, pytest.mark.timeout(3600)]

FLIPS = scaled(300, 5000)
RECORDS_CUT = 3
TAIL_BYTES = (1, 7, 8, 12, 100, 4096, 70_000)


@pytest.fixture(scope="module")
def segments(quiet_rig, tmp_path_factory):
    """Two segments of two runs: one sealed, one whose writer was killed."""
    folder = tmp_path_factory.mktemp("journal")
    paths = []
    for number in (signal.SIGTERM, signal.SIGKILL):
        root = folder / number.name
        run = quiet_rig.start(root)
        time.sleep(1.5)
        run.send(number)
        run.wait(20)
        (path,) = checker.paths_under(root)
        paths.append(path)
    return paths


def records_of(path):
    """What strict reading gives: the records, and the damage at which it stopped, if any."""
    segment, records = read_segment(path), []
    try:
        records.extend(_told(it) for it in segment)
    except JournalDamaged as damage:
        return records, segment, damage
    return records, segment, None


def _told(record):
    return record.kind, record.at_ns, record.data, record.position.offset


def _replaced(path, data):
    path.write_bytes(data)
    return path


def test_a_tail_cut_anywhere_gives_every_record_before_it(segments, tmp_path):
    """At each byte of the last three records: all before it are back, none is made up, the rest is told by its size."""
    whole = segments[1].read_bytes()
    records, _, _ = records_of(segments[1])
    path = tmp_path / segments[1].name
    ends = [it[3] for it in records[1:]] + [len(whole)]
    cuts = range(records[-RECORDS_CUT][3], len(whole))
    for cut in cuts:
        found, segment, damage = records_of(_replaced(path, whole[:cut]))
        kept = sum(end <= cut for end in ends)
        assert found == records[:kept]
        assert damage is None
        torn = cut - ends[kept - 1]
        assert (segment.torn_tail.size if segment.torn_tail else 0) == torn

    report(f"torn tails {len(cuts)} (each byte of the last {RECORDS_CUT} records): records missing 0, invented 0")


@pytest.mark.parametrize("kind", ["zeros", "random", "old", "old packets"])
def test_what_a_tail_is_filled_with_is_never_taken_for_records(kind, segments, tmp_path):
    """Zeros, noise, or another segment's bytes after the last record or in its middle: told, and nothing made of it."""
    draw = chance(f"tails {kind}")
    whole = segments[1].read_bytes()
    records, _, _ = records_of(segments[1])
    others, _, _ = records_of(segments[0])
    old = segments[0].read_bytes()
    path = tmp_path / segments[1].name
    count = 0
    for size in TAIL_BYTES:
        for cut in (len(whole), draw.randrange(records[-1][3] + 1, len(whole))):
            begin = draw.choice(others[5:-5])[3]
            filling = {
                "zeros": bytes(size),
                "random": draw.randbytes(size),
                "old": old[:size],
                "old packets": old[begin : begin + size],
            }[kind]
            found, segment, damage = records_of(_replaced(path, whole[:cut] + filling))
            kept = records if cut == len(whole) else records[:-1]
            assert found == kept
            assert damage is not None or segment.torn_tail is not None
            count += 1
    report(f"tails of {kind} {count}: records missing 0, invented 0, untold 0")


@pytest.mark.parametrize("place", [0, 1], ids=["sealed", "open"])
def test_a_flipped_bit_is_found_and_costs_one_record_at_most(place, segments, tmp_path):
    """Wherever the bit is: verification says so, strict reading gives true records alone, all but one can be had."""
    draw = chance(f"flips {place}")
    whole = segments[place].read_bytes()
    records, _, _ = records_of(segments[place])
    true = set(records)
    path = tmp_path / segments[place].name
    missed = altered = lost_most = 0
    for _ in range(FLIPS):
        data = bytearray(whole)
        bit = draw.randrange(8 * len(data))
        data[bit // 8] ^= 1 << bit % 8
        _replaced(path, data)
        found, segment, damage = records_of(path)
        told = bool(verify_segment(path).findings) or segment.torn_tail is not None
        missed += not (told and (damage is not None or segment.torn_tail is not None))
        altered += len(set(found) - true)
        past = {_told(it) for it in read_segment(path, lambda _damage: None)}
        altered += len(past - true)
        lost_most = max(lost_most, len(true - past))
    report(
        f"bit flips in a {('sealed', 'open')[place]} segment {FLIPS}: undetected {missed}, "
        f"records altered {altered}, lost at most {lost_most} each"
    )
    assert (missed, altered) == (0, 0)
    assert lost_most <= 1


def test_a_flipped_bit_in_a_compressed_segment_is_found(segments, tmp_path):
    """Wherever the bit is: verification says so, and no record is read that was not written."""
    draw = chance("flips packed")
    plain = tmp_path / "2026-01-01" / segments[0].name
    plain.parent.mkdir()
    plain.write_bytes(segments[0].read_bytes())
    true = set(records_of(plain)[0])
    path = compress_segment(plain) and present_form(plain)
    whole = path.read_bytes()
    missed = altered = 0
    for _ in range(FLIPS):
        data = bytearray(whole)
        bit = draw.randrange(8 * len(data))
        data[bit // 8] ^= 1 << bit % 8
        _replaced(path, data)
        try:
            told = bool(verify_segment(path).findings)
        except JournalDamaged:
            told = True
        missed += not told
        try:
            altered += len({_told(it) for it in read_segment(path, lambda _damage: None)} - true)
        except JournalDamaged:
            continue
    report(f"bit flips in a compressed segment {FLIPS}: undetected {missed}, records altered {altered}")
    assert (missed, altered) == (0, 0)
