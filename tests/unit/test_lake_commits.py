"""Batches into the lake: exactly once, in order, read back from the log."""

import gc
import json
import os
import stat
from pathlib import Path

import pytest
from deltalake import DeltaTable
from lake_rows import SECOND, T0, add

import storage.lake
from capture.columns import Columns
from storage.commits import CHECKPOINT_COMMITS, TableLog
from storage.errors import CannotCreate, LakeDamaged, LakeMissing, LakeNewer
from storage.lake import BatchReport, Lake
from storage.schemas import SCHEMAS, TABLES

APP = "recorder-1"


def batch(*, trades: int = 0, events: int = 0, at: int = T0) -> Columns:
    columns = Columns()
    for index in range(trades):
        add(columns, "trades", receive_ns=at + index, msg_seq_num=index, symbol="BTC/USD" if index % 2 else "ADA/USD")
    for index in range(events):
        add(columns, "events", receive_ns=at + index)
    return columns


def write(lake: Lake, columns: Columns, version: int) -> BatchReport:
    return lake.write_batch(
        columns, label=f"b{version}", version=version, app_id=APP, at_ns=T0, metadata={"why": "test"}
    )


def test_a_batch_is_read_back_from_the_log(tmp_path: Path) -> None:
    """The log lists the file with the statistics that let a reader skip it."""
    lake = Lake.create_or_open(tmp_path / "lake")

    report = write(lake, batch(trades=3, events=1), 1)

    (file,) = Lake.open(tmp_path / "lake").files("trades")
    assert report.rows == {name: {"trades": 3, "events": 1}.get(name, 0) for name in TABLES}
    assert report.files[0] == f"trades/{file.name}"
    assert report.bytes == sum((lake.path / name).stat().st_size for name in report.files)
    assert (file.rows, file.size, file.date) == (3, file.path.stat().st_size, "2026-11-22")
    assert (file.first_ns, file.last_ns) == (T0, T0 + 2)
    assert (file.symbol_lowest, file.symbol_highest) == ("ADA/USD", "BTC/USD")


def test_an_empty_table_gets_no_file_and_events_get_the_mark(tmp_path: Path) -> None:
    """A batch without rows leaves no file, yet the writer's version is in the log of events."""
    lake = Lake.create_or_open(tmp_path / "lake")

    report = write(lake, Columns(), 7)

    assert (report.files, report.bytes) == ((), 0)
    assert all(lake.files(table) == [] for table in TABLES)
    assert Lake.open(tmp_path / "lake").last_version(APP) == 7


def test_a_batch_is_committed_exactly_once(tmp_path: Path) -> None:
    """The same version again, or an older one, changes nothing; another writer's numbers are its own."""
    lake = Lake.create_or_open(tmp_path / "lake")
    write(lake, batch(trades=2), 5)

    again, older = write(lake, batch(trades=2), 5), write(lake, batch(trades=1), 4)

    assert again.rows == older.rows == {name: 0 for name in TABLES if name not in ("trades", "events")}
    assert again.skipped == ("trades", "events")
    assert [file.rows for file in lake.files("trades")] == [2]
    other = lake.write_batch(batch(trades=1), label="b", version=1, app_id="other", at_ns=T0, metadata={})
    assert other.skipped == ()


@pytest.mark.parametrize("commits_before", range(3))
def test_a_killed_batch_is_completed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, commits_before: int) -> None:
    """Killed before any of its commits, and written again, a batch is there whole and once."""
    columns = batch(trades=2, events=1)
    add(columns, "messages")
    commit = TableLog.commit
    left = [commits_before]

    def dying_commit(self: TableLog, *arguments: object, **named: object) -> bool:
        if not left[0]:
            raise KeyboardInterrupt
        left[0] -= 1
        return commit(self, *arguments, **named)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(storage.lake.TableLog, "commit", dying_commit)
        with pytest.raises(KeyboardInterrupt):
            write(Lake.create_or_open(tmp_path / "lake"), columns, 1)
    lake = Lake.create_or_open(tmp_path / "lake")
    assert lake.last_version(APP) is None

    write(lake, columns, 1)

    assert {name: sum(file.rows for file in lake.files(name)) for name in TABLES} == {
        "book_changes": 0,
        "order_changes": 0,
        "trades": 2,
        "quotes": 0,
        "books": 0,
        "messages": 1,
        "instruments": 0,
        "events": 1,
    }
    assert lake.last_version(APP) == 1


