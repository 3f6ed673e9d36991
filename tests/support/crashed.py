"""Tapes as a crash leaves them: a recorder that really ran, copied while it did, and damaged on purpose."""

import hashlib
import shutil
from pathlib import Path

from venues import record_until, recordings, settings_for, venue_thread

from storage.lake import Lake
from storage.recovery import Recovery
from storage.tape_layout import LAKE, locked

SOFTWARE = "fixtape test"
AT_NS = 1_795_348_500_123_456_789


def make_tapes(directory: Path) -> tuple[Path, Path]:
    """Record for some batches; return the tape that ended in order, and a copy of it taken while it was recorded."""
    whole, crashed = directory / "whole", directory / "crashed"

    def done(recorder) -> bool:
        if recorder.counters.market_data >= 700 and not crashed.exists() and recorder.writer.batches >= 3:
            shutil.copytree(whole / "lake", crashed / "lake")  # First: a lake never knows more than its journal.
            shutil.copytree(whole / "journal", crashed / "journal")
        return recorder.counters.market_data >= 1129

    with venue_thread(recordings("ethusd-d25"), speed=8.0) as (server, credentials):
        settings = settings_for(server, credentials.write_ca(directory / "ca.pem"), whole, batch_s=1)
        record_until(settings, done)
    assert crashed.exists(), "the recording ended before it could be copied"
    return whole, crashed


def recover(root: Path, *, policy: str = "archive", say=None, every_entry: bool = False):
    """Recover a tape as a recorder does at its start, or `fixtape recover`; returns the report."""
    with locked(root, doing="recover") as left_by:
        recovery = Recovery(root, software=SOFTWARE, at_ns=AT_NS, policy=policy, say=say, every_entry=every_entry)
        recovery.before_recording(left_by)
        for _ in recovery.steps(Lake.create_or_open(root / LAKE)):
            pass
    return recovery.report


def tree(root: Path) -> dict[str, str]:
    """Every file under a directory with the digest of its bytes."""
    return {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def files_of(lake: Path) -> set[str]:
    """The names of a lake's files; they end in their content's digest."""
    return {path.relative_to(lake).as_posix() for path in lake.rglob("*.parquet") if "_delta_log" not in path.parts}
