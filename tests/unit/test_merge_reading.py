"""Rows read ahead, window by window: those of each window, however far ahead they were read."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from two_recorders import BEGIN_NS, SYMBOL, Recorded, Truth

from storage.lake import FileInfo, Lake
from storage.union.reading import Reading, rows_of

COLUMNS = ("symbol", "msg_seq_num", "segment")
STEP_NS = 50_000_000
EDITS = [("bid" if number % 2 else "offer", 1 + number * 7 % 12, number % 4) for number in range(60)]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[FileInfo]]:
    """Two files of a recorder's messages."""
    root = tmp_path_factory.mktemp("reading")
    for part, begin_ns in ((EDITS[:30], BEGIN_NS), (EDITS[30:], BEGIN_NS + 200_000_000)):
        Recorded(Truth(part, begin_ns=begin_ns), ["got"] * 30, offset_ns=0, seed=1, patience=0).lake(root)
    return {"messages": Lake.open(root / "lake").files("messages"), "trades": []}


@pytest.mark.parametrize("stretch_ns", [1, STEP_NS, 3 * STEP_NS, 10**12])
@pytest.mark.parametrize("symbols", [[SYMBOL], [None], [None, SYMBOL, "ETH/USD"]])
def test_each_window_has_its_rows(files: dict[str, list[FileInfo]], symbols: list[str | None], stretch_ns: int) -> None:
    """Windows that overlap and follow each other are read as each by itself."""
    reading = Reading(files, symbols, stretch_ns)

    for begin_ns in range(BEGIN_NS - STEP_NS, BEGIN_NS + 12 * STEP_NS, STEP_NS):
        window = {"from_ns": begin_ns - STEP_NS // 2, "to_ns": begin_ns + STEP_NS}

        rows = reading.rows("messages", COLUMNS, **window)

        alone = rows_of(files, "messages", COLUMNS, symbols=symbols, **window)
        assert rows.to_pylist() == alone.to_pylist()
        assert rows.column_names == list(COLUMNS)


def test_a_stretch_is_read_once(files: dict[str, list[FileInfo]], monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows within what was read are taken of it; each file is opened once."""
    opened: list[Path] = []
    read = pq.read_table

    def counting(path: Path, **options: Any) -> pa.Table:
        opened.append(path)
        return read(path, **options)

    monkeypatch.setattr("storage.union.reading.pq.read_table", counting)
    reading = Reading(files, [SYMBOL], 100 * STEP_NS)

    for begin_ns in range(BEGIN_NS, BEGIN_NS + 12 * STEP_NS, STEP_NS):
        reading.rows("messages", COLUMNS, from_ns=begin_ns, to_ns=begin_ns + STEP_NS)

    assert opened == [file.path for file in files["messages"]]


def test_a_table_without_files_has_no_rows(files: dict[str, list[FileInfo]]) -> None:
    """It has its columns all the same."""
    rows = Reading(files, [SYMBOL], STEP_NS).rows("trades", ("symbol", "price"), from_ns=0, to_ns=2**62)

    assert (rows.num_rows, rows.column_names) == (0, ["symbol", "price"])
