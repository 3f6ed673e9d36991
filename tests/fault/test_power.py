"""A3: the power is cut while it records, on ext4 and on XFS, and the same tape is taken on each time.

The cut is the file system's own: it stops at once, and what had not reached the disk is gone. What the recorder called
durable up to its end must be there after the disk is mounted again, and each file that a log lists must be whole.
"""

import shutil
import time

import checker
import pytest
from campaign import chance, report, scaled
from disks import image
from recovery import rebuilt, recover

pytestmark = [pytest.mark.faults, pytest.mark.timeout(7200)]

CUTS = scaled(4, 50)
CUTS_A_ROUND = 10
RUN_S = 2.0
END_S = 20.0


@pytest.mark.parametrize("kind", ["ext4", "xfs"])
def test_a_power_cut_takes_nothing_that_was_called_durable(kind, busy_rig, tmp_path):
    """No byte and no row is missing that was called durable, and no file under a final name is broken."""
    draw = chance(f"power {kind}")
    cuts = acknowledged = missing = rows_acknowledged = rows_missing = files = 0
    taken = lost = twice = 0
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
                size, _ = checker.whole_bytes(sorted(checker.paths_under(root) - before))
                cuts += 1
                rows += told["committed"]
                acknowledged += told["durable"]
                missing += max(0, told["durable"] - size)
                taken += max(0, told["written"] - size)
            held = checker.lake_rows(root / "lake")
            rows_acknowledged, rows_missing = rows_acknowledged + rows, rows_missing + max(0, rows - held)
            recover(root)
            first = checker.digest(root)
            recover(root)
            assert checker.digest(root) == first, "recovery a second time changed something"
            checker.check_nothing_left(root)
            journal = checker.read(root)
            journal.check(busy_rig.truth)
            files += checker.check_lake(root / "lake")
            found = checker.market_rows(root / "lake", journal.expected())
            lost, twice = lost + found.lost, twice + found.twice + found.unexpected
            again = rebuilt(root, tmp_path / "again")
            assert checker.file_names(root / "lake") == checker.file_names(again)
            shutil.rmtree(again)
            shutil.rmtree(root)
            busy_rig.truth.clear(busy_rig.truth.paths())

    report(
        f"power cuts on {kind} {cuts}: acknowledged {acknowledged:,} bytes, missing {missing}, "
        f"not yet durable {taken:,} bytes taken; "
        f"committed {rows_acknowledged:,} rows, missing {rows_missing}, corrupt files 0 of {files}; "
        f"rows lost {lost}, duplicate {twice}"
    )
    assert (missing, rows_missing, lost, twice) == (0, 0, 0, 0)
    assert taken > 0, "no cut took anything: the campaign is blind"
