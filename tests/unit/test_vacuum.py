"""Vacuum and retention: what leaves a lake, when, and what never does."""

import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from crashed import tree
from lake_maker import make_lake
from lake_rows import SECOND, add

import fixtape
from capture.columns import Columns
from storage import lake_cli
from storage.commits import TableLog
from storage.compaction import compact
from storage.lake import Lake
from storage.retention import retain
from storage.schemas import TABLES
from storage.vacuum import vacuum
from storage.verify import Checked, Scope, verify_lake
from storage.verify_rows import verify_books, verify_numbers

DAY_NS = 24 * 3600 * SECOND
DAY_1 = 1_795_305_600 * SECOND  # 2026-11-22T00:00:00Z
NOW_NS = DAY_1 + 5 * DAY_NS
SOFTWARE = "fixtape test"
FEW = ("trades", "messages", "events")


def batch(at_ns: int, seq: int) -> Columns:
    columns = Columns()
    for place in range(4):
        for table in FEW:
            add(columns, table, receive_ns=at_ns + place, msg_seq_num=seq + place, symbol="BTC/USD")
    return columns


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two days of three batches each."""
    starts = [DAY_1 + day * DAY_NS + hour * 3600 * SECOND for day in (0, 1) for hour in (1, 2, 3)]
    root = tmp_path_factory.mktemp("recorded")
    return make_lake(root, *(batch(at_ns, 1 + 4 * place) for place, at_ns in enumerate(starts)))


@pytest.fixture
def root(recorded: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(recorded, tmp_path / "tape"))


def compacted(root: Path) -> None:
    list(compact(root, root / "lake", now_ns=NOW_NS, software=SOFTWARE))


def age(root: Path, at_ns: int = NOW_NS) -> None:
    """Have every file be of a time; a copy is as old as the test."""
    for path in (root / "lake").rglob("*.parquet"):
        os.utime(path, ns=(at_ns, at_ns))


def vacuumed(root: Path, now_ns: int, **options: Any) -> dict[str, tuple[int, int]]:
    sums = vacuum(root / "lake", keep_ns=7 * DAY_NS, now_ns=now_ns, **options)
    return {it.table: (it.files, it.waiting) for it in sums}


def retained(root: Path, days: int, **options: Any) -> dict[str, tuple[int, int]]:
    sums = retain(root / "lake", days=days, now_ns=NOW_NS, software=SOFTWARE, **options)
    return {it.table: (it.dates, it.files) for it in sums if it.files}


def data_files(root: Path, table: str = "trades") -> set[str]:
    return {path.name for path in (root / "lake" / table).glob("date=*/*")}


def dates(root: Path, table: str) -> set[str]:
    return {file.date for file in Lake.open(root / "lake").files(table)}


def findings(root: Path) -> list[str]:
    lake, checked = root / "lake", Checked()
    found = [*verify_lake(lake, Scope(), checked, lambda _: None)]
    return [str(it) for it in (*found, *verify_numbers(lake, Scope(), checked), *verify_books(lake, Scope(), checked))]


def test_inputs_stay_for_the_grace_period_and_go_after_it(root: Path) -> None:
    """Within the grace period nothing is removed and a tape opened before still answers; after it the inputs go."""
    opened = fixtape.open(root)
    before = opened.sql("SELECT count(*) FROM trades").fetchall()
    compacted(root)
    age(root)

    assert vacuumed(root, NOW_NS + 7 * DAY_NS - 1)["trades"] == (0, 6)
    assert opened.sql("SELECT count(*) FROM trades").fetchall() == before == [(24,)]

    assert vacuumed(root, NOW_NS + 7 * DAY_NS)["trades"] == (6, 0)
    assert len(data_files(root)) == 2
    assert fixtape.open(root).sql("SELECT count(*) FROM trades").fetchall() == before
    assert findings(root) == []
    assert vacuumed(root, NOW_NS + 8 * DAY_NS)["trades"] == (0, 0)


def test_nothing_that_may_yet_be_committed_goes(root: Path) -> None:
    """A file that no entry names stays, however old, and so does one that was written again a moment ago."""
    compacted(root)
    age(root)
    (directory, *_) = (root / "lake" / "trades").glob("date=*")
    (directory / "day-20261122-0123456789abcdef.parquet").write_bytes(b"PAR1")
    age(root)
    written_again = min(path for path in directory.iterdir() if path.name.startswith("b"))
    os.utime(written_again, ns=(NOW_NS + 10 * DAY_NS,) * 2)

    assert vacuumed(root, NOW_NS + 10 * DAY_NS)["trades"] == (5, 1)

    assert written_again.exists()
    assert (directory / "day-20261122-0123456789abcdef.parquet").exists()


def test_vacuum_limits_itself_and_says_what_it_would_do(root: Path) -> None:
    """--table leaves other tables alone, and a dry run removes nothing."""
    compacted(root)
    age(root)
    before = tree(root)

    assert vacuumed(root, NOW_NS + 9 * DAY_NS, tables=("events",), dry_run=True) == {"events": (6, 0)}

    assert tree(root) == before


def test_whole_dates_are_taken_out_once_they_are_old(root: Path) -> None:
    """A date goes when it ended more than so many days ago, in one entry a table, and the files stay on disk."""
    assert retained(root, 5) == {}
    before = data_files(root)

    assert retained(root, 4) == dict.fromkeys(FEW, (1, 3))

    assert {table: dates(root, table) for table in FEW} == {table: {"2026-11-23"} for table in FEW}
    assert data_files(root) == before
    log = TableLog.open(root / "lake" / "trades", "trades")
    assert log is not None
    assert log.listing().version == 7
    assert retained(root, 4) == {}
    assert findings(root) == []
    assert vacuumed(root, NOW_NS + 400 * DAY_NS)["trades"] == (3, 0)


def test_dates_that_were_taken_out_do_not_come_back(root: Path) -> None:
    """The batches stay marked as committed, so that one which is written again is skipped."""
    retained(root, 4)

    again = Lake.create_or_open(root / "lake").write_batch(
        batch(DAY_1, 1), label="b0001", version=1, app_id="test", at_ns=0, metadata={}
    )

    assert set(again.skipped) == set(FEW)
    assert not any(again.rows.values())


def test_retention_of_some_tables_leaves_the_others_and_no_finding(root: Path) -> None:
    """With --table only these lose a date, and what the others tell of it is no finding; a dry run loses nothing."""
    assert retained(root, 4, tables=("messages",), dry_run=True) == {"messages": (1, 3)}
    assert dates(root, "messages") == {"2026-11-22", "2026-11-23"}

    retained(root, 4, tables=("messages",))

    assert dates(root, "messages") == {"2026-11-23"}
    assert dates(root, "trades") == {"2026-11-22", "2026-11-23"}
    assert findings(root) == []


def test_the_commands_print_one_row_a_table(root: Path) -> None:
    """Compact, retain and vacuum come out as rows; a table that is none is misuse."""

    def run(name: str, *arguments: str) -> Result:
        return CliRunner().invoke(getattr(lake_cli, name), [str(root), *arguments])

    table = run("compact", "--table", "trades")
    rows = run("retain", "--older-than", "1", "--dry-run", "--format", "csv")
    nothing = run("vacuum", "--table", "events")
    misused = run("compact", "--table", "orders")

    assert [line.split()[:4] for line in table.stdout.splitlines()] == [
        ["TABLE", "PERIOD", "FILES", "ROWS"],
        ["trades", "day-20261122", "3", "12"],
        ["trades", "day-20261123", "3", "12"],
    ]
    assert rows.stdout.splitlines()[0] == "table,dates,files,rows,bytes,first,last"
    assert (nothing.stdout, nothing.stderr) == ("", "nothing to remove\n")
    assert misused.exit_code == 2
    assert f"no table 'orders'; use one of {', '.join(TABLES)}" in misused.stderr
