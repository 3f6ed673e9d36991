"""A17: compaction, retention and vacuum killed at each of their steps.

Steps are those of `steps`. Rows are read by pyarrow from the files that deltalake lists, in each state once.
"""

import checker
import pyarrow.parquet as pq
import pytest
from campaign import report, scaled
from recovery import recover
from steps import JOB_S, copied, killed_at_every_step

pytestmark = [pytest.mark.faults, pytest.mark.timeout(7200)]


class RowsOf:
    """The rows of a lake by table, sorted; of each list of files once, as a name says what a file holds."""

    def __init__(self):
        self._known = {}

    def __call__(self, lake):
        return {name: self._rows(lake / name, files) for name, files in checker.lake_files(lake).items()}

    def _rows(self, table, files):
        key = table.name, frozenset(path for path, _, _ in files)
        if key not in self._known:
            rows = [row for path in key[1] for row in pq.ParquetFile(table / path).read().to_pylist()]
            self._known[key] = sorted(map(str, rows))
        return self._known[key]


@pytest.fixture(scope="module")
def rows_of():
    return RowsOf()


@pytest.fixture(scope="module")
def compacted(tape, quiet_rig, tmp_path_factory):
    """The tape, compacted by a job that nothing disturbed."""
    root = tmp_path_factory.mktemp("compacted") / "tape"
    copied(tape, root)()
    done(quiet_rig, "compact_day", root)
    return root


def done(rig, job, root):
    """Do a job to its end."""
    run = rig.job(job, root)
    assert run.wait(JOB_S) == 0, run.text()


def on_disk(lake):
    """The data files that stand there, listed or not."""
    return {path.relative_to(lake).as_posix() for path in lake.glob("*/date=*/*")}


def test_compaction_killed_at_any_step_leaves_every_row(tape, compacted, quiet_rig, rows_of, tmp_path):
    """At each step, and after a recovery, the rows are the same; done again it makes what it makes undisturbed."""
    root, files = tmp_path / "tape", 0
    wanted, made = rows_of(tape / "lake"), checker.file_names(compacted / "lake")
    assert made != checker.file_names(tape / "lake")

    def check(_root):
        nonlocal files
        assert rows_of(root / "lake") == wanted
        files += checker.check_lake(root / "lake")
        recover(root)
        assert rows_of(root / "lake") == wanted
        done(quiet_rig, "compact_day", root)
        assert checker.file_names(root / "lake") == made
        assert rows_of(root / "lake") == wanted
        checker.check_lake(root / "lake")
        checker.check_nothing_left(root)
        assert not (root / "quarantine").exists()

    kills = killed_at_every_step(quiet_rig, copied(tape, root), "compact_day", check)

    report(f"compaction killed at {kills} steps: rows changed 0, files broken 0 of {files}")
    assert kills > 5


def test_retention_killed_at_any_step_takes_a_table_s_date_whole_or_not(tape, quiet_rig, rows_of, tmp_path):
    """At each step a table has all of its rows or none; done again it has none, no rebuild brings them back."""
    root = tmp_path / "tape"
    wanted = rows_of(tape / "lake")

    def check(_root):
        left = rows_of(root / "lake")
        assert all(left[name] in (wanted[name], []) for name in wanted)
        done(quiet_rig, "retain_nothing", root)
        recover(root)
        assert not any(rows_of(root / "lake").values())
        assert checker.paths_under(root)
        checker.check_nothing_left(root)

    kills = killed_at_every_step(quiet_rig, copied(tape, root), "retain_nothing", check)

    report(f"retention killed at {kills} steps: tables with half a date 0")
    assert kills > 2


def test_vacuum_killed_at_any_step_removes_nothing_that_is_listed(compacted, quiet_rig, rows_of, tmp_path):
    """At each step every listed file is whole; done again just these are on the disk."""
    root = tmp_path / "tape"
    wanted, names = rows_of(compacted / "lake"), checker.file_names(compacted / "lake")

    def check(_root):
        assert checker.file_names(root / "lake") == names
        assert rows_of(root / "lake") == wanted
        checker.check_lake(root / "lake")
        done(quiet_rig, "vacuum_all", root)
        assert on_disk(root / "lake") == names

    kills = killed_at_every_step(quiet_rig, copied(compacted, root), "vacuum_all", check, stride=scaled(5, 1))

    report(f"vacuum killed at {kills} steps: listed files missing 0")
    assert kills > 1
