"""Rebuilds: the same again, a part of it, and what is broken of it."""

import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from crashed import AT_NS, SOFTWARE, files_of, make_tapes, tree

from capture.sinks import Connection
from storage.compaction import compact
from storage.journal.runs import runs_of
from storage.journal.segments import segment_paths
from storage.journal.trimmed import Trimmed, note_trimmed
from storage.journal.writer import JournalWriter
from storage.lake import Lake
from storage.quarantine import Quarantine
from storage.rebuild import Selection, rebuild
from storage.rederive import rederive
from storage.restore import restore
from storage.retention import retain
from storage.schemas import TABLES
from storage.vacuum import vacuum
from storage.verify import Scope

CONNECTION = Connection("fix.example", "10.0.0.2", 41000, "192.0.2.7", 4000, "CLIENT", "KRAKEN-MD", "TLSv1.3")
FIXTAPE = str(Path(sys.executable).with_name("fixtape"))


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tapes(tmp_path_factory.mktemp("tapes"))[0]


@pytest.fixture
def tape(recorded: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(recorded, tmp_path / "tape"))


def mended(root: Path, **options):
    return restore(root, Quarantine(root, software=SOFTWARE, at=str(AT_NS)), **options)


def rows_of(lake: Path) -> dict[str, list[dict[str, object]]]:
    files = {table: Lake.open(lake).files(table) for table in TABLES}
    return {
        table: [row for file in of_table for row in pq.ParquetFile(file.path).read().to_pylist()]
        for table, of_table in files.items()
    }


def test_rebuilding_twice_leaves_no_duplicate(tape: Path, tmp_path: Path) -> None:
    """The same journal told twice into one lake gives the files of telling it once, and the second time no row."""
    rebuild(tape / "journal", tmp_path / "once", software=SOFTWARE)
    once = tree(tmp_path / "once")

    again = rebuild(tape / "journal", tmp_path / "once", software=SOFTWARE)

    assert again.rows == 0
    assert tree(tmp_path / "once") == once
    assert files_of(tmp_path / "once") == files_of(tape / "lake")


def test_a_table_of_a_selection_has_just_its_rows(tape: Path, tmp_path: Path) -> None:
    """--table and --date leave the other tables and dates empty, and the chosen ones as they are."""
    whole = rows_of(tape / "lake")
    (date,) = {file.date for file in Lake.open(tape / "lake").files("quotes")}

    rebuild(tape / "journal", tmp_path / "one", software=SOFTWARE, selection=Selection(table="quotes", date=date))
    rebuild(tape / "journal", tmp_path / "none", software=SOFTWARE, selection=Selection(date="1999-01-01"))

    assert rows_of(tmp_path / "one") == {table: rows if table == "quotes" else [] for table, rows in whole.items()}
    assert files_of(tmp_path / "one") == {name for name in files_of(tape / "lake") if name.startswith("quotes/")}
    assert not any(rows_of(tmp_path / "none").values())


def test_a_symbol_of_a_selection_has_its_rows_and_the_session_s(tape: Path, tmp_path: Path) -> None:
    """--symbol writes the rows of one symbol, and the events that are about none."""
    whole = rows_of(tape / "lake")

    rebuild(tape / "journal", tmp_path / "none", software=SOFTWARE, selection=Selection(symbol="NO/SUCH"))
    rebuild(tape / "journal", tmp_path / "eth", software=SOFTWARE, selection=Selection(symbol="ETH/USD"))

    none, eth = rows_of(tmp_path / "none"), rows_of(tmp_path / "eth")
    assert none["events"] == [row for row in whole["events"] if row["symbol"] is None]
    assert not any(rows for table, rows in none.items() if table != "events")
    assert eth["book_changes"] == whole["book_changes"]
    assert eth["messages"] == [row for row in whole["messages"] if row["symbol"] == "ETH/USD"]


