"""Parquet files: the same bytes for the same rows, and no final name before the content is synced."""

import hashlib
import os
import re
import stat
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from lake_rows import T0, add

from capture.columns import Columns
from storage.batches import dated_tables
from storage.files import LEVEL_DENSE, write_file
from storage.row_order import ROW_GROUP_ROWS, ROW_GROUP_ROWS_BOOKS, merged
from storage.schemas import SCHEMAS, TABLES

LABEL = "20261122T115500Z"
HALF = ROW_GROUP_ROWS // 2


def trades(symbols: list[str], *, also: tuple[str, ...] = ()) -> pa.Table:
    columns = Columns()
    for symbol in also:
        add(columns, "messages", symbol=symbol)
    for seq, symbol in enumerate(symbols):
        add(columns, "trades", symbol=symbol, msg_seq_num=seq, receive_ns=T0 + seq, entry_id=f"T{seq}")
    ((_, table),) = dated_tables(columns.trades, columns.names)
    return table


def test_the_same_rows_give_the_same_file(tmp_path: Path) -> None:
    """Neither the place, nor the moment, nor the rest of the batch shows in name or bytes."""
    first = write_file(tmp_path / "a", "trades", [trades(["X", "A"])], date="2026-11-22", label=LABEL)
    second = write_file(tmp_path / "b", "trades", [trades(["X", "A"], also=("Z", "A"))], date="2026-11-22", label=LABEL)

    assert first == second
    assert (tmp_path / "a" / first.path).read_bytes() == (tmp_path / "b" / second.path).read_bytes()


def test_the_name_ends_in_the_hash_of_the_content(tmp_path: Path) -> None:
    """Verification needs no other list than the names."""
    written = write_file(tmp_path, "trades", [trades(["A"])], date="2026-11-22", label=LABEL)

    digest = hashlib.sha256((tmp_path / written.path).read_bytes()).hexdigest()
    assert written.path == f"date=2026-11-22/{LABEL}-{digest[:16]}.parquet"
    assert (written.sha256, written.size) == (digest, (tmp_path / written.path).stat().st_size)


def test_files_read_back_as_plain_columns(tmp_path: Path) -> None:
    """Any reader sees plain strings and integers, and a footer without a word that could vary."""
    columns = Columns()
    for table in TABLES:
        add(columns, table)
    for name, table in columns.tables().items():
        ((date, rows),) = dated_tables(table, columns.names)
        written = write_file(tmp_path / name, name, [rows], date=date, label=LABEL)

        file = pq.ParquetFile(tmp_path / name / written.path, page_checksum_verification=True)

        assert file.schema_arrow.equals(SCHEMAS[name])
        assert file.metadata.metadata is None
        assert file.read().to_pylist() == rows.to_pylist()


def groups_of(path: Path) -> list[tuple[int, str, str]]:
    """Return rows, lowest and highest symbol of each row group, as its statistics say."""
    metadata = pq.ParquetFile(path).metadata
    assert metadata.schema.names[4] == "symbol"
    chunks = [(metadata.row_group(n).num_rows, metadata.row_group(n).column(4)) for n in range(metadata.num_row_groups)]
    return [(rows, chunk.statistics.min, chunk.statistics.max) for rows, chunk in chunks]


def test_row_groups_are_bounded_and_sorted(tmp_path: Path) -> None:
    """A row group is small enough to skip by, about as long as its neighbour, and says what it is sorted by."""
    many = repeated({"A": ROW_GROUP_ROWS + 1})
    written = write_file(tmp_path, "trades", [many], date="2026-11-22", label=LABEL)

    assert groups_of(tmp_path / written.path) == [(HALF, "A", "A"), (HALF + 1, "A", "A")]
    metadata = pq.ParquetFile(tmp_path / written.path).metadata
    assert [metadata.schema.names[by.column_index] for by in metadata.row_group(0).sorting_columns] == [
        "symbol",
        "receive_ns",
    ]


