"""A lake that stays open lists what one that is opened anew lists, whatever was committed between two listings."""

import shutil
from pathlib import Path

import pytest
from delta_logs import commit_by_deltalake
from deltalake.exceptions import DeltaError
from hypothesis import given, settings
from hypothesis import strategies as st
from lake_rows import SECOND, T0

from storage.commits import TableLog, entry_name
from storage.files import Range, WrittenFile
from storage.lake import Lake
from storage.log_entries import RemovedFile
from storage.stores import LocalStore

DATE = "2026-11-22"
TABLE = "trades"


def written(number: int) -> WrittenFile:
    symbols = Range(None, None) if number % 5 == 4 else Range(f"A{number}", "Z/USD")
    ranges = {"receive_ns": Range(T0 + number, T0 + SECOND), "msg_seq_num": Range(1, 9), "symbol": symbols}
    return WrittenFile(f"date={DATE}/{number:04}.parquet", DATE, 65_536 + number, 1000 + number, "0" * 64, ranges, {})


def removed(number: int) -> RemovedFile:
    file = written(number)
    return RemovedFile(file.path, DATE, file.size)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A lake of five files in `trades`."""
    Lake.create_or_open(tmp_path)
    for number in range(5):
        append(tmp_path, number)
    return tmp_path


def log_of(root: Path) -> TableLog:
    log = TableLog.open(root / TABLE, TABLE)
    assert log is not None
    return log


def append(root: Path, *numbers: int) -> None:
    log_of(root).commit([written(number) for number in numbers], at_ns=T0, metadata={})


def replace(root: Path, old: list[int], new: list[int]) -> None:
    log = log_of(root)
    removes = [removed(number) for number in old]
    log.commit(
        [written(number) for number in new],
        removes=removes,
        as_of=log.present_version(),
        at_ns=T0,
        metadata={},
        data_change=False,
    )


def kept_up(root: Path) -> Lake:
    """A lake that listed the table twice, so that it goes on by entries."""
    lake = Lake.open(root)
    assert lake.files(TABLE) == lake.files(TABLE)
    return lake


@settings(max_examples=10, deadline=None)
@given(steps=st.lists(st.sampled_from(["add", "add", "replace", "drop", "list", "deltalake"]), max_size=8))
def test_what_is_kept_up_is_what_a_listing_says(tmp_path_factory: pytest.TempPathFactory, steps: list[str]) -> None:
    """Over added, merged and removed files, some gone before they were listed, and entries of deltalake."""
    root = tmp_path_factory.mktemp("lake")
    Lake.create_or_open(root)
    append(root, 0)
    lake, present = kept_up(root), [0]
    for number, step in enumerate(steps, 1):
        if step == "add":
            append(root, number)
            present.append(number)
        elif step == "deltalake":
            commit_by_deltalake(root / TABLE, written(number), app_id="foreign", version=number)
            present.append(number)
        elif step in ("replace", "drop") and present:
            new = [number] if step == "replace" else []
            replace(root, present[-2:], new)
            present = [*present[:-2], *new]
        else:
            assert lake.files(TABLE) == Lake.open(root).files(TABLE)

    found, listed = lake.files(TABLE), Lake.open(root).files(TABLE)

    assert found == listed
    assert [file.rows - 1000 for file in found] == present
    assert lake.versions()[TABLE] == log_of(root).present_version()


def test_entries_since_are_read_and_no_more(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The log as a whole is not listed again."""
    lake = kept_up(root)
    append(root, 5)
    replace(root, [5, 1], [6])
    monkeypatch.setattr(TableLog, "listing", None)

    assert [file.rows - 1000 for file in lake.files(TABLE)] == [0, 2, 3, 4, 6]


def test_another_lake_at_the_same_place_is_listed_anew(root: Path) -> None:
    """It was made again, by other commits, and so was the entry that was read last."""
    lake = kept_up(root)
    shutil.rmtree(root)
    Lake.create_or_open(root)
    for number in range(7, 17):
        append(root, number)

    assert [file.rows - 1000 for file in lake.files(TABLE)] == list(range(7, 17))


def test_a_damaged_entry_is_told_as_a_listing_tells_it(root: Path) -> None:
    """It is neither taken in nor passed over."""
    lake = kept_up(root)
    append(root, 5)
    path = LocalStore(root / TABLE).path / entry_name(6)
    path.write_bytes(path.read_bytes()[:-20])

    with pytest.raises(DeltaError, match="Json"):
        lake.files(TABLE)
