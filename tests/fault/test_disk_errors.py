"""A7 to A9, A11, A12, A14: calls that fail, give less, or are interrupted; too few descriptors; two writers.

After each the recorder goes on, or ends within seconds with one line and exit code 73 or 74; either way nothing that
it called durable is missing, and the tape is brought back whole.
"""

import resource
import signal
import time
from pathlib import Path

import checker
import pytest
import shim
from aftermath import Aftermath
from campaign import chance, report, scaled
from rig import wait_until

pytestmark = [pytest.mark.faults, pytest.mark.timeout(3600)]

RUN_S = 2.2
END_S = 10.0
CALLS = scaled(4, 40)  # Of each kind of failure, at how many different calls.
IO_CODES = (73, 74)
# Written again elsewhere; or where the reserve was; or, of the lake, a little later. And what is said of it.
SURVIVED = {
    "journal write EIO": "alarm: journal failure: Input/output error",
    "journal fdatasync EIO": "alarm: journal failure: Input/output error",
    "journal directory fsync EIO": "alarm: journal failure: Input/output error",
    "journal write ENOSPC": "alarm: disk full: the disk is full",
    "lake rename ENOSPC": "alarm: lake waits: No space left on device",
}

# By name: the calls, of what, the failure, for ever or once, and up to which call.
FAILURES = {
    "journal write EIO": ("write", "journal", "EIO", 1, 150),
    "journal write ENOSPC": ("write", "journal", "ENOSPC", 1, 150),
    "journal write EDQUOT for ever": ("write", "journal", "EDQUOT", 0, 150),
    "journal fdatasync EIO": ("fdatasync", "journal", "EIO", 1, 40),
    "journal fdatasync EIO for ever": ("fdatasync", "journal", "EIO", 0, 40),
    "journal directory fsync EIO": ("fsync", "journal", "EIO", 1, 2),
    "journal open EROFS": ("open", "journal", "EROFS", 0, 1),
    "lake write ENOSPC": ("write", "lake", "ENOSPC", 0, 60),
    "lake write EIO": ("write", "lake", "EIO", 1, 60),
    "lake fsync EIO": ("fsync|fdatasync", "lake", "EIO", 1, 60),
    "lake rename ENOSPC": ("rename|link", "lake", "ENOSPC", 1, 20),
    "lake open EROFS": ("open|mkdir", "lake", "EROFS", 0, 60),
}


def fail(rig, root, name, at, after):
    """Record while a call fails; return the exit code and what was made of it."""
    calls, part, what, times, _ = FAILURES[name]
    rules = shim.rule(what, on=calls, path=f"{root}/{part}", at=at, times=times)
    run = rig.start(root, rules=rules)
    deadline = time.monotonic() + RUN_S
    while time.monotonic() < deadline and not run.ended():
        time.sleep(0.01)
    if not run.ended():
        run.send(signal.SIGTERM)
    code = run.wait(END_S)
    after.acknowledge(checker.paths_under(root), run.told())
    if code:
        assert code in IO_CODES, run.text()
        checker.check_reason(run.text())
    made = run.counts.made()
    if name in SURVIVED and code != 73:  # A table that cannot be made at the start is no recording yet.
        assert code == 0, run.text()
        assert run.text().count(SURVIVED[name]) == bool(made)
    return code, made


@pytest.mark.parametrize("name", FAILURES)
def test_a_call_that_fails_costs_nothing_that_was_durable(name, quiet_rig, tmp_path):
    """Whichever call it is: what was called durable is there, one line says why it ended, and the tape comes back."""
    draw, after = chance(name), Aftermath()
    last = FAILURES[name][-1]
    places = sorted(draw.sample(range(1, last + 1), min(CALLS, last)))
    ended = went_on = made_of = 0
    for at in places:
        root = tmp_path / f"tape-{at}"
        code, made = fail(quiet_rig, root, name, at, after)
        made_of += bool(made)
        ended += bool(code)
        went_on += bool(made) and not code
        if checker.paths_under(root):
            after.take(root, quiet_rig.truth, tmp_path)
    report(f"{name} at {len(places)} calls, made at {made_of}: ended {ended}, went on {went_on}; {after.text()}")
    assert after.holds()
    assert made_of > 0, "no call failed: the campaign is blind"
    if "fdatasync EIO for ever" in name:
        assert ended == made_of, "it went on without a disk that takes anything"


