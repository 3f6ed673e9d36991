"""Commit after commit to one table: what the writer holds does not grow with them.

FIXTAPE_COMMITS sets how many; `make soak` takes eight hundred, and has deltalake's jemalloc give pages back at once, so
that what is held is measured and not what was.
"""

import os
from pathlib import Path

import pytest
from lake_rows import SECOND, T0
from resources import quarters, resident_kib

from storage.commits import CHECKPOINT_COMMITS, TableLog
from storage.files import Range, WrittenFile

pytestmark = pytest.mark.timeout(600)

COMMITS = int(os.environ.get("FIXTAPE_COMMITS", "20"))
COMMIT_KIB_LIMIT = 16.0  # Of growth a commit: 2 to 3 are the file that it adds, 80 were a table kept and updated.
SETTLED = 8 * CHECKPOINT_COMMITS  # From here on a quarter is whole rounds from checkpoint to checkpoint.


def listed(number: int) -> WrittenFile:
    """A file as the log lists it, of a second's rows; nobody opens it."""
    at_ns = T0 + number * SECOND
    ranges = {
        "receive_ns": Range(at_ns, at_ns + SECOND - 1),
        "msg_seq_num": Range(number * 1000, number * 1000 + 999),
        "symbol": Range("ADA/USD", "ZRX/USD"),
    }
    return WrittenFile(f"date=2026-11-22/{number:016x}.parquet", "2026-11-22", 65_536, 1000, "0" * 64, ranges, {})


def test_commits_leave_memory_flat(tmp_path: Path) -> None:
    """Over the second half memory grows by what is known of the files and no more, and the log lists every one."""
    log = TableLog.create(tmp_path / "trades", "trades")
    samples = []

    for number in range(1, COMMITS + 1):
        log.commit([listed(number)], app_id="soak", version=number, at_ns=T0 + number * SECOND, metadata={})
        samples.append((number, resident_kib()))

    assert len(log.listing().adds) == COMMITS
    if COMMITS >= SETTLED:
        second, last = quarters(samples, COMMITS)
        commit_kib = (last - second) / (COMMITS / 2)
        print(f"{COMMITS} commits, second and last quarter: {second} and {last} KiB, {commit_kib:.1f} KiB a commit")
        assert commit_kib < COMMIT_KIB_LIMIT
