"""A16, A17: what writes or tidies a lake is killed at each of its steps, then done again; the rows are the same.

A step is a call that changes the file system: open for writing, write, sync, rename, link, unlink, mkdir. Killed at
the k-th, for every k until it comes to its end; writes are cut in their middle.
"""

import shutil
import signal
import time

import checker
import pytest
import shim
from aftermath import Aftermath
from campaign import report, scaled

pytestmark = [pytest.mark.faults, pytest.mark.timeout(7200)]

STRIDE = scaled(9, 1)  # Every so many steps; of a release, every one.
STEPS_LIMIT = 20_000
JOB_S = 60.0


@pytest.fixture(scope="module")
def tape(quiet_rig, tmp_path_factory):
    """A tape of two batches or three, whole."""
    root = tmp_path_factory.mktemp("steps") / "tape"
    run = quiet_rig.start(root, seconds=2.2)
    assert run.wait(20) == 0, run.text()
    return root


def killed_at_every_step(rig, prepare, job, check):
    """Kill a job at every step; `prepare` returns its root and arguments, `check` is told the root after each kill."""
    for kills, at in enumerate(range(1, STEPS_LIMIT, STRIDE)):
        root, arguments = prepare()
        run = rig.job(job, *arguments, rules=shim.rule("KILL", path=str(root), at=at, size=-1))
        code = run.wait(JOB_S)
        check(root)
        shutil.rmtree(root, ignore_errors=True)
        if code == 0:
            assert not run.counts.made()
            return kills
        assert code == -signal.SIGKILL, run.text()
    raise AssertionError(f"more than {STEPS_LIMIT} steps")


def test_a_writer_killed_at_any_step_leaves_whole_files_and_no_row_twice(tape, quiet_rig, tmp_path):
    """Every name in a log is a whole file at each step, and the same batches written again make the same lake."""
    wanted = checker.file_names(tape / "lake")
    after, lake, files = Aftermath(), tmp_path / "lake", 0

    def prepare():
        return lake, (tape, lake)

    def check(_root):
        nonlocal files
        if lake.is_dir():
            files += checker.check_lake(lake)
        run = quiet_rig.job("rebuild", tape, lake)
        assert run.wait(JOB_S) == 0, run.text()
        assert checker.file_names(lake) == wanted
        checker.check_lake(lake)
        checker.check_nothing_left(lake)

    kills = killed_at_every_step(quiet_rig, prepare, "rebuild", check)
    after.take(tape, quiet_rig.truth, tmp_path)

    report(f"writer killed at {kills} steps: files broken 0 of {files}, made again the same {kills}; {after.text()}")
    assert kills > 10
    assert after.holds()


def test_a_recorder_killed_at_any_step_of_a_batch_loses_no_row(quiet_rig, tmp_path):
    """The same with a recorder that commits while it records: at each step of a lake made, and of batches committed."""
    after, kills, at = Aftermath(), 0, 1
    stride = scaled(15, 3)
    while True:
        root = tmp_path / f"tape-{at}"
        run = quiet_rig.start(root, rules=shim.rule("KILL", path=f"{root}/lake", at=at, size=-1))
        deadline = time.monotonic() + 2.2
        while time.monotonic() < deadline and not run.ended():
            time.sleep(0.005)
        made = run.ended()
        run.kill()
        after.acknowledge(checker.paths_under(root), run.told())
        if checker.paths_under(root):
            after.take(root, quiet_rig.truth, tmp_path)
        shutil.rmtree(root)
        if not made:
            break
        kills, at = kills + 1, at + stride

    report(f"recorder killed at {kills} steps of its lake: {after.text()}")
    assert kills > 5
    assert after.holds()
