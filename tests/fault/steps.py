"""A job that is killed at each of its steps: of each call that changes the file system, writes cut in their middle."""

import shutil
import signal

import shim
from campaign import scaled

STRIDE = scaled(9, 1)  # Every so many steps; of a release, every one.
STEPS_LIMIT = 20_000
JOB_S = 60.0


def killed_at_every_step(rig, prepare, job, check, stride=STRIDE):
    """Kill a job at every step; `prepare` returns its root and arguments, `check` is told the root after each kill."""
    for kills, at in enumerate(range(1, STEPS_LIMIT, stride)):
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


def copied(tape, folder):
    """A way to begin again: a copy of the tape for each kill."""

    def prepare():
        shutil.copytree(tape, folder)
        return folder, (folder,)

    return prepare
