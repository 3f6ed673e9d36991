"""The thread that compresses beside a recorder: what it takes, what it leaves, and what it says."""

import errno
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from capture.sinks import Connection
from storage.journal import compressor
from storage.journal.compressor import Compressor
from storage.journal.reader import read_journal
from storage.journal.segments import plain_paths, segment_name, segment_paths
from storage.journal.writer import JournalWriter

AT_NS = 1_795_000_000_123_456_789
CONNECTION = Connection("fix.example", "10.0.0.2", 41000, "192.0.2.7", 4000, "CLIENT", "KRAKEN-MD", "TLSv1.3")
WAIT_S = 20.0


def until(done: Callable[[], bool]) -> None:
    """Wait for something that a thread does; an assertion fails where it never does."""
    deadline = time.monotonic() + WAIT_S
    while not done():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.005)


@pytest.fixture
def writer(tmp_path: Path) -> JournalWriter:
    """Return a writer in its fourth segment."""
    writer = JournalWriter(tmp_path, run="r1", software="fixtape 0.1.0")
    for number in range(4):
        writer.opened(AT_NS + number, CONNECTION)
        writer.received(AT_NS + number, b"8=FIX.4.4\x01" * 20)
        if number < 3:
            writer.closed(AT_NS + number, "end of stream", reset=False)
    return writer


def test_all_but_the_present_segment_are_compressed(tmp_path: Path, writer: JournalWriter) -> None:
    """What is written to is left alone, and what ends while the thread runs is taken at its next look."""
    records = list(read_journal(tmp_path))
    *_, present = names = [segment_name(path) for path in segment_paths(tmp_path)]
    at = [present]
    thread = Compressor(tmp_path, 3, lambda: at[0], look_s=0.01)

    until(lambda: thread.compressed == 3)
    assert [segment_name(path) for path in plain_paths(tmp_path)] == [present]
    writer.close()
    at[0] = "later"
    until(lambda: thread.compressed == 4)
    thread.finish()

    assert plain_paths(tmp_path) == []
    assert [segment_name(path) for path in segment_paths(tmp_path)] == names
    assert list(read_journal(tmp_path))[: len(records)] == records
    assert not thread.notes


def test_it_yields_to_everything_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The thread runs at the lowest priority, and the process that it belongs to does not."""
    seen: list[int] = []
    monkeypatch.setattr(compressor, "plain_paths", lambda _: seen.append(os.getpriority(os.PRIO_PROCESS, 0)) or [])
    before = os.getpriority(os.PRIO_PROCESS, 0)
    thread = Compressor(tmp_path, 3, str, look_s=0.01)

    until(lambda: bool(seen))
    thread.finish()

    assert seen[0] == compressor.NICENESS
    assert os.getpriority(os.PRIO_PROCESS, 0) == before


@pytest.mark.usefixtures("writer")
def test_a_failure_is_said_once_and_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk leaves every segment as it is, makes one note, and the thread lives on."""
    full = [True]
    real = os.fsync
    failed: list[int] = []

    def fsync(descriptor: int) -> None:
        if full[0]:
            failed.append(descriptor)
            raise OSError(errno.ENOSPC, "No space left on device")
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(compressor, "RETRY_S", 0.01)
    thread = Compressor(tmp_path, 3, lambda: "later", look_s=0.01)

    until(lambda: len(failed) >= 3)
    assert len(plain_paths(tmp_path)) == 4
    full[0] = False
    until(lambda: thread.compressed == 3)
    thread.finish()

    ((kind, text),) = thread.notes
    assert kind == "compress"
    assert "cannot compress the segment: No space left on device" in text
    assert len(plain_paths(tmp_path)) == 1  # It was never sealed.
    assert not list(tmp_path.rglob(".*"))