@pytest.mark.parametrize("fault", ["SHORT", "EINTR"])
def test_short_and_interrupted_calls_change_nothing(fault, quiet_rig, tmp_path):
    """Every write half done, or every third call interrupted: the tape is the same as without, byte for byte."""
    root, after = tmp_path / "tape", Aftermath()
    if fault == "SHORT":
        rules = shim.rule(fault, on="write", path=str(root), size=-1)
    else:
        rules = ";".join(shim.rule(fault, on="write|fsync|fdatasync", path=str(root), at=at) for at in range(3, 48, 3))
    run = quiet_rig.start(root, rules=rules, seconds=RUN_S)
    assert run.wait(RUN_S + END_S) == 0, run.text()
    after.acknowledge(checker.paths_under(root), run.told())
    made = sum(run.counts.made(place) for place in range(rules.count(";") + 1))
    before = checker.file_names(root / "lake")
    after.take(root, quiet_rig.truth, tmp_path)

    report(f"{fault} {made} calls: {after.text()}")
    assert after.holds()
    assert checker.file_names(root / "lake") == before
    assert made > 10


def test_a_file_that_may_not_grow_is_followed_by_another(quiet_rig, tmp_path):
    """ulimit -f: each segment ends at the limit, and the next one goes on in the same connection."""
    root, after = tmp_path / "tape", Aftermath()
    run = quiet_rig.start(root, limits={"RLIMIT_FSIZE": 100_000}, seconds=4)
    code = run.wait(4 + END_S)
    told, segments = run.told(), checker.paths_under(root)
    after.acknowledge(segments, told)
    after.take(root, quiet_rig.truth, tmp_path)

    report(f"file-size limit: exit {code}, {len(segments)} segments of one connection; {after.text()}")
    assert code == 0, run.text()
    assert len(segments) > 2
    assert (told["connections"], told["gaps"]) == (1, 0)
    assert after.holds()


def test_thirty_two_descriptors_are_enough(quiet_rig, tmp_path):
    """RLIMIT_NOFILE 32: it records and commits as ever."""
    root, after = tmp_path / "tape", Aftermath()
    run = quiet_rig.start(root, limits={"RLIMIT_NOFILE": 32}, seconds=RUN_S)
    code = run.wait(RUN_S + END_S)
    after.acknowledge(checker.paths_under(root), run.told())
    after.take(root, quiet_rig.truth, tmp_path)

    report(f"32 descriptors: exit {code}; {after.text()}")
    assert code == 0, run.text()
    assert after.holds()


def test_no_descriptor_left_while_recording_loses_nothing(quiet_rig, tmp_path):
    """EMFILE for three seconds: the session goes on, the lake waits and catches up, and no descriptor is lost."""
    root, after = tmp_path / "tape", Aftermath()
    run = quiet_rig.start(root)
    run.wait_for_data()
    held = len(list(Path(f"/proc/{run.pid}/fd").iterdir()))
    resource.prlimit(run.pid, resource.RLIMIT_NOFILE, (held, 4096))
    wait_until(lambda: "lake waits" in run.text() or run.ended(), END_S, "the lake waits")
    before = run.told()["messages"]
    time.sleep(3)
    went_on = run.told()["messages"] - before
    resource.prlimit(run.pid, resource.RLIMIT_NOFILE, (4096, 4096))
    committed = run.told()["committed"]
    wait_until(lambda: run.told()["committed"] > committed + 1000 or run.ended(), END_S, "the lake catches up")
    held_after = len(list(Path(f"/proc/{run.pid}/fd").iterdir()))
    run.send(signal.SIGTERM)
    code = run.wait(END_S)
    told = run.told()
    after.acknowledge(checker.paths_under(root), told)
    after.take(root, quiet_rig.truth, tmp_path)

    report(
        f"no descriptor left for 3 s: {went_on} messages meanwhile, exit {code}, descriptors {held} and {held_after}; "
        f"{after.text()}"
    )
    assert code == 0, run.text()
    assert went_on > 200
    assert held_after <= held + 2
    assert (told["connections"], told["gaps"]) == (1, 0)
    assert "alarm: lake waits: Too many open files" in run.text()
    assert after.holds()


def test_a_second_writer_is_refused_at_once(quiet_rig, tmp_path):
    """It ends with 75 within a second and one line; the first records on; after a SIGKILL the lock is free."""
    root, after = tmp_path / "tape", Aftermath()
    first = quiet_rig.start(root)
    first.wait_for_data()
    before = first.told()["messages"]
    second = quiet_rig.start(root)
    assert second.wait(END_S) == 75
    took_s = (time.monotonic_ns() - second.began_ns) / 1e9
    reason = checker.check_reason(second.text())
    wait_until(lambda: first.told()["messages"] > before + 50, END_S, "the first records on")
    first.kill()
    after.acknowledge(checker.paths_under(root), first.told())
    third = quiet_rig.start(root, seconds=1)
    assert third.wait(1 + END_S) == 0, third.text()
    after.take(root, quiet_rig.truth, tmp_path)

    report(f"two writers: the second refused with 75 in {took_s:.2f} s, the first undisturbed; {after.text()}")
    assert "another recorder writes there" in reason
    assert took_s < 1.0
    assert after.holds()
