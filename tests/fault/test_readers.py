"""E7: a reader asks a hundred times a second beside a recorder, compaction and vacuum; no error, no count falls."""

import time

import checker
import pytest
from aftermath import Aftermath
from campaign import report, scaled

import fixtape
from queries.errors import NotALake

pytestmark = [pytest.mark.faults, pytest.mark.timeout(600)]

READ_S = scaled(8, 60)
PERIOD_S = 0.01
REFRESH_LOOKS = 25  # How often new commits are taken in.
END_S = 20.0


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
    looks = errors = falls = 0
    seen = {"messages": 0, "book_changes": 0, "events": 0}
    tables = list(seen)
    begin = time.monotonic()
    with tape:
        while time.monotonic() - begin < READ_S:
            table = tables[looks % len(tables)]
            looks += 1
            if looks % REFRESH_LOOKS == 0:
                tape.refresh()
            try:
                ((count,),) = tape.sql(f"SELECT count(*) FROM {table}").fetchall()  # noqa: S608 - a name of ours
            except Exception as error:  # noqa: BLE001 - any is a failure, and counted
                print(error)
                errors += 1
                continue
            falls += count < seen[table]
            seen[table] = count
            time.sleep(max(0.0, begin + looks * PERIOD_S - time.monotonic()))
    assert tidying.wait(READ_S + END_S) == 0, tidying.text()
    tidied = tidying.text().strip()
    run.kill()
    after.acknowledge(checker.paths_under(root), run.told())
    after.take(root, quiet_rig.truth, tmp_path, compacted=True)

    what = f"{looks} queries in {READ_S} s, errors {errors}, counts that fell {falls}"
    report(f"reader beside a recorder: {tidied}; {what}; {after.text()}")
    assert (errors, falls) == (0, 0)
    assert seen["messages"] > 0
    assert "files vacuumed 0" not in tidied, tidied
    assert after.holds()
