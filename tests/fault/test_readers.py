"""E7: a reader asks a hundred times a second beside a recorder, compaction and vacuum; no error, no count falls."""

import resource
import time
from concurrent.futures import ThreadPoolExecutor

import checker
import pytest
from aftermath import Aftermath
from campaign import report, scaled

import fixtape
from queries.errors import NotALake

pytestmark = [pytest.mark.faults, pytest.mark.timeout(600)]

READ_S = scaled(8, 60)
READERS = 4  # Threads, which share one tape.
PERIOD_S = READERS / 100
REFRESH_S = 0.5  # How often new commits are taken in.
TABLES = ("messages", "book_changes", "events")
END_S = 20.0


class Reader:
    """Asks in turn for the rows of each table, and counts what must not be."""

    def __init__(self, tape, phase):
        self.tape, self.phase = tape, phase
        self.looks = self.errors = self.falls = 0
        self.seen = dict.fromkeys(TABLES, 0)

    def read(self):
        """Ask as often as it should until the time is over."""
        begin = refreshed = time.monotonic() + self.phase * PERIOD_S
        while time.monotonic() - begin < READ_S:
            if self.phase == 0 and time.monotonic() - refreshed > REFRESH_S:
                refreshed = time.monotonic()
                self.tape.refresh()
            self.look(TABLES[self.looks % len(TABLES)])
            time.sleep(max(0.0, begin + self.looks * PERIOD_S - time.monotonic()))

    def look(self, table):
        """Ask once."""
        self.looks += 1
        try:
            ((count,),) = self.tape.sql(f"SELECT count(*) FROM {table}").fetchall()  # noqa: S608 - a name of ours
        except Exception as error:  # noqa: BLE001 - any is a failure, and counted
            print(error)
            self.errors += 1
            return
        self.falls += count < self.seen[table]
        self.seen[table] = count


def used_s():
    """CPU time of this process, in which the readers are and nothing else."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def test_a_reader_beside_a_recorder_and_compaction_sees_no_error_and_no_count_fall(quiet_rig, tmp_path):
    """At each look the tape answers, with at least the rows of the look before."""
    root, after = tmp_path / "tape", Aftermath()
    run = quiet_rig.start(root)
    run.wait_for_data()
    while True:
        try:
            tape = fixtape.open(root)
            break
        except NotALake:
            time.sleep(0.02)
    tidying = quiet_rig.job("tidy", root, READ_S)
    with tape, ThreadPoolExecutor(READERS) as pool:
        readers = [Reader(tape, place / READERS) for place in range(READERS)]
        cpu_s = used_s()
        for done in [pool.submit(reader.read) for reader in readers]:
            done.result()
        cpu_s = used_s() - cpu_s
    looks, errors, falls = (sum(getattr(it, name) for it in readers) for name in ("looks", "errors", "falls"))
    assert tidying.wait(READ_S + END_S) == 0, tidying.text()
    tidied = tidying.text().strip()
    run.kill()
    after.acknowledge(checker.paths_under(root), run.told())
    after.take(root, quiet_rig.truth, tmp_path, compacted=True)

    what = f"{looks} queries in {READ_S} s, {1000 * cpu_s / looks:.1f} ms of CPU each, refreshing included"
    what += f", errors {errors}, counts that fell {falls}"
    report(f"reader beside a recorder: {tidied}; {what}; {after.text()}")
    assert (errors, falls) == (0, 0)
    assert all(it.seen["messages"] > 0 for it in readers)
    assert "files vacuumed 0" not in tidied, tidied
    assert after.holds()
