"""What is written into the lake is what is read from it, whatever the rows are."""

import tempfile
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from hypothesis import given, settings
from hypothesis import strategies as st
from lake_maker import make_lake
from lake_rows import DEFAULTS, T0, add

from capture.columns import NO_SIDE, NULL, Action, Columns, Verdict
from storage.batches import DAY_NS
from storage.lake import Lake
from storage.schemas import ENUM_NAMES, SCHEMAS, TABLES

WIDTHS = {"q": 64, "i": 32, "h": 16, "b": 8}
text = st.one_of(st.none(), st.text(st.characters(exclude_categories=["Cs"]), max_size=12))
ascii_text = st.one_of(st.none(), st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=12))
symbols = st.one_of(st.none(), st.sampled_from(["BTC/USD", "btc/usd", "", "../x", "é☃", "A" * 300]))
moments = st.integers(T0, T0 + 3 * DAY_NS)


def cells(name: str, kind: str) -> st.SearchStrategy[Any]:
    """Return the values that a column may hold, nulls as its buffer marks them."""
    if name == "receive_ns":
        return moments
    if name in ENUM_NAMES:
        return st.integers(NO_SIDE, len(ENUM_NAMES[name]) - 1)
    if kind in WIDTHS:
        return st.integers(-(2 ** (WIDTHS[kind] - 1)), 2 ** (WIDTHS[kind] - 1) - 1)
    if kind == "levels":
        return st.lists(st.integers(0, 2**63 - 1), max_size=4)
    return {"text": text, "ascii": ascii_text}.get(kind, symbols)


def rows(table: str) -> st.SearchStrategy[list[dict[str, Any]]]:
    layout = Columns().tables()[table].layout
    return st.lists(st.fixed_dictionaries({name: cells(name, kind) for name, kind in layout}), max_size=12)


def expected(table: str, row: dict[str, Any]) -> dict[str, Any]:
    """Return a row as a reader should see it."""
    kinds = dict(Columns().tables()[table].layout)
    seen = dict(row)
    for name, value in row.items():
        if name in ENUM_NAMES:
            seen[name] = None if value < 0 else ENUM_NAMES[name][value]
        elif kinds[name] == "q" and value == NULL:
            seen[name] = None
    return seen


@settings(max_examples=30, deadline=None)
@given(data=st.data(), table=st.sampled_from(TABLES))
def test_rows_come_back_as_they_were(data: st.DataObject, table: str) -> None:
    """Every value, null and name survives; each row is in the file of its date, in order; a second lake is equal."""
    written = data.draw(rows(table))
    columns = Columns()
    for row in written:
        add(columns, table, **row)

    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as two:
        files = Lake.open(make_lake(Path(one), columns) / "lake").files(table)
        again = Lake.open(make_lake(Path(two), columns) / "lake").files(table)
        found = {file.date: pq.ParquetFile(file.path).read().to_pylist() for file in files}

    assert [file.path.name for file in files] == [file.path.name for file in again]
    dates = {row["receive_ns"] // DAY_NS for row in written}
    assert len(found) == len(dates)
    for of_date in found.values():
        days = {row["receive_ns"] // DAY_NS for row in of_date}
        assert len(days) == 1
        same_day = [expected(table, row) for row in written if row["receive_ns"] // DAY_NS in days]
        assert of_date == sorted(same_day, key=lambda row: (row["symbol"] is None, row["symbol"], row["receive_ns"]))


def test_the_generator_knows_every_column() -> None:
    """A column added to the layouts gets a default in the helpers too."""
    assert {table: set(row) for table, row in DEFAULTS.items()} == {
        table: set(schema.names) for table, schema in SCHEMAS.items() if table in TABLES
    }
    assert (len(Action), len(Verdict)) == (len(ENUM_NAMES["action"]), len(ENUM_NAMES["verdict"]))