def repeated(counts: dict[str, int]) -> pa.Table:
    """Return so many trades of each symbol, in the order of files."""
    places = [place for place, count in enumerate(counts.values()) for _ in range(count)]
    return merged("trades", [trades(list(counts)).take(pa.array(places))])


def test_a_symbol_of_many_rows_has_row_groups_of_its_own(tmp_path: Path) -> None:
    """Small symbols share a group, a large one shares none, and no group is larger than the limit."""
    share = 5
    small = ROW_GROUP_ROWS // share - 1
    rows = repeated({"A": 10, "B": 20, "C": HALF, "D": 5, **{f"E{n:02}": small for n in range(share)}})
    written = write_file(tmp_path, "trades", [rows], date="2026-11-22", label=LABEL)

    assert groups_of(tmp_path / written.path) == [
        (30, "A", "B"),
        (HALF, "C", "C"),
        (5 + share * small, "D", f"E{share - 1:02}"),
    ]
    more = repeated({f"E{n:02}": small for n in range(share + 1)})
    written = write_file(tmp_path, "trades", [more], date="2026-11-22", label=LABEL)

    assert groups_of(tmp_path / written.path) == [
        (share * small, "E00", f"E{share - 1:02}"),
        (small, f"E{share:02}", f"E{share:02}"),
    ]


