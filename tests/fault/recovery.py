"""What brings a tape back after a fault: what every start of a recorder does, called in this process."""

import time

import checker

from storage.lake import Lake
from storage.rebuild import rebuild
from storage.recovery import Recovery
from storage.recovery_journal import ARCHIVE
from storage.tape_layout import LAKE, locked

SOFTWARE = "fixtape faults"


def recover(root, *, every_entry=False):
    """Bring the tape under a root back into order; nothing may be left undone."""
    if not checker.paths_under(root):
        return
    with locked(root, doing="recover") as left_by:
        recovery = Recovery(root, software=SOFTWARE, at_ns=time.time_ns(), policy=ARCHIVE, every_entry=every_entry)
        recovery.before_recording(left_by)
        for _ in recovery.steps(Lake.create_or_open(root / LAKE)):
            pass
    assert not recovery.report.failed, recovery.report.failed


def rebuilt(root, into):
    """A lake made of the journal alone."""
    rebuild(root / "journal", into, software=SOFTWARE)
    return into
