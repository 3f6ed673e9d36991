"""What docs/readers.md tells others to do, done: Polars reads the lake as a plain Delta table."""

import re
from pathlib import Path

import polars as pl
import pytest
from lake_maker import make_lake
from lake_rows import SECOND, T0, add

import fixtape
from capture.columns import Columns

DOCUMENT = Path(__file__).parents[2] / "docs" / "readers.md"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A tape of trades of two symbols in three files."""
    batches = [Columns() for _ in range(3)]
    for number in range(30):
        symbol = ("ETH/USD", "BTC/USD")[number % 2]
        row = {"symbol": symbol, "receive_ns": T0 + number * SECOND, "msg_seq_num": number, "size": 10**7 + number}
        add(batches[number // 10], "trades", **row)
    return make_lake(tmp_path / "tape", *batches)


def example(language: str) -> str:
    """Return the first Python block under a heading."""
    text = DOCUMENT.read_text(encoding="utf-8")
    found = re.search(rf"## {language}\n.*?```python\n(.*?)```", text, re.DOTALL)
    assert found is not None
    return found[1]


def test_polars_counts_and_sums_as_duckdb_does(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The example runs as it stands, and its figures are those of `fixtape.open`."""
    monkeypatch.chdir(root.parent)
    printed: list[pl.DataFrame] = []

    exec(example("Polars"), {"print": printed.append})  # noqa: S102 - what the document says

    with fixtape.open(root) as tape:
        ((count, volume),) = tape.sql("SELECT count(*), sum(size) FROM trades WHERE symbol = 'ETH/USD'").fetchall()
    ((trades, total, first),) = printed[0].rows()
    assert (trades, total) == (count, pytest.approx(volume))
    assert first.isoformat() == "2026-11-22T11:55:00.123456"


def test_polars_sums_every_integer_of_every_row(root: Path) -> None:
    """Count and sums of all integer columns are those that DuckDB has of the raw table."""
    frame = pl.scan_delta(root / "lake" / "trades")
    names = [name for name, kind in frame.collect_schema().items() if kind.is_integer()]

    theirs = frame.select(pl.len(), *(pl.col(name).cast(pl.Int128).sum() for name in names)).collect().row(0)

    columns = ", ".join(f"sum({name})" for name in names)
    with fixtape.open(root) as tape:
        (ours,) = tape.sql(f"SELECT count(*), {columns} FROM raw.trades").fetchall()  # noqa: S608 - names of ours
    assert {"price", "size", "receive_ns"} <= set(names)
    assert theirs == tuple(int(it or 0) for it in ours)