def test_the_log_says_what_others_need(tmp_path: Path) -> None:
    """The log carries schema, version key, statistics, the caller's time and the caller's words."""
    lake = Lake.create_or_open(tmp_path / "lake")
    write(lake, batch(trades=2), 1)

    table = DeltaTable(tmp_path / "lake" / "trades")
    log = [json.loads(line) for line in entry(tmp_path / "lake" / "trades", 1).read_text().splitlines()]

    assert table.metadata().configuration == {"fixtape.schemaVersion": "1"}
    assert table.metadata().partition_columns == ["date"]
    assert [field.name for field in table.schema().fields] == [*SCHEMAS["trades"].names, "date"]
    (added,) = [line["add"] for line in log if "add" in line]
    assert added["modificationTime"] == T0 // 1_000_000
    assert json.loads(added["stats"])["minValues"] == {"receive_ns": T0, "msg_seq_num": 0, "symbol": "ADA/USD"}
    assert next(line["commitInfo"]["why"] for line in log if "commitInfo" in line) == "test"


def entry(table: Path, version: int) -> Path:
    return table / "_delta_log" / f"{version:020}.json"


def test_events_are_committed_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever sees a batch in events sees it in every table."""
    lake = Lake.create_or_open(tmp_path / "lake")
    order: list[str] = []
    commit = TableLog.commit

    def recording_commit(self: TableLog, *arguments: object, **named: object) -> bool:
        order.append(self.name)
        return commit(self, *arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(storage.lake.TableLog, "commit", recording_commit)
    columns = batch(trades=1)
    add(columns, "instruments")

    write(lake, columns, 1)

    assert order == ["trades", "instruments", "events"]


def test_a_commit_is_synced_before_it_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The entry is durable before it has its name, its name when the batch is said to be, and it has our mode."""
    log = TableLog.create(tmp_path / "trades", "trades")
    synced: list[str] = []
    sync = os.fsync

    def recording_sync(descriptor: int) -> None:
        synced.append(Path(f"/proc/self/fd/{descriptor}").readlink().name)
        assert entry(tmp_path / "trades", 1).exists() == (synced[-1] == "_delta_log")
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", recording_sync)

    log.commit([], app_id=APP, version=1, at_ns=T0, metadata={})

    assert synced[0].startswith(f".{entry(tmp_path / 'trades', 1).name}.")
    assert synced[1:] == ["_delta_log"]
    assert stat.S_IMODE(entry(tmp_path / "trades", 1).stat().st_mode) == 0o640


def test_a_long_log_is_checkpointed(tmp_path: Path) -> None:
    """After many commits a checkpoint stands in for the entries before it, transactions included."""
    log = TableLog.create(tmp_path / "trades", "trades")
    for version in range(1, CHECKPOINT_COMMITS + 2):
        assert log.commit([], app_id=APP, version=version, at_ns=T0, metadata={})

    for version in range(CHECKPOINT_COMMITS):
        entry(tmp_path / "trades", version).unlink()

    reopened = TableLog.open(tmp_path / "trades", "trades")
    assert reopened is not None
    assert reopened.last_version(APP) == CHECKPOINT_COMMITS + 1


def test_no_table_is_held_between_batches(tmp_path: Path) -> None:
    """A DeltaTable grows with each commit, so none outlives the batch for which it was opened."""

    def alive() -> int:
        return sum(type(it) is DeltaTable for it in gc.get_objects())

    before = alive()
    lake = Lake.create_or_open(tmp_path / "lake")

    write(lake, batch(trades=1, events=1), 1)
    write(lake, batch(trades=1, events=1), 2)

    assert alive() == before
    assert len(lake.files("trades")) == 2


