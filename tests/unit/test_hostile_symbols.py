"""Symbols that mean something to a file system, a shell, SQL or a partition path are only text in the lake."""

import os
import re
from pathlib import Path

import duckdb
import polars as pl
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from feeds import LEVELS, FeedPlay
from fix import T0, listing, refresh, snapshot
from lake_rows import add

from capture.columns import Columns
from queries.tape import Tape
from storage.lake import Lake
from storage.schemas import TABLES

ON_THE_WIRE = (
    "../../x",
    "..",
    ".",
    "A/B",
    "/etc/passwd",
    "k=v",
    "symbol=BTC/USD",
    "100%",
    "%2e%2e",
    "*",
    "[a]",
    "a\nb",
    "a\rb",
    "a\x00b",
    "x" * 300,
    "CON",
    "__HIVE_DEFAULT_PARTITION__",
    "é☃",
    "btc/usd",
    "BTC/USD",
    "it's",
    'say "x"',
    "a;DROP VIEW trades",
    "--",
    "\\",
    "NULL",
    "${HOME}",
    "\x1b[31m",
)
NOT_ON_THE_WIRE = (
    "",
    " ",
    "a ",
    "a\x01b",
    "\N{BYTE ORDER MARK}a",
)  # No value of a FIX field, or not as our tests write one.
EVERY = (*ON_THE_WIRE, *NOT_ON_THE_WIRE)
OURS = re.compile(
    r"lake(/[a-z_]+(/_delta_log(/\d{20}\.json)?|/date=\d{4}-\d\d-\d\d(/[0-9A-Za-z]+-[0-9a-f]{16}\.parquet)?)?)?"
)


def tree(path: Path) -> dict[str, tuple[int, int]]:
    """Return everything below a directory, with its size and time of change, as it is without following a link."""
    found = {}
    for directory, _, names in os.walk(path):
        for it in (Path(directory), *(Path(directory) / name for name in names)):
            status = it.lstat()
            found[str(it.relative_to(path))] = (status.st_size, status.st_mtime_ns)
    return found


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, tuple[int, int]]]:
    """A tape that recorded every symbol, in a directory of its own, and what stood around it before."""
    around = tmp_path_factory.mktemp("around")
    (around / "x").write_text("not ours")
    (around / "inner" / "root").mkdir(parents=True)
    before = tree(around)
    play = FeedPlay()
    play.open(listed=listing(*ON_THE_WIRE))
    for place, symbol in enumerate(ON_THE_WIRE):
        play.subscribe(f"M{place}", symbol)
        play.venue(snapshot(*LEVELS, symbol=symbol, md_req_id=f"M{place}"))
        play.venue(refresh("new bid 98.0 1", "trade 101.0 1", symbol=symbol, md_req_id=f"M{place}"))
    others = Columns()
    for table in TABLES:
        for symbol in NOT_ON_THE_WIRE:
            add(others, table, symbol=symbol, receive_ns=T0)

    cwd = Path.cwd()
    os.chdir(around / "inner")
    try:
        lake = Lake.create_or_open(Path("root/lake"))
        for version, columns in enumerate((play.feed.take_columns(), others), 1):
            lake.write_batch(columns, label=f"b{version}", version=version, app_id="test", at_ns=T0, metadata={})
    finally:
        os.chdir(cwd)
    return around / "inner" / "root", before


def test_nothing_is_created_outside_the_root(places: tuple[Path, dict[str, tuple[int, int]]]) -> None:
    """Around the root all is as it was, and below it no name holds a byte of the venue's."""
    root, before = places
    around = root.parent.parent
    after = {path: seen for path, seen in tree(around).items() if not path.startswith("inner/root")}

    assert after == {path: seen for path, seen in before.items() if not path.startswith("inner/root")}
    assert [path for path in tree(root) if path != "." and not OURS.fullmatch(path)] == []


@pytest.mark.parametrize("symbol", EVERY)
def test_a_tape_finds_a_symbol_by_its_name(places: tuple[Path, object], symbol: str) -> None:
    """Exactly the rows of the symbol come back, with its name as it was."""
    with Tape(places[0]) as tape:
        rows = tape.changes(symbol).project("symbol").fetchall()
        trades = tape.trades(symbol).project("symbol").fetchall()

    assert rows == [(symbol,)] * (5 if symbol in ON_THE_WIRE else 1)
    assert trades == [(symbol,)]


def test_a_tape_lists_every_symbol(places: tuple[Path, object]) -> None:
    """Upper and lower case, and what only looks alike, stay apart."""
    with Tape(places[0]) as tape:
        assert tape.symbols() == sorted(EVERY, key=str.encode)


@pytest.mark.parametrize("table", ["book_changes", "trades", "messages", "instruments"])
def test_other_readers_see_the_same_symbols(places: tuple[Path, object], table: str) -> None:
    """pyarrow, its datasets, Polars and a bare DuckDB read the files, and Polars the table, without loss."""
    lake = Lake.open(places[0] / "lake")
    paths = [str(file.path) for file in lake.files(table)]
    expected = sorted(EVERY)

    def distinct(symbols: list[str | None]) -> list[str]:
        return sorted({symbol for symbol in symbols if symbol is not None})

    with duckdb.connect() as connection:
        by_duckdb = connection.execute("SELECT DISTINCT symbol FROM read_parquet(?)", [paths]).fetchall()
    assert distinct([symbol for (symbol,) in by_duckdb]) == expected
    assert distinct([symbol for path in paths for symbol in pq.read_table(path)["symbol"].to_pylist()]) == expected
    assert distinct(ds.dataset(paths, partitioning="hive").to_table()["symbol"].to_pylist()) == expected
    assert distinct(pl.read_parquet(paths)["symbol"].to_list()) == expected
    whole = pl.scan_delta(str(places[0] / "lake" / table))
    assert distinct(whole.collect()["symbol"].to_list()) == expected
    for symbol in EVERY:
        assert set(whole.filter(pl.col("symbol") == symbol).collect()["symbol"].to_list()) == {symbol}
