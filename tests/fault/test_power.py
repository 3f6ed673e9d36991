"""A3: the power is cut while it records, on ext4 and on XFS, and the same tape is taken on each time.

The cut is the file system's own: it stops at once, and what had not reached the disk is gone. What the recorder called
durable up to its end must be there after the disk is mounted again, and each file that a log lists must be whole.
"""

import shutil
import time

import checker
import pytest
from aftermath import Aftermath
from campaign import chance, report, scaled
from disks import image

pytestmark = [pytest.mark.faults, pytest.mark.timeout(7200)]

CUTS = scaled(4, 50)
CUTS_A_ROUND = 10
RUN_S = 2.0
END_S = 20.0


@pytest.mark.parametrize("kind", ["ext4", "xfs"])
def test_a_power_cut_takes_nothing_that_was_called_durable(kind, busy_rig, tmp_path):
    """No byte and no row is missing that was called durable, and no file under a final name is broken."""
    draw = chance(f"power {kind}")
    cuts = taken = rows_acknowledged = rows_missing = 0
    after = Aftermath()
    with image(tmp_path, kind, mib=1500) as disk:
        while cuts < CUTS:
            root = disk.path / f"tape-{cuts}"
            rows = 0
            for _ in range(min(CUTS_A_ROUND, CUTS - cuts)):
                before = checker.paths_under(root)
                run = busy_rig.start(root)
                time.sleep(draw.uniform(0.1, RUN_S))
                disk.cut()
                run.kill()
                told = run.told()
                disk.unmount()
                disk.mount()
                paths = checker.paths_under(root) - before
                after.acknowledge(paths, told)
                cuts += 1
                rows += told["committed"]
                taken += max(0, told["written"] - checker.whole_bytes(paths)[0])
            held = checker.lake_rows(root / "lake")
            rows_acknowledged, rows_missing = rows_acknowledged + rows, rows_missing + max(0, rows - held)
            after.take(root, busy_rig.truth, tmp_path)
            shutil.rmtree(root)
            busy_rig.truth.clear(busy_rig.truth.paths())

    report(
        f"power cuts on {kind} {cuts}: {after.text()}; not yet durable {taken:,} bytes taken; "
        f"committed {rows_acknowledged:,} rows, missing {rows_missing}, corrupt files 0 of {after.files}"
    )
    assert after.holds()
    assert rows_missing == 0
    assert taken > 0, "no cut took anything: the campaign is blind"
