"""C1, C2, C4: the wall clock steps, the process stands still, midnight comes; the monotonic clock goes on."""

import signal
import time
from datetime import UTC, datetime

import checker
import pyarrow.parquet as pq
import pytest
from aftermath import Aftermath
from campaign import SEED, report
from rig import rig, wait_until

from storage.journal.reader import RecordKind, read_journal

pytestmark = [pytest.mark.faults, pytest.mark.timeout(600)]

END_S = 15.0
DAY_S = 86_400


def rows_by_date(lake, table):
    """The receive times of a table's rows by the date in their path."""
    found = {}
    for path, _, _ in checker.lake_files(lake)[table]:
        times = pq.ParquetFile(lake / table / path).read(["receive_ns"]).column(0).to_pylist()
        found.setdefault(path.partition("/")[0].partition("=")[2], []).extend(times)
    return found


def in_their_dates(lake):
    """How many rows stand under the date of their receive time; fails at one that does not."""
    count = 0
    for table in ("messages", "book_changes", "quotes", "trades"):
        for date, times in rows_by_date(lake, table).items():
            assert {datetime.fromtimestamp(it // 10**9, UTC).date().isoformat() for it in times} == {date}
            count += len(times)
    return count


@pytest.mark.parametrize("step_s", [3600, -3600, DAY_S, -DAY_S])
def test_a_step_of_the_clock_loses_nothing(step_s, quiet_rig, tmp_path):
    """The session goes on, every row is there once under the date of its receive time, and a rebuild agrees."""
    root, after = tmp_path / "tape", Aftermath()
    run = quiet_rig.start(root, seconds=3, steps=[(1.5, step_s)])
    assert run.wait(3 + END_S) == 0, run.text()
    told = run.told()
    after.acknowledge(checker.paths_under(root), told)
    after.take(root, quiet_rig.truth, tmp_path)
    rows = in_their_dates(root / "lake")

    (step,) = [it["text"] for it in checker.events(root / "lake") if it["expected"] == "clock_step"]

    what = f"connections {told['connections']}, gaps {told['gaps']}, {rows:,} rows in their dates"
    report(f"clock steps by {step_s} s: {what}; {after.text()}")
    assert after.holds()
    assert (told["connections"], told["gaps"], told["mismatches"]) == (1, 0, 0)
    assert f"set by {step_s:+.0f}." in step or f"set by {step_s - 1:+.0f}.9" in step or f"{step_s + 1:+.0f}.9" in step


def test_midnight_ends_the_batch_that_is_open(tmp_path):
    """Rows before it and after it stand under their own dates, none twice; the journal goes on in the next day's."""
    root, after = tmp_path / "tape", Aftermath()
    off_s = DAY_S - time.time() % DAY_S - 6
    with rig(tmp_path / "rig", rate=400, seed=SEED, off_s=off_s) as venue_at_night:
        to_midnight_s = DAY_S - (time.time() + off_s) % DAY_S
        run = venue_at_night.start(root, seconds=to_midnight_s + 1.5, steps=[(0, off_s)], batch_s=60)
        assert run.wait(to_midnight_s + END_S) == 0, run.text()
        after.acknowledge(checker.paths_under(root), run.told())
        after.take(root, venue_at_night.truth, tmp_path)
    rows, dates = in_their_dates(root / "lake"), rows_by_date(root / "lake", "messages")

    report(f"midnight with an open batch: {rows:,} rows under {len(dates)} dates; {after.text()}")
    assert len(dates) == 2
    assert len({path.parent.name for path in checker.paths_under(root)}) == 2
    assert (run.told()["connections"], run.told()["gaps"]) == (1, 0)
    assert after.holds()


def test_a_process_that_stood_still_begins_anew_and_says_what_is_missing(quiet_rig, tmp_path):
    """Stopped for longer than the venue waits: on resume the dead session is left, no stale heartbeats are sent."""
    root, after = tmp_path / "tape", Aftermath()
    run = quiet_rig.start(root, heartbeat_s=1)
    run.wait_for_data()
    run.send(signal.SIGSTOP)
    time.sleep(6)
    before = run.told()["messages"]
    resumed_ns = time.time_ns()
    run.send(signal.SIGCONT)
    wait_until(lambda: run.told()["messages"] > before + 200, END_S, "market data after the stop")
    time.sleep(1)
    run.send(signal.SIGTERM)
    assert run.wait(END_S) == 0, run.text()
    told = run.told()
    after.acknowledge(checker.paths_under(root), told)
    after.take(root, quiet_rig.truth, tmp_path)
    records = list(read_journal(root / "journal"))
    burst = [
        it
        for it in records
        if it.kind is RecordKind.SENT and b"\x0135=0\x01" in it.data and 0 <= it.at_ns - resumed_ns < 500_000_000
    ]
    ends = [it for it in records if it.kind in (RecordKind.CLOSED, RecordKind.RESET)]
    events = checker.events(root / "lake")
    (still,) = [it for it in events if it["expected"] == "stood still"]

    report(f"stopped for 6 s: connections {told['connections']}, heartbeats at once {len(burst)}; {after.text()}")
    assert told["connections"] == 2
    assert len(ends) == 2
    assert len(burst) <= 2
    assert "disconnect" in {it["kind"] for it in events}
    assert 5e9 < still["to_ns"] - still["from_ns"] < 8e9
    assert after.holds()
