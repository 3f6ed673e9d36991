"""A10, A11, A13: disks that are full, gone or stand still, for real: small memory disks and loop images. Root only."""

import os
import signal
import time
from pathlib import Path

import checker
import pytest
import shim
from aftermath import Aftermath
from campaign import report, scaled
from disks import image, memory
from rig import wait_until

pytestmark = [pytest.mark.faults, pytest.mark.timeout(1800)]

END_S = 60.0  # A bound: others are served by the same processors.
IO_CODES = (73, 74)
ROOM = "size=2g"
STALL_S = scaled(10, 60)
ORDER = ("disk full: the disk is full", "disk full: no room is left", "disk full: there is room again")
LAG_LIMIT_US = 1_000_000  # Of the event loop, on a machine that has others to serve.


def cpu_s(pid):
    """Seconds of processor that a process has taken."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def notes(lake, kind):
    """The events of a lake that are notes of a kind."""
    return [row for row in checker.events(lake) if row["kind"] == "note" and row["expected"] == kind]


@pytest.mark.parametrize("kib", [4096, 16384])
def test_a_full_disk_is_a_hole_that_is_described_and_closed_by_itself(kib, busy_rig, tmp_path):
    """First the reserve, then the hole; nothing is busy in it; with room it goes on, and all that is kept has rows."""
    after = Aftermath()
    with memory(tmp_path, kib=kib) as disk:
        root = disk.path / "tape"
        run = busy_rig.start(root)
        wait_until(lambda: "no room is left" in run.text() or run.ended(), 60, "the disk is full")
        time.sleep(0.5)
        before_s, before = cpu_s(run.pid), run.told()
        time.sleep(2)
        busy, kept = (cpu_s(run.pid) - before_s) / 2, run.told()["written"] - before["written"]
        disk.remount(ROOM)
        wait_until(lambda: run.told()["messages"] > before["messages"] + 1000 or run.ended(), END_S, "it goes on")
        run.send(signal.SIGTERM)
        code = run.wait(END_S)
        after.acknowledge(checker.paths_under(root), run.told())
        after.take(root, busy_rig.truth, tmp_path)
        (hole,) = [it for it in notes(root / "lake", "disk full") if "nothing recorded" in it["text"]]
        left = (root / "journal" / ".reserve").exists()

    said = [line.partition("alarm: ")[2] for line in run.text().splitlines() if "alarm: " in line]
    order = [next(at for at, line in enumerate(said) if text in line) for text in ORDER]
    seconds = (hole["to_ns"] - hole["from_ns"]) / 1e9
    report(
        f"full disk of {kib // 1024} MiB: a hole of {seconds:.1f} s, CPU {busy:.0%} in it, exit {code}, no restart; "
        f"{after.text()}"
    )
    assert code == 0, run.text()
    assert order == sorted(order), said
    assert (busy < 0.2, kept) == (True, 0)
    assert seconds > 2
    assert " 1 reads, " in hole["text"]
    assert not left
    assert after.holds()


def test_a_full_disk_of_the_lake_leaves_the_journal_whole(busy_rig, tmp_path):
    """The lake alone on a small disk: it waits, the journal goes on, and with room again the rows are all made."""
    after = Aftermath()
    root = tmp_path / "tape"
    root.mkdir()
    with memory(root, kib=1024) as disk:
        lake = root / "lake"
        lake.symlink_to(disk.path, target_is_directory=True)
        run = busy_rig.start(root)
        wait_until(lambda: "lake waits" in run.text() or run.ended(), 60, "the disk is full")
        before = run.told()["messages"]
        time.sleep(2)
        went_on = run.told()["messages"] - before
        disk.remount(ROOM)
        wait_until(lambda: "batches are committed again" in run.text() or run.ended(), END_S, "the lake goes on")
        run.send(signal.SIGTERM)
        code = run.wait(3 * END_S)
        told = run.told()
        after.acknowledge(checker.paths_under(root), told)
        after.take(root, busy_rig.truth, tmp_path)

    report(f"full disk of the lake: {went_on:,} messages meanwhile, exit {code}; {after.text()}")
    assert code == 0, run.text()
    assert went_on > busy_rig.rate / 10
    assert (told["connections"], told["gaps"]) == (1, 0)
    assert after.holds()


def test_a_stop_on_a_full_disk_says_why_and_the_next_start_makes_the_rows(busy_rig, tmp_path):
    """Stopped while there is no room it ends with 74 and one line; with room the tape is made whole."""
    after = Aftermath()
    with memory(tmp_path, kib=4096) as disk:
        root = disk.path / "tape"
        run = busy_rig.start(root)
        wait_until(lambda: "no room is left" in run.text() or run.ended(), 60, "the disk is full")
        run.send(signal.SIGTERM)
        code = run.wait(END_S)
        after.acknowledge(checker.paths_under(root), run.told())
        said = checker.check_reason(run.text()) if code else ""
        disk.remount(ROOM)
        before = checker.paths_under(root)
        again = busy_rig.start(root, seconds=1.5)
        assert again.wait(1.5 + END_S) == 0, again.text()
        after.acknowledge(checker.paths_under(root) - before, again.told())
        after.take(root, busy_rig.truth, tmp_path)

    report(f"stopped on a full disk: exit {code}; {after.text()}")
    assert code in (0, *IO_CODES)  # What little there is to write at the end may just fit.
    assert code == 0 or "No space left" in said
    assert after.holds()


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


@pytest.mark.parametrize("policy", ["block", "drop-with-gap", "exit"])
def test_past_what_may_wait_for_a_sync_the_policy_happens(policy, busy_rig, tmp_path):
    """With 4 MiB that may wait and a sync of three seconds: it waits; or ends the connection until then; or ends."""
    root, after = tmp_path / "tape", Aftermath()
    rules = shim.rule("DELAY", on="fdatasync", path=f"{root}/journal", at=10, ms=3000)
    run = busy_rig.start(root, rules=rules, unsynced_mib=4, on_stall=policy)
    wait_until(run.counts.made, END_S, "the stall begins")
    before = run.told()["messages"]
    if policy != "exit":
        wait_until(lambda: run.told()["messages"] > before + 30_000 or run.ended(), 2 * END_S, "it goes on")
        run.send(signal.SIGTERM)
    code = run.wait(END_S)
    told = run.told()
    after.acknowledge(checker.paths_under(root), told)
    after.take(root, busy_rig.truth, tmp_path)
    holes = notes(root / "lake", "disk stalled")

    report(
        f"4 MiB may wait, fdatasync stalled 3 s, {policy}: exit {code}, connections {told['connections']}, holes "
        f"{len(holes)}, event loop late by at most {told['lag_us'] / 1000:.0f} ms; {after.text()}"
    )
    assert (code in IO_CODES) == (policy == "exit"), run.text()
    assert len(holes) == (policy == "drop-with-gap")
    if policy == "exit":
        assert "bytes wait to be synced" in checker.check_reason(run.text())
    else:
        assert told["connections"] == (2 if holes else 1)
        assert (told["lag_us"] > 1_000_000) == (policy == "block")
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
        (still,) = notes(root / "lake", "stood still")

    report(
        f"file system frozen 5 s: exit {code}, event loop late by at most {told['lag_us'] / 1000:.0f} ms, "
        f"connections {told['connections']}; {after.text()}"
    )
    assert code == 0, run.text()
    assert (told["connections"], told["gaps"]) == (1, 0)
    assert 4e9 < still["to_ns"] - still["from_ns"] < 8e9
    assert after.holds()
