"""A16, A17: what writes or tidies a lake is killed at each of its steps, then done again; the rows are the same.

A step is a call that changes the file system: open for writing, write, sync, rename, link, unlink, mkdir. Killed at
the k-th, for every k until it comes to its end; writes are cut in their middle.
"""

import shutil
import time

import checker
import pytest
import shim
from aftermath import Aftermath
from campaign import report, scaled
from steps import JOB_S, copied, killed_at_every_step

from storage.journal.segments import segment_name
from storage.journal.trimmed import read_trimmed

pytestmark = [pytest.mark.faults, pytest.mark.timeout(7200)]


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


def test_compression_killed_at_any_step_leaves_every_record(tape, quiet_rig, tmp_path):
    """The records are the same at each step and after it is done again, and then the journal has one form."""
    root, after = tmp_path / "tape", Aftermath()
    wanted = [bytes(it.received) for it in checker.read(tape).sessions]

    def check(_root):
        assert [bytes(it.received) for it in checker.read(root).sessions] == wanted
        run = quiet_rig.job("compress", root)
        assert run.wait(JOB_S) == 0, run.text()
        assert [bytes(it.received) for it in checker.read(root).sessions] == wanted
        assert not list(root.rglob("*.pcapng"))
        checker.check_nothing_left(root)

    kills = killed_at_every_step(quiet_rig, copied(tape, root), "compress", check, stride=1)
    after.take(tape, quiet_rig.truth, tmp_path)

    report(f"compression killed at {kills} steps: records changed 0; {after.text()}")
    assert kills > 4
    assert after.holds()


def test_trimming_killed_at_any_step_leaves_every_row(tape, quiet_rig, tmp_path):
    """The lake's rows are the same at each step; what a killed trim noted and left is removed when it is done again."""
    root, after = tmp_path / "tape", Aftermath()
    wanted = checker.file_names(tape / "lake")

    def check(_root):
        assert checker.file_names(root / "lake") == wanted
        run = quiet_rig.job("trim", root)
        assert run.wait(JOB_S) == 0, run.text()
        assert not checker.paths_under(root)
        checker.check_lake(root / "lake")
        checker.check_nothing_left(root)

    kills = killed_at_every_step(quiet_rig, copied(tape, root), "trim", check, stride=1)
    after.take(tape, quiet_rig.truth, tmp_path)

    report(f"trim killed at {kills} steps: rows changed 0; {after.text()}")
    assert kills > 3
    assert after.holds()


@pytest.mark.parametrize("job", ["compress", "trim", "rebuild"])
def test_jobs_whose_writes_are_short_do_the_same(job, tape, quiet_rig, tmp_path):
    """Every write half done: the records, the files and what is noted are as without."""
    root = tmp_path / "tape"
    shutil.copytree(tape, root)
    if job == "rebuild":
        shutil.rmtree(root / "lake")
    arguments = (root, root / "lake") if job == "rebuild" else (root,)
    run = quiet_rig.job(job, *arguments, rules=shim.rule("SHORT", on="write", path=str(root), size=-1))
    assert run.wait(JOB_S) == 0, run.text()

    report(f"{job} with short writes {run.counts.made()}: nothing changed")
    assert run.counts.made() > 1
    assert checker.file_names(root / "lake") == checker.file_names(tape / "lake")
    if job == "trim":
        names = {segment_name(it) for it in checker.paths_under(tape)}
        assert {it.segment for it in read_trimmed(root)} == names
    else:
        assert checker.read(root).expected() == checker.read(tape).expected()
