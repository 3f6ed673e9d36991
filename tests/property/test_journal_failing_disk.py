"""Whatever write, sync or rename fails, and in whatever order: each record once, and none missing that was durable."""

import errno
import shutil
import tempfile
from pathlib import Path

import pytest
from failing_disk import FailingDisk
from hypothesis import given, settings
from hypothesis import strategies as st

from capture.sinks import Connection
from storage.errors import JournalError
from storage.journal import appending
from storage.journal.compress import compress_segment
from storage.journal.reader import read_journal
from storage.journal.segments import plain_paths, segment_paths
from storage.journal.verify import verify_segment
from storage.journal.writer import JournalWriter
from storage.quarantine import Quarantine
from storage.recovery_journal import mend_segment

AT_NS = 1_795_342_500_123_456_789
CONNECTION = Connection("fix.example", "10.0.0.2", 41000, "192.0.2.7", 4000, "CLIENT", "KRAKEN-MD", "TLSv1.3")

steps = st.lists(st.sampled_from(["small", "large", "sent", "note", "sync", "sync", "again"]), min_size=1, max_size=20)
fault = st.sampled_from([errno.EIO, errno.EIO, errno.EROFS, -1, -5, -100])


class Played:
    """One run of the writer over a disk: what it was given and took, in order, and how far it is durable.

    taken: place and bytes of each record. ended: whether the writer gave up.
    """

    def __init__(self, root, played, disk):
        self.taken = []
        self.ended = False
        self.writer = JournalWriter(root, run="r", software="s", segment_bytes_limit=4000)
        try:
            self._play(played)
            self.writer.close()
        except JournalError:
            self.ended = True

    def _play(self, played):
        writer, at_ns = self.writer, AT_NS
        self._take(writer.opened(at_ns, CONNECTION), b"")
        for step in played:
            at_ns += 1
            data = f"8=FIX.4.4\x019=5\x0135=0\x0158={at_ns}\x0110=161\x01".encode()
            if step == "small":
                self._take(writer.received(at_ns, data)[0][0], data)
            elif step == "large":
                for place, piece in writer.received(at_ns, data * 1500):
                    self._take(place, piece)
            elif step == "sent":
                self._take(writer.sent(at_ns, data), data)
            elif step == "note":
                self._take(writer.note(at_ns, "kind", {}), b"")
            elif step == "again":
                self._take(writer.closed(at_ns, "", reset=False), b"")
                self._take(writer.opened(at_ns, CONNECTION), b"")
            else:
                writer.sync()

    def _take(self, place, data):
        self.taken.append((place, data))


def told(root):
    """Place and bytes of each record, the ones that repeat a connection left out: nobody was told their places."""
    return [(it.position, it.data) for it in read_journal(root) if it.kind != "continued"]


@pytest.mark.parametrize("power_cut", [False, True])
@settings(max_examples=50, deadline=None)
@given(played=steps, faults=st.dictionaries(st.integers(0, 80), fault, max_size=6))
def test_a_failing_disk_loses_nothing_durable_and_doubles_nothing(power_cut, played, faults):
    """Records read back are those written, in order and at their places; where it gave up, at least the durable."""
    disk = FailingDisk(faults)
    root = Path(tempfile.mkdtemp())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(appending, "os", disk)

        run = Played(root, played, disk)

    try:
        if power_cut:
            disk.cut_power(root)
        found = told(root)
        assert found == [it for it in run.taken if it in found]
        if not power_cut and not run.ended:
            assert found == run.taken
        assert durable_prefix(root, found, run.taken) >= run.writer.durable_records
        assert disk.synced_after_failure == []
        if not run.ended:
            assert run.writer.durable_records == run.writer.written_records
        assert_mending_changes_nothing(root, found)
    finally:
        shutil.rmtree(root)


def durable_prefix(root, found, taken):
    """How many records are there before the first that is missing, the ones that repeat a connection among them."""
    same = next((at for at, pair in enumerate(zip(found, taken, strict=False)) if pair[0] != pair[1]), len(found))
    last = found[same - 1][0].segment if same else ""
    return same + sum(it.kind == "continued" and it.position.segment <= last for it in read_journal(root))


def assert_mending_changes_nothing(root, found):
    """Recovery makes each segment one whole file, and compression another: the records and their places stay."""
    for path in segment_paths(root):
        mend_segment(path, Quarantine(root, software="s", at="t"), lambda *_: None, policy="abort", last=True)
    assert told(root) == found
    for path in plain_paths(root):
        compress_segment(path, level=1)
    assert told(root) == found
    assert [finding for path in segment_paths(root) for finding in verify_segment(path).findings] == []
    assert not list(root.glob("*/*.pcapng.[0-9]*"))
    assert not list(root.glob("*/.*"))
