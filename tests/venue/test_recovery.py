"""Recorders that are killed, tapes that are damaged, and the next recorder that starts on them."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from crashed import SOFTWARE, files_of, recover, tree
from venues import record_until, recordings, settings_for, venue_thread

import fixtape
from storage.journal.reader import RecordKind, read_journal
from storage.journal.segments import segment_paths
from storage.journal.verify import SegmentState, verify_segment
from storage.rebuild import rebuild
from storage.tape_layout import LOCK

pytestmark = pytest.mark.venue

FIXTAPE = str(Path(sys.executable).with_name("fixtape"))


def command(server, credentials, root: Path, *more: str) -> list[str]:
    ca_file = credentials.write_ca(root.parent / "ca.pem")
    common = [FIXTAPE, "record", "--host", "127.0.0.1", "--port", str(server.port), "--ca", str(ca_file)]
    return [*common, "--sender", "CLIENT", "--symbol", "all", "--root", str(root), "--batch-s", "1", *more]


def killed(server, credentials, root: Path, *, messages: int) -> int:
    """Record so many messages and kill the recorder; returns its process id."""
    before = server.total_sent
    process = subprocess.Popen(command(server, credentials, root), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 20
    while server.total_sent - before < messages and time.monotonic() < deadline:
        time.sleep(0.02)
    process.kill()
    process.wait(20)
    return process.pid


def test_the_next_recorder_makes_what_a_kill_took(tmp_path: Path) -> None:
    """After SIGKILL the next run takes the lock over, seals, completes the lake behind its recording, and says so."""
    root = tmp_path / "tape"
    with venue_thread(recordings("ethusd-d25"), speed=4.0) as (server, credentials):
        pid = killed(server, credentials, root, messages=300)
        first = segment_paths(root)[0]
        with first.open("ab") as file:
            file.write(b"\x06\0\0\0\x90\1\0\0half a block")
        done = subprocess.run(
            command(server, credentials, root, "--for", "4"), capture_output=True, text=True, check=False, timeout=60
        )

    assert done.returncode == 0, done.stderr
    assert f"recovery: lock: taken over from record (run {first.stem}" not in done.stderr  # A run begins before it.
    assert f"process {pid} on {os.uname().nodename}, which did not end in order" in done.stderr
    assert "recovery: torn tail: journal segment " in done.stderr
    assert "20 bytes cut after byte" in done.stderr
    assert verify_segment(first).state is SegmentState.SEALED
    with fixtape.open(root) as tape:
        notes = tape.sql("SELECT text FROM events WHERE kind = 'note' AND expected = 'recovery'").fetchall()
    assert [text.partition(":")[0] for (text,) in notes][:3] == ["lock", "torn tail", "sealed"]
    rebuild(root / "journal", tmp_path / "again", software=SOFTWARE)
    assert files_of(tmp_path / "again") == files_of(root / "lake")
    before = tree(root)
    assert recover(root).nothing_done
    assert tree(root) == before


def test_recording_begins_before_a_backlog_is_made_up(tmp_path: Path) -> None:
    """Runs that the lake lacks altogether delay the first new record by no more than looking at the logs."""
    root = tmp_path / "tape"
    with venue_thread(recordings("ethusd-d25"), speed=8.0) as (server, credentials):
        settings = settings_for(server, credentials.write_ca(tmp_path / "ca.pem"), root, batch_s=1)
        for _ in range(3):
            record_until(settings, lambda recorder: recorder.counters.market_data >= 300)
        runs = {record.run for record in read_journal(root)}
        for path in sorted((root / "lake").rglob("*"), reverse=True):
            path.unlink() if path.is_file() else path.rmdir()

        first: list[float] = []
        begun = time.monotonic()

        def done(recorder) -> bool:
            if not first and recorder.journal.durable_bytes > 0:
                first.append(time.monotonic() - begun)
            return recorder.recovery.report.runs == 3

        record_until(settings, done)

    assert len(runs) == 3
    assert first[0] < 5
    rebuild(root / "journal", tmp_path / "again", software=SOFTWARE)
    assert files_of(tmp_path / "again") == files_of(root / "lake")


def test_a_live_lock_is_respected(tmp_path: Path) -> None:
    """A second recorder ends with 75 at once and says who records; the first is undisturbed."""
    root = tmp_path / "tape"
    with venue_thread(recordings("ethusd-d25"), speed=8.0) as (server, credentials):
        first = subprocess.Popen(
            command(server, credentials, root, "--for", "5"),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        deadline = time.monotonic() + 20
        while server.total_sent < 100 and time.monotonic() < deadline:
            time.sleep(0.02)

        second = subprocess.run(
            command(server, credentials, root), capture_output=True, text=True, check=False, timeout=30
        )
        holder = json.loads((root / LOCK).read_text())
        out, _ = first.communicate(timeout=40)

    assert second.returncode == 75
    assert f"another recorder writes there: record (run {holder['run']}), process {first.pid}" in second.stderr
    assert first.returncode == 0
    assert "mismatches" not in out
    assert (root / LOCK).read_bytes() == b""
    assert [record.kind for record in read_journal(root)][-1] is RecordKind.CLOSED


def test_recovering_by_hand_says_what_it_did(tmp_path: Path) -> None:
    """`fixtape recover` after a kill: each thing on standard error, a summary, exit 0; again: nothing left to do."""
    root = tmp_path / "tape"
    with venue_thread(recordings("ethusd-d25"), speed=4.0) as (server, credentials):
        killed(server, credentials, root, messages=300)

    done = subprocess.run([FIXTAPE, "recover", str(root)], capture_output=True, text=True, check=False)
    again = subprocess.run([FIXTAPE, "recover", str(root)], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert "recovery: sealed: journal segment" in done.stderr
    assert "0 left undone" in done.stdout
    assert again.stderr == ""
    assert "0 things put in order" in again.stdout


def test_a_stop_in_the_middle_of_recovery_leaves_the_rest_to_the_next_start(tmp_path: Path) -> None:
    """SIGTERM while old runs are made ends in order; the next start goes on with them."""
    root = tmp_path / "tape"
    with venue_thread(recordings("ethusd-d25"), speed=8.0) as (server, credentials):
        killed(server, credentials, root, messages=400)
        process = subprocess.Popen(
            command(server, credentials, root), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        before, deadline = server.total_sent, time.monotonic() + 20
        while server.total_sent - before < 5 and time.monotonic() < deadline:
            time.sleep(0.01)
        process.send_signal(signal.SIGTERM)
        process.wait(30)

    assert process.returncode == 0
    recover(root)
    rebuild(root / "journal", tmp_path / "again", software=SOFTWARE)
    assert files_of(tmp_path / "again") == files_of(root / "lake")