@pytest.mark.parametrize("how", ["missing", "flipped", "cut"])
def test_files_that_are_broken_are_made_again_under_their_names(tape: Path, how: str) -> None:
    """A file of each table is lost or damaged: the same bytes stand in its place, and the bad ones in quarantine."""
    before = tree(tape / "lake")
    victims = [Lake.open(tape / "lake").files(table)[0].path for table in ("book_changes", "messages", "events")]
    for path in victims:
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        if how == "missing":
            path.unlink()
        else:
            path.write_bytes(data if how == "flipped" else data[: len(data) // 2])

    report = mended(tape)

    assert report.failed == {}
    assert sorted(report.restored) == sorted(path.relative_to(tape / "lake").as_posix() for path in victims)
    assert tree(tape / "lake") == before
    kept = {path.name for path in (tape / "quarantine").rglob("*.parquet")}
    assert kept == (set() if how == "missing" else {path.name for path in victims})
    assert not any((tape / ".scratch").rglob("*.parquet"))


def test_a_date_or_a_table_limits_what_is_restored(tape: Path) -> None:
    """What was not asked for is not even looked at."""
    for table in ("book_changes", "messages"):
        Lake.open(tape / "lake").files(table)[0].path.unlink()

    other = mended(tape, date="1999-01-01")
    report = mended(tape, tables=frozenset({"messages"}))

    assert (other.files, other.restored) == (0, [])
    assert [place.partition("/")[0] for place in report.restored] == ["messages"]


def test_what_the_journal_has_not_is_named(tape: Path) -> None:
    """Without the journal nothing is restored, and each file is named with the reason."""
    Lake.open(tape / "lake").files("messages")[0].path.unlink()
    shutil.rmtree(tape / "journal")

    report = mended(tape)

    assert list(report.failed.values()) == ["no run in the journal made it"]


def test_a_run_without_its_beginning_writes_nothing(tmp_path: Path) -> None:
    """Where the first segment of a run is gone, a rebuild names the run and writes no batch of it."""
    writer = JournalWriter(
        tmp_path / "journal", run="20261118T110640.123456789Z", software="x", segment_bytes_limit=1000
    )
    writer.opened(AT_NS, CONNECTION)
    for second in range(10):
        writer.received(AT_NS + second * 10**9, b"8=FIX.4.4\x019=5\x0135=0\x0110=161\x01" * 5)
    writer.close()
    segment_paths(tmp_path)[0].unlink()

    report = rebuild(tmp_path / "journal", tmp_path / "lake", software=SOFTWARE)

    (run,) = report.incomplete
    assert "goes on from one that is not there" in report.incomplete[run]
    assert report.batches == 0
    assert files_of(tmp_path / "lake") == set()


def test_a_trimmed_run_is_named_and_nothing_of_it_is_written_or_restored(tape: Path, tmp_path: Path) -> None:
    """What was trimmed is said with its segment; neither a rebuild nor a restoration guesses at the rest."""
    (path,) = segment_paths(tape)
    (run,) = [run.name for run in runs_of([path])]
    note_trimmed(tape, Trimmed("20260101T000000.000000000Z", run, 1, 2, 1, 1, 1, 1, "", AT_NS))
    Lake.open(tape / "lake").files("messages")[0].path.unlink()

    report = rebuild(tape / "journal", tmp_path / "again", software=SOFTWARE)
    restored = mended(tape)

    assert report.incomplete == {run: "1 of its segments were trimmed, 20260101T000000.000000000Z the first"}
    assert files_of(tmp_path / "again") == set()
    assert restored.restored == []
    assert [reason.partition(":")[0] for reason in restored.failed.values()] == [
        f"of run {run} 1 of its segments were trimmed, 20260101T000000.000000000Z the first"
    ]


def test_a_part_of_the_rows_is_refused_in_place(tape: Path) -> None:
    """--symbol without --into is misuse, told before anything is written."""
    before = tree(tape)

    done = subprocess.run(
        [FIXTAPE, "rebuild", str(tape), "--symbol", "ETH/USD"], capture_output=True, text=True, check=False
    )

    assert done.returncode == 2
    assert "add --into" in done.stderr
    assert tree(tape) == before


def test_the_command_restores_in_place(tape: Path) -> None:
    """`fixtape rebuild ROOT` puts a missing file back and says how many."""
    before = tree(tape / "lake")
    Lake.open(tape / "lake").files("quotes")[0].path.unlink()

    done = subprocess.run([FIXTAPE, "rebuild", str(tape)], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert "1 restored" in done.stdout
    assert tree(tape / "lake") == before


def compacted(root: Path) -> None:
    """Compact the tape's date, and take the files of its batches from the disk."""
    done = list(compact(root, root / "lake", by=("day",), now_ns=AT_NS * 2, software=SOFTWARE))
    assert done
    assert not any(outcome.kept for outcome in done)
    list(vacuum(root / "lake", keep_ns=0, now_ns=AT_NS * 3))


def test_a_compacted_file_is_made_again_from_the_journal(tape: Path) -> None:
    """Its inputs are long gone: the batches are made from the journal, and merged to the same bytes."""
    compacted(tape)
    before = tree(tape / "lake")
    victims = [Lake.open(tape / "lake").files(table)[0].path for table in ("book_changes", "messages")]
    victims[0].unlink()
    victims[1].write_bytes(victims[1].read_bytes()[:-1])

    report = mended(tape)

    assert report.failed == {}
    assert len(report.restored) == 2
    assert tree(tape / "lake") == before
    assert mended(tape).restored == []


def test_inputs_that_are_still_there_are_used(tape: Path) -> None:
    """Before vacuum a compacted file is merged again of its inputs, without the journal."""
    list(compact(tape, tape / "lake", now_ns=AT_NS * 2, software=SOFTWARE))
    before = tree(tape / "lake")
    Lake.open(tape / "lake").files("quotes")[0].path.unlink()
    shutil.rmtree(tape / "journal")
    (tape / "journal").mkdir()

    report = mended(tape)

    assert (report.failed, len(report.restored)) == ({}, 1)
    assert tree(tape / "lake") == before


def test_a_compacted_file_of_which_an_input_is_lost_is_named(tape: Path) -> None:
    """Without inputs and journal the file is named, with the input and why it cannot be made."""
    compacted(tape)
    Lake.open(tape / "lake").files("quotes")[0].path.unlink()
    shutil.rmtree(tape / "journal")
    (tape / "journal").mkdir()

    report = mended(tape)

    assert report.restored == []
    (reason,) = report.failed.values()
    assert reason.startswith("its input date=")
    assert reason.endswith("no run in the journal made it")


def test_a_compacted_lake_is_rederived(tape: Path) -> None:
    """Held against the journal a compacted lake has the same rows; with a date let go of, too."""

    def findings() -> list[str]:
        return [str(it) for it in rederive(tape, Scope(), software=SOFTWARE, progress=lambda _: None)]

    compacted(tape)
    assert findings() == []
    (file,) = Lake.open(tape / "lake").files("quotes")
    file.path.write_bytes(file.path.read_bytes()[:-1])
    assert "SHA-256: expected" in findings()[0]
    list(retain(tape / "lake", days=1, now_ns=AT_NS * 2, software=SOFTWARE))
    assert findings() == []


def test_a_rebuild_in_place_makes_no_batch_of_a_compacted_lake_again(tape: Path) -> None:
    """Batches that were compacted, or taken out, are known as committed."""
    compacted(tape)
    before = tree(tape / "lake")

    assert rebuild(tape / "journal", tape / "lake", software=SOFTWARE).rows == 0

    assert tree(tape / "lake") == before
