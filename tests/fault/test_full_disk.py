"""A10, A11, A13: disks that are full, gone or stand still, for real: small memory disks and loop images. Root only."""

import signal
import time

import checker
import pytest
import shim
from aftermath import Aftermath
from campaign import report, scaled
from disks import image, memory
from rig import wait_until

pytestmark = [pytest.mark.faults, pytest.mark.timeout(1800)]

END_S = 15.0
IO_CODES = (73, 74)
ROOM = "size=2g"
STALL_S = scaled(10, 60)
LAG_LIMIT_US = 1_000_000  # Of the event loop, on a machine that has others to serve.


@pytest.mark.parametrize("kib", [4096, 16384])
def test_a_full_disk_ends_it_with_a_reason_and_keeps_what_was_durable(kib, busy_rig, tmp_path):
    """Journal and lake on one small disk: it says that the disk is full; with room again the tape is made whole."""
    after = Aftermath()
    with memory(tmp_path, kib=kib) as disk:
        root = disk.path / "tape"
        run = busy_rig.start(root)
        code = run.wait(60, "the disk is full")
        reason = checker.check_reason(run.text())
        after.acknowledge(checker.paths_under(root), run.told())
        disk.remount(ROOM)
        before = checker.paths_under(root)
        again = busy_rig.start(root, seconds=1.5)
        assert again.wait(1.5 + END_S) == 0, again.text()
        after.acknowledge(checker.paths_under(root) - before, again.told())
        after.take(root, busy_rig.truth, tmp_path)

    report(f"full disk of {kib // 1024} MiB: exit {code}, recorded on with room; {after.text()}")
    assert code in IO_CODES
    assert "No space left" in reason
    assert after.holds()


def test_a_full_disk_of_the_lake_leaves_the_journal_whole(busy_rig, tmp_path):
    """The lake alone on a small disk: no row is lost that the journal holds."""
    after = Aftermath()
    root = tmp_path / "tape"
    with memory(root, kib=1024, name="lake") as disk:
        run = busy_rig.start(root)
        wait_until(lambda: run.ended() or time.monotonic_ns() - run.began_ns > 6e9, 20, "the disk is full")
        if not run.ended():
            run.send(signal.SIGTERM)
        code = run.wait(END_S)
        after.acknowledge(checker.paths_under(root), run.told())
        disk.remount(ROOM)
        after.take(root, busy_rig.truth, tmp_path)

    report(f"full disk of the lake: exit {code}; {after.text()}")
    assert after.holds()
    if code:
        assert code in IO_CODES, run.text()
        assert "No space left" in checker.check_reason(run.text())


def test_a_disk_that_is_gone_ends_it_within_seconds(busy_rig, tmp_path):
    """The file system shuts down and the process lives: it ends with 74 and a reason, and acknowledges nothing more."""
    after = Aftermath()
    with image(tmp_path, "ext4") as disk:
        root = disk.path / "tape"
        run = busy_rig.start(root)
        run.wait_for_data()
        time.sleep(0.5)
        began = time.monotonic()
        disk.cut()
        code = run.wait(END_S, "it ends after the disk is gone")
        took_s = time.monotonic() - began
        reason = checker.check_reason(run.text())
        disk.unmount()
        disk.mount()
        after.acknowledge(checker.paths_under(root), run.told())
        after.take(root, busy_rig.truth, tmp_path)

    report(f"disk gone: exit {code} in {took_s:.1f} s; {after.text()}")
    assert code in IO_CODES, reason
    assert took_s < 10
    assert after.holds()


def test_a_sync_that_stalls_holds_nothing_up(busy_rig, tmp_path):
    """fdatasync takes ten seconds once: the socket is still drained, the loop runs on, the session stays."""
    root, after = tmp_path / "tape", Aftermath()
    rules = shim.rule("DELAY", on="fdatasync", path=f"{root}/journal", at=10, ms=STALL_S * 1000)
    run = busy_rig.start(root, rules=rules)
    wait_until(run.counts.made, END_S, "the stall begins")
    began, before = time.monotonic(), run.told()
    wait_until(lambda: run.told()["durable"] > before["durable"], STALL_S + END_S, "something is durable again")
    took_s, now = time.monotonic() - began, run.told()
    run.send(signal.SIGTERM)
    assert run.wait(END_S) == 0, run.text()
    told = run.told()
    after.acknowledge(checker.paths_under(root), told)
    after.take(root, busy_rig.truth, tmp_path)
    rate = (now["messages"] - before["messages"]) / took_s

    report(
        f"fdatasync stalled {STALL_S} s: {rate:,.0f} messages/s meanwhile, event loop late by at most "
        f"{told['lag_us'] / 1000:.0f} ms, connections {told['connections']}; {after.text()}"
    )
    assert rate > busy_rig.rate / 10
    assert told["lag_us"] < LAG_LIMIT_US
    assert (told["connections"], told["gaps"]) == (1, 0)
    assert after.holds()


def test_a_frozen_file_system_loses_nothing(quiet_rig, tmp_path):
    """Every write stands still for some seconds: afterwards it goes on, and what came meanwhile is there."""
    after = Aftermath()
    with image(tmp_path, "ext4") as disk:
        root = disk.path / "tape"
        run = quiet_rig.start(root)
        run.wait_for_data()
        time.sleep(1)
        disk.freeze()
        try:
            time.sleep(5)
        finally:
            disk.thaw()
        before = run.told()["messages"]
        wait_until(lambda: run.told()["messages"] > before + 200, END_S, "it goes on")
        run.send(signal.SIGTERM)
        code = run.wait(END_S)
        told = run.told()
        after.acknowledge(checker.paths_under(root), told)
        after.take(root, quiet_rig.truth, tmp_path)

    report(
        f"file system frozen 5 s: exit {code}, event loop late by at most {told['lag_us'] / 1000:.0f} ms, "
        f"connections {told['connections']}; {after.text()}"
    )
    assert code == 0, run.text()
    assert (told["connections"], told["gaps"]) == (1, 0)
    assert after.holds()