def test_a_newer_lake_is_refused(tmp_path: Path) -> None:
    """A table of a later schema is neither read nor written, and the message says what to do."""
    Lake.create_or_open(tmp_path / "lake")
    first = entry(tmp_path / "lake" / "messages", 0)
    first.write_text(first.read_text().replace('schemaVersion":"1"', 'schemaVersion":"2"'))

    for method in (Lake.open, Lake.create_or_open):
        with pytest.raises(LakeNewer, match="schema 2, at most 1 is known here; upgrade fixtape") as caught:
            method(tmp_path / "lake")
        assert caught.value.exit_code == 78


def test_a_lake_that_cannot_be_made_says_so(tmp_path: Path) -> None:
    """A path below a regular file cannot hold a lake."""
    (tmp_path / "file").write_text("")

    with pytest.raises(CannotCreate, match="cannot create: ") as caught:
        Lake.create_or_open(tmp_path / "file" / "lake")

    assert caught.value.exit_code == 73


def test_a_path_that_deltalake_misreads_is_refused(tmp_path: Path) -> None:
    """A percent sign would put the log beside the files, so nothing is made."""
    with pytest.raises(CannotCreate, match="use a name without one"):
        Lake.create_or_open(tmp_path / "a%2e%2eb" / "lake")

    assert list(tmp_path.iterdir()) == []


def test_a_path_without_a_lake_says_so(tmp_path: Path) -> None:
    """Reading does not make anything."""
    with pytest.raises(LakeMissing, match="no lake here"):
        Lake.open(tmp_path)

    assert list(tmp_path.iterdir()) == []


def test_a_half_made_lake_is_readable_and_completed(tmp_path: Path) -> None:
    """Killed while it was being made, a lake counts its missing tables as empty and gets them on the next start."""
    TableLog.create(tmp_path / "lake" / "book_changes", "book_changes")
    (tmp_path / "lake" / "trades" / "_delta_log").mkdir(parents=True)

    assert Lake.open(tmp_path / "lake").files("trades") == []

    write(Lake.create_or_open(tmp_path / "lake"), batch(trades=1), 1)
    assert len(Lake.open(tmp_path / "lake").files("trades")) == 1


def test_a_torn_log_entry_is_named(tmp_path: Path) -> None:
    """A log cut in its last entry is reported with the table's path, not with a stack of another library."""
    lake = Lake.create_or_open(tmp_path / "lake")
    write(lake, batch(trades=1), 1)
    last = entry(tmp_path / "lake" / "trades", 1)
    last.write_bytes(last.read_bytes()[:40])

    with pytest.raises(LakeDamaged, match="trades: damaged: "):
        Lake.open(tmp_path / "lake")


def test_a_listed_path_outside_the_table_is_refused(tmp_path: Path) -> None:
    """A log made by another cannot lead a reader out of the lake."""
    lake = Lake.create_or_open(tmp_path / "lake")
    write(lake, batch(trades=1), 1)
    last = entry(tmp_path / "lake" / "trades", 1)
    last.write_text(last.read_text().replace("date=2026-11-22/", "../../"))

    with pytest.raises(LakeDamaged, match="outside the table"):
        Lake.open(tmp_path / "lake").files("trades")


@pytest.mark.parametrize("name", ["we[i]rd *? 'quoted' \"name\"", "symbol=BTC", "ümläut ☃ #&+", "date=1999-01-01"])
def test_a_lake_lives_under_any_path(tmp_path: Path, name: str) -> None:
    """What the directory is called has no meaning to anyone."""
    write(Lake.create_or_open(tmp_path / name / "lake"), batch(trades=1, at=T0 + SECOND), 1)

    (file,) = Lake.open(tmp_path / name / "lake").files("trades")

    assert file.path.is_relative_to(tmp_path / name / "lake" / "trades" / "date=2026-11-22")
    assert file.path.exists()


def test_a_panic_of_deltalake_is_damage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What its reader cannot take of a damaged checkpoint is told so, although a panic is no Exception."""

    class PanicException(BaseException):
        """As pyo3 raises it."""

    def panicking(*_: object, **__: object) -> None:
        raise PanicException("TokioMultiThreadExecutor has crashed: RecvError")

    log = Lake.create_or_open(tmp_path / "lake").path / "trades"
    monkeypatch.setattr("storage.commits.DeltaTable", panicking)

    with pytest.raises(LakeDamaged, match="deltalake gave up reading the log: TokioMultiThreadExecutor"):
        TableLog.open(log, "trades")
