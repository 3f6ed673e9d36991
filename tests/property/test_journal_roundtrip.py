"""What goes into the journal comes out of it, whatever the sizes and wherever segments end."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from capture.sinks import Connection
from storage.journal.reader import RecordKind, read_journal
from storage.journal.verify import SegmentState, verify_journal
from storage.journal.writer import JournalWriter

START_NS = 1_795_000_000_123_456_789
V4 = Connection("fix.example", "10.0.0.2", 41000, "192.0.2.7", 4000, "CLIENT", "KRAKEN-MD", "TLSv1.3")
V6 = Connection("fix.example", "2001:db8::2", 41001, "2001:db8::7", 4000, "CLIENT", "KRAKEN-MD", "TLSv1.3")

SIZES = st.one_of(st.integers(1, 300), st.sampled_from([1, 65495, 65496, 131_000]))
STEPS = st.lists(st.tuples(st.sampled_from(["received", "sent", "note", "closed"]), SIZES), max_size=25)


@given(
    steps=STEPS, limit=st.sampled_from([1, 700, 5000, 2**20]), connection=st.sampled_from([V4, V6]), seed=st.integers()
)
@settings(deadline=None, max_examples=120)
def test_records_out_are_the_calls_in(
    steps: list[tuple[str, int]],
    limit: int,
    connection: Connection,
    seed: int,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """Bytes, times and positions are those of the calls; every segment verifies, and no number is missing."""
    root = tmp_path_factory.mktemp("journal")
    writer = JournalWriter(root, run="r1", software="fixtape 0.1.0", segment_bytes_limit=limit)
    alphabet = b"8=FIX.4.4\x0110=001\x01" + bytes([seed % 256])
    connected, pieces, marks = False, [], []

    for index, (step, size) in enumerate(steps):
        at_ns = START_NS + index * 7
        data = (alphabet * (size // len(alphabet) + 1))[:size]
        if not connected:
            marks.append((RecordKind.OPENED, writer.opened(at_ns, connection)))
            connected = True
        if step == "received":
            written = writer.received(at_ns, data)
            assert b"".join(piece for _, piece in written) == data
            pieces += [(RecordKind.RECEIVED, at_ns, position, piece) for position, piece in written]
        elif step == "sent":
            pieces.append((RecordKind.SENT, at_ns, writer.sent(at_ns, data), data))
        elif step == "note":
            marks.append((RecordKind.NOTE, writer.note(at_ns, "size", {"bytes": size})))
        else:
            marks.append((RecordKind.CLOSED, writer.closed(at_ns, "done", reset=False)))
            connected = False
    writer.close()

    records = list(read_journal(root))
    reports = list(verify_journal(root))
    assert all(report.state is SegmentState.SEALED and not report.findings for report in reports)
    received = [(r.kind, r.at_ns, r.position, r.data) for r in records if r.kind is RecordKind.RECEIVED]
    assert received == [piece for piece in pieces if piece[0] is RecordKind.RECEIVED]
    for direction in (RecordKind.RECEIVED, RecordKind.SENT):
        expected = b"".join(data for kind, _, _, data in pieces if kind is direction)
        assert b"".join(r.data for r in records if r.kind is direction) == expected
    assert [(r.kind, r.position) for r in records if (r.kind, r.position) in marks] == marks
    assert all(r.connection == connection for r in records)
    assert sum(report.records for report in reports) == len(records)
