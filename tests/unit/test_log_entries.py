"""Log entries as bytes: the same for the same change, accepted by deltalake, and no bit of one flips unseen."""

import json
from pathlib import Path

import pyarrow as pa
import pytest
from delta_logs import by_deltalake
from deltalake import DeltaTable
from hypothesis import given
from hypothesis import strategies as st
from lake_rows import SECOND, T0

from storage.commits import TableLog, entry_name
from storage.files import Range, WrittenFile
from storage.log_entries import RemovedFile, Seal, change, check_entry, creation, read_entry
from storage.schemas import TABLES

DATE = "2026-11-22"


def listed(name: str, *, symbol: str = "ADA/USD") -> WrittenFile:
    ranges = {"receive_ns": Range(T0, T0 + SECOND), "msg_seq_num": Range(1, 9), "symbol": Range(symbol, symbol)}
    return WrittenFile(f"date={DATE}/{name}.parquet", DATE, 65_536, 1000, "0" * 64, ranges, {"symbol": 0})


def removed(name: str) -> RemovedFile:
    return RemovedFile(f"date={DATE}/{name}.parquet", DATE, 65_536)


def an_entry(*, symbol: str = "ADA/USD") -> bytes:
    return change(
        [listed("c", symbol=symbol)],
        [removed("a"), removed("b")],
        transaction=("recorder/r1", 7),
        at_ns=T0,
        metadata={"fixtape.software": "fixtape 1", "fixtape.run": "r1"},
        data_change=False,
    )


def test_any_flipped_bit_is_found() -> None:
    """No bit of an entry is outside of its hash, the hash's own field included."""
    entry = an_entry()
    assert check_entry(entry) is Seal.INTACT

    for bit in range(len(entry) * 8):
        flipped = bytearray(entry)
        flipped[bit // 8] ^= 1 << bit % 8
        assert check_entry(bytes(flipped)) is Seal.DAMAGED, f"bit {bit}"


def test_any_cut_is_found() -> None:
    """An entry cut anywhere, or with bytes behind it, is damaged."""
    entry = an_entry()

    assert {check_entry(entry[:size]) for size in range(len(entry))} == {Seal.DAMAGED}
    assert check_entry(entry + b"\n") is Seal.DAMAGED
    assert check_entry(entry[1:]) is Seal.DAMAGED


@given(symbol=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40))
def test_an_entry_is_lines_of_json_whatever_the_venue_sends(symbol: str) -> None:
    """Text of the venue stays within its action, and is read back as it was."""
    entry = an_entry(symbol=symbol)

    actions = [json.loads(line) for line in entry.decode().removesuffix("\n").split("\n")]

    assert [next(iter(action)) for action in actions] == ["txn", "add", "remove", "remove", "commitInfo"]
    assert json.loads(actions[1]["add"]["stats"])["minValues"]["symbol"] == symbol
    assert check_entry(entry) is Seal.INTACT
    assert read_entry(entry).transactions == {"recorder/r1": 7}
    assert read_entry(entry).removed == {removed("a").path, removed("b").path}


def test_an_entry_says_what_kind_of_change_it_is() -> None:
    """What deltalake calls a merge of files and a deletion is called so, and only the latter changes data."""
    merge = json.loads(an_entry().splitlines()[-1])["commitInfo"]
    deletion = change([], [removed("a")], transaction=None, at_ns=T0, metadata={}, data_change=True)

    assert (merge["operation"], merge["engineInfo"], merge["timestamp"]) == ("OPTIMIZE", "fixtape 1", T0 // 1_000_000)
    remove, info = (json.loads(line) for line in deletion.splitlines())
    assert info["commitInfo"]["operation"] == "DELETE"
    assert remove["remove"] == {
        "path": f"date={DATE}/a.parquet",
        "deletionTimestamp": T0 // 1_000_000,
        "dataChange": True,
        "extendedFileMetadata": True,
        "partitionValues": {"date": DATE},
        "size": 65_536,
    }


@pytest.mark.parametrize("table", TABLES)
def test_a_table_is_the_same_wherever_and_whenever_it_is_made(tmp_path: Path, table: str) -> None:
    """Its first entry follows from its name, and deltalake reads from it what it would have written itself."""
    TableLog.create(tmp_path / "ours", table)
    by_deltalake(tmp_path / "theirs", table)
    ours, theirs = DeltaTable(tmp_path / "ours"), DeltaTable(tmp_path / "theirs")

    assert (tmp_path / "ours" / entry_name(0)).read_bytes() == creation(table)
    assert ours.schema() == theirs.schema()
    assert ours.protocol() == theirs.protocol()
    assert ours.metadata().configuration == theirs.metadata().configuration
    assert ours.metadata().partition_columns == ["date"]
    assert ours.metadata().name == table


def test_deltalake_reads_what_we_write(tmp_path: Path) -> None:
    """Files added and removed, transactions and history are what deltalake finds in entries of ours."""
    log = TableLog.create(tmp_path / "trades", "trades")
    for number, name in enumerate("ab", 1):
        log.commit([listed(name)], app_id="w", version=number, at_ns=T0, metadata={})
    listing = log.listing()

    log.commit(
        [listed("c")],
        removes=[removed("a"), removed("b")],
        as_of=listing.version,
        at_ns=T0 + SECOND,
        metadata={"why": "test"},
        data_change=False,
    )

    table = DeltaTable(tmp_path / "trades")
    (add,) = pa.table(table.get_add_actions(flatten=True)).to_pylist()
    assert add["path"] == listed("c").path
    assert (add["num_records"], add["min.receive_ns"], add["max.symbol"]) == (1000, T0, "ADA/USD")
    assert table.transaction_version("w") == 2
    assert [entry["operation"] for entry in table.history()] == ["OPTIMIZE", "WRITE", "WRITE", "CREATE TABLE"]
    assert table.history()[0]["why"] == "test"
    before = pa.table(DeltaTable(tmp_path / "trades", version=2).get_add_actions(flatten=True))
    assert sorted(before["path"].to_pylist()) == [listed("a").path, listed("b").path]
    table.create_checkpoint()
    assert DeltaTable(tmp_path / "trades").file_uris() == table.file_uris()


def test_an_entry_of_deltalake_is_told_from_a_damaged_one(tmp_path: Path) -> None:
    """Its entries carry no hash, which is no damage; ours without its hash is."""
    by_deltalake(tmp_path / "trades", "trades")

    assert check_entry((tmp_path / "trades" / entry_name(0)).read_bytes()) is Seal.FOREIGN
    assert check_entry(an_entry().split(b',"fixtape.sha256"')[0] + b"}}\n") is Seal.DAMAGED
    assert check_entry(b"") is Seal.DAMAGED
    with pytest.raises(ValueError, match="not as it was written"):
        read_entry(an_entry()[:-2])
