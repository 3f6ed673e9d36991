"""Several commit to one table: a number is one's, nobody's entry is lost, and what no longer holds is refused."""

import json
import multiprocessing
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest
from delta_logs import by_deltalake, commit_by_deltalake
from deltalake import DeltaTable
from lake_rows import SECOND, T0

from storage.commits import CHECKPOINT_COMMITS, LOG_DIRECTORY, TableLog, entry_name
from storage.errors import CommitConflict, CommitContended, LakeDamaged
from storage.files import Range, WrittenFile
from storage.log_entries import RemovedFile, Seal, check_entry
from storage.stores import LocalStore

ROUNDS = 100
DATE = "2026-11-22"
WAIT_S = 60


def listed(name: str) -> WrittenFile:
    ranges = {"receive_ns": Range(T0, T0 + SECOND), "msg_seq_num": Range(1, 9), "symbol": Range("A", "Z")}
    return WrittenFile(f"date={DATE}/{name}.parquet", DATE, 65_536, 1000, "0" * 64, ranges, {})


def removed(name: str) -> RemovedFile:
    return RemovedFile(f"date={DATE}/{name}.parquet", DATE, 65_536)


def append(log: TableLog, name: str, *, app_id: str = "w", version: int) -> bool:
    return log.commit([listed(name)], app_id=app_id, version=version, at_ns=T0, metadata={})


def names(path: Path) -> list[str]:
    return sorted(Path(uri).stem for uri in DeltaTable(path).file_uris())


def put_in_each_round(path: Path, writer: str, barrier: Barrier) -> None:
    """Put the entry of each round at the same moment as the other process."""
    store = LocalStore(path)
    for number in range(1, ROUNDS + 1):
        barrier.wait(WAIT_S)
        won = store.put_new(f"{LOG_DIRECTORY}/{number:020}.json", f"{writer} {number}\n".encode())
        (path / f"{writer}-{number}").write_text(str(won))


def commit_in_each_round(path: Path, writer: str, barrier: Barrier) -> None:
    """Commit a file of its own at the same moment as the other process, in each round."""
    log = TableLog.open(path, "trades")
    assert log is not None
    for number in range(1, ROUNDS + 1):
        barrier.wait(WAIT_S)
        assert append(log, f"{writer}-{number:03}", app_id=writer, version=number)


def two_processes(target: Callable[[Path, str, Barrier], None], path: Path) -> None:
    context = multiprocessing.get_context("forkserver")
    barrier = context.Barrier(2)
    pair = [context.Process(target=target, args=(path, writer, barrier)) for writer in "ab"]
    for process in pair:
        process.start()
    for process in pair:
        process.join(WAIT_S)
    assert [process.exitcode for process in pair] == [0, 0]


def test_one_of_two_processes_gets_each_name(tmp_path: Path) -> None:
    """Of two that put the same name at once exactly one is told that it did, and its bytes are what stands there."""
    (tmp_path / "t").mkdir()

    two_processes(put_in_each_round, tmp_path / "t")

    for number in range(1, ROUNDS + 1):
        won = {writer: (tmp_path / "t" / f"{writer}-{number}").read_text() for writer in "ab"}
        assert sorted(won.values()) == ["False", "True"]
        winner = next(writer for writer, text in won.items() if text == "True")
        assert (tmp_path / "t" / entry_name(number)).read_text() == f"{winner} {number}\n"


def test_no_entry_of_two_processes_is_lost(tmp_path: Path) -> None:
    """Both commit in every round, each number is taken once, and deltalake lists every file of both."""
    path = tmp_path / "trades"
    TableLog.create(path, "trades")

    two_processes(commit_in_each_round, path)

    assert names(path) == [f"{writer}-{number:03}" for writer in "ab" for number in range(1, ROUNDS + 1)]
    entries = sorted((path / LOG_DIRECTORY).glob("*.json"))
    assert [int(entry.stem) for entry in entries] == list(range(2 * ROUNDS + 1))
    assert {check_entry(entry.read_bytes()) for entry in entries} == {Seal.INTACT}
    assert not list((path / LOG_DIRECTORY).glob(".*"))
    assert [DeltaTable(path).transaction_version(writer) for writer in "ab"] == [ROUNDS, ROUNDS]


def test_one_batch_of_two_writers_is_there_once(tmp_path: Path) -> None:
    """Threads that write the same batches at once, each with a log of its own, have each of them committed once."""
    path = tmp_path / "trades"
    TableLog.create(path, "trades")
    barrier = threading.Barrier(2)

    def write() -> int:
        log = TableLog.open(path, "trades")
        assert log is not None
        done = 0
        for version in range(1, ROUNDS + 1):
            barrier.wait(WAIT_S)
            done += append(log, f"f{version:03}", version=version)
        return done

    with ThreadPoolExecutor(2) as pool:
        done = [future.result() for future in [pool.submit(write), pool.submit(write)]]

    assert sum(done) == ROUNDS
    assert names(path) == [f"f{version:03}" for version in range(1, ROUNDS + 1)]