def test_a_busy_symbol_has_row_groups_of_messages_of_its_own(tmp_path: Path) -> None:
    """When its messages came is asked often, so less than half a group is enough."""
    columns = Columns()
    for symbol, count in {"A": 3, "B": ROW_GROUP_ROWS // 16, "C": 5, "D": ROW_GROUP_ROWS // 16 - 1}.items():
        for seq in range(count):
            add(columns, "messages", symbol=symbol, msg_seq_num=seq)
    ((_, rows),) = dated_tables(columns.messages, columns.names)
    written = write_file(tmp_path, "messages", [rows], date="2026-11-22", label=LABEL)

    assert groups_of(tmp_path / written.path) == [
        (3, "A", "A"),
        (ROW_GROUP_ROWS // 16, "B", "B"),
        (ROW_GROUP_ROWS // 16 + 4, "C", "D"),
    ]


def test_row_groups_of_books_are_small(tmp_path: Path) -> None:
    """A row that holds lists counts for many."""
    columns = Columns()
    for seq in range(ROW_GROUP_ROWS_BOOKS + 2):
        add(columns, "books", msg_seq_num=seq)
    ((_, rows),) = dated_tables(columns.books, columns.names)
    written = write_file(tmp_path, "books", [rows], date="2026-11-22", label=LABEL)

    half = ROW_GROUP_ROWS_BOOKS // 2 + 1
    assert groups_of(tmp_path / written.path) == [(half, "BTC/USD", "BTC/USD"), (half, "BTC/USD", "BTC/USD")]


def test_a_row_group_has_no_name_of_another(tmp_path: Path) -> None:
    """The rows of a row group alone make its bytes: the dictionary of symbols is cut with it."""
    rows = repeated({"A": HALF, "B": HALF})
    written = write_file(tmp_path, "trades", [rows], date="2026-11-22", label=LABEL)

    file = pq.ParquetFile(tmp_path / written.path, read_dictionary=["symbol"])
    dictionaries = [file.read_row_group(n)["symbol"].chunk(0).dictionary.to_pylist() for n in range(2)]

    assert dictionaries == [["A"], ["B"]]


def test_rows_of_several_files_are_sorted_as_one(tmp_path: Path) -> None:
    """Merged rows, read back as plain strings or not, make the file that one batch of them would have made."""
    early, late = trades(["B", "A", "C"]), trades(["A", "D"], also=("Z",))
    late = late.set_column(0, "receive_ns", pc.add(late["receive_ns"], 1_000_000))
    plain = pa.table(
        [column.cast(pa.string()) if pa.types.is_dictionary(column.type) else column for column in late.columns],
        late.column_names,
    )

    files = [
        write_file(
            tmp_path / str(n), "trades", [merged("trades", parts)], date="2026-11-22", label=LABEL, level=LEVEL_DENSE
        )
        for n, parts in enumerate(([early, late], [early, plain]))
    ]

    assert files[0] == files[1]
    read = pq.read_table(tmp_path / "0" / files[0].path)
    assert read["symbol"].to_pylist() == ["A", "A", "B", "C", "D"]
    assert files[0].ranges["symbol"] == ("A", "D")


def test_a_flipped_bit_is_found(tmp_path: Path) -> None:
    """Page checksums are there: a reader that verifies them refuses damaged pages."""
    written = write_file(tmp_path, "trades", [trades(["A"])], date="2026-11-22", label=LABEL)
    path = tmp_path / written.path
    data = bytearray(path.read_bytes())
    chunk = pq.ParquetFile(path).metadata.row_group(0).column(0)
    data[chunk.data_page_offset + chunk.total_compressed_size - 1] ^= 1
    path.write_bytes(data)

    with pytest.raises(OSError, match="CRC"):
        pq.ParquetFile(path, page_checksum_verification=True).read()


def test_modes_do_not_depend_on_the_umask(tmp_path: Path) -> None:
    """Files are 0640 and directories 0750 under any umask."""
    before = os.umask(0o077)
    try:
        written = write_file(tmp_path / "lake" / "trades", "trades", [trades(["A"])], date="2026-11-22", label=LABEL)
    finally:
        os.umask(before)

    path = tmp_path / "lake" / "trades" / written.path
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert {stat.S_IMODE(parent.stat().st_mode) for parent in path.parents[:3]} == {0o750}


def test_the_final_name_comes_after_the_sync(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Content is synced under the temporary name, then renamed, then the directory is synced."""
    directory = tmp_path / "date=2026-11-22"
    directory.mkdir()
    steps: list[str] = []
    sync, rename = os.fsync, os.rename

    def recording_sync(descriptor: int) -> None:
        target = Path(f"/proc/self/fd/{descriptor}").readlink()
        steps.append(f"sync {'directory' if target == directory else target.name}")
        assert target == directory or not list(directory.glob("*.parquet"))
        sync(descriptor)

    def recording_rename(source: Path, target: Path) -> None:
        steps.append(f"rename {Path(source).name}")
        rename(source, target)

    monkeypatch.setattr(os, "fsync", recording_sync)
    monkeypatch.setattr(os, "rename", recording_rename)

    write_file(tmp_path, "trades", [trades(["A"])], date="2026-11-22", label=LABEL)

    temporary = steps[1].removeprefix("rename ")
    assert steps == [f"sync {temporary}", f"rename {temporary}", "sync directory"]
    assert re.fullmatch(rf"\.{LABEL}\.[0-9]+-[0-9a-f]+\.tmp", temporary)


def test_a_failed_sync_leaves_no_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the disk refuses, neither a file nor a temporary stays, and the error comes through."""

    def failing_sync(_descriptor: int) -> None:
        raise OSError(5, "Input/output error")

    (tmp_path / "date=2026-11-22").mkdir()
    monkeypatch.setattr(os, "fsync", failing_sync)

    with pytest.raises(OSError, match="Input/output error"):
        write_file(tmp_path, "trades", [trades(["A"])], date="2026-11-22", label=LABEL)

    assert list((tmp_path / "date=2026-11-22").iterdir()) == []


def test_a_label_cannot_lead_elsewhere(tmp_path: Path) -> None:
    """A label is letters, digits and `-_.`, so no path comes out of it."""
    with pytest.raises(AssertionError, match="does not name a file"):
        write_file(tmp_path, "trades", [trades(["A"])], date="2026-11-22", label="../up")