def test_a_removal_of_what_is_gone_is_refused(tmp_path: Path) -> None:
    """Of two merges of the same files the second finds them gone and changes nothing."""
    path = tmp_path / "trades"
    log, other = TableLog.create(path, "trades"), TableLog.create(path, "trades")
    for version, name in enumerate("abc", 1):
        append(log, name, version=version)
    listing = other.listing()
    log.commit([listed("ab")], removes=[removed("a"), removed("b")], as_of=3, at_ns=T0, metadata={})
    append(log, "d", version=4)

    with pytest.raises(CommitConflict, match="log entry 4 came first, a file to be removed") as it:
        other.commit([listed("bc")], removes=[removed("b"), removed("c")], as_of=listing.version, at_ns=T0, metadata={})

    assert it.value.exit_code == 75
    assert names(path) == ["ab", "c", "d"]


def test_what_was_seen_before_a_listing_is_looked_at_again(tmp_path: Path) -> None:
    """A log that knows of later entries still looks at all that came after the listing a removal stands on."""
    path = tmp_path / "trades"
    log, other = TableLog.create(path, "trades"), TableLog.create(path, "trades")
    for version, name in enumerate("ab", 1):
        append(log, name, version=version)
    listing = other.listing()
    log.commit([], removes=[removed("a")], as_of=2, at_ns=T0, metadata={})
    append(other, "c", app_id="other", version=1)

    with pytest.raises(CommitConflict, match="log entry 3"):
        other.commit([], removes=[removed("a")], as_of=listing.version, at_ns=T0, metadata={})

    assert names(path) == ["b", "c"]


def test_appends_pass_a_merge(tmp_path: Path) -> None:
    """A merge prepared while the recorder went on commits behind it, and nothing of either is lost."""
    path = tmp_path / "trades"
    recorder = TableLog.create(path, "trades")
    for version, name in enumerate("ab", 1):
        append(recorder, name, version=version)
    merger = TableLog.open(path, "trades")
    assert merger is not None
    listing = merger.listing()
    append(recorder, "c", version=3)

    merger.commit([listed("ab")], removes=[removed("a"), removed("b")], as_of=listing.version, at_ns=T0, metadata={})
    append(recorder, "d", version=4)

    assert names(path) == ["ab", "c", "d"]


def test_a_changed_table_stops_a_writer(tmp_path: Path) -> None:
    """Where another entry changes schema or protocol, a writer of the old one does not go on."""
    path = tmp_path / "trades"
    log = TableLog.create(path, "trades")
    DeltaTable(path).alter.set_table_properties({"delta.appendOnly": "true"})

    with pytest.raises(CommitConflict, match="the table itself was changed"):
        append(log, "a", version=1)


def test_a_damaged_entry_of_another_stops_a_writer(tmp_path: Path) -> None:
    """What cannot be read may say anything, so nothing is committed behind it."""
    path = tmp_path / "trades"
    log, other = TableLog.create(path, "trades"), TableLog.create(path, "trades")
    append(other, "a", version=1)
    entry = path / entry_name(1)
    entry.write_bytes(entry.read_bytes().replace(b"65536", b"65537"))

    with pytest.raises(LakeDamaged, match="log entry 1: the entry is not as it was written"):
        append(log, "b", app_id="other", version=1)

    assert not (path / entry_name(2)).exists()


def test_tries_have_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A writer that never comes first gives up, and says what to do."""
    path = tmp_path / "trades"
    log, other = TableLog.create(path, "trades"), TableLog.create(path, "trades")
    for version in range(1, 4):
        append(other, f"f{version}", version=version)
    monkeypatch.setattr("storage.commits.COMMIT_TRIES_LIMIT", 3)

    with pytest.raises(CommitContended, match="3 log entries of other processes came first; try again") as it:
        append(log, "g", app_id="late", version=1)

    assert it.value.exit_code == 75


def test_an_entry_whose_name_was_not_synced_is_found_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a failed sync of the directory the same batch again is held, made durable, and there once."""
    path = tmp_path / "trades"
    log = TableLog.create(path, "trades")
    synced: list[Path] = []

    def failing(directory: Path) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr("storage.stores.sync_directory", failing)
        with pytest.raises(OSError, match="Input/output error"):
            append(log, "a", version=1)
    monkeypatch.setattr("storage.stores.sync_directory", synced.append)

    assert append(log, "a", version=1) is False
    assert synced == [path / LOG_DIRECTORY]
    assert append(log, "b", version=2) is True
    assert names(path) == ["a", "b"]


def test_a_table_of_deltalake_goes_on(tmp_path: Path) -> None:
    """A lake whose entries deltalake wrote is opened, held, appended to and checkpointed, also beside such a writer."""
    path = tmp_path / "trades"
    by_deltalake(path, "trades")
    commit_by_deltalake(path, listed("old1"), app_id="w", version=1)
    log = TableLog.open(path, "trades")
    assert log is not None
    assert log.holds("w", 1)
    assert append(log, "new2", version=2)
    commit_by_deltalake(path, listed("old3"), app_id="other", version=1)

    assert not append(log, "again", app_id="other", version=1)
    for version in range(4, CHECKPOINT_COMMITS + 2):
        assert append(log, f"n{version:03}", version=version)

    assert (path / LOG_DIRECTORY / f"{CHECKPOINT_COMMITS:020}.checkpoint.parquet").exists()
    assert names(path) == sorted(["old1", "new2", "old3", *(f"n{it:03}" for it in range(4, CHECKPOINT_COMMITS + 2))])
    checkpoint = json.loads((path / LOG_DIRECTORY / "_last_checkpoint").read_text())
    assert checkpoint["version"] == CHECKPOINT_COMMITS
