"""Parquet files: the same bytes for the same rows, and no final name before the content is synced."""

import hashlib
import os
import re
import stat
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from lake_rows import T0, add

from capture.columns import Columns
from storage.batches import dated_tables
from storage.files import ROW_GROUP_ROWS, write_file
from storage.schemas import SCHEMAS

LABEL = "20261122T115500Z"


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
    first = write_file(tmp_path / "a", "trades", trades(["X", "A"]), date="2026-11-22", label=LABEL)
    second = write_file(tmp_path / "b", "trades", trades(["X", "A"], also=("Z", "A")), date="2026-11-22", label=LABEL)

    assert first == second
    assert (tmp_path / "a" / first.path).read_bytes() == (tmp_path / "b" / second.path).read_bytes()


def test_the_name_ends_in_the_hash_of_the_content(tmp_path: Path) -> None:
    """Verification needs no other list than the names."""
    written = write_file(tmp_path, "trades", trades(["A"]), date="2026-11-22", label=LABEL)

    digest = hashlib.sha256((tmp_path / written.path).read_bytes()).hexdigest()
    assert written.path == f"date=2026-11-22/{LABEL}-{digest[:16]}.parquet"
    assert (written.sha256, written.size) == (digest, (tmp_path / written.path).stat().st_size)


def test_files_read_back_as_plain_columns(tmp_path: Path) -> None:
    """Any reader sees plain strings and integers, and a footer without a word that could vary."""
    columns = Columns()
    for table in SCHEMAS:
        add(columns, table)
    for name, table in columns.tables().items():
        ((date, rows),) = dated_tables(table, columns.names)
        written = write_file(tmp_path / name, name, rows, date=date, label=LABEL)

        file = pq.ParquetFile(tmp_path / name / written.path, page_checksum_verification=True)

        assert file.schema_arrow.equals(SCHEMAS[name])
        assert file.metadata.metadata is None
        assert file.read().to_pylist() == rows.to_pylist()


def test_row_groups_are_bounded_and_sorted(tmp_path: Path) -> None:
    """A row group is small enough to skip by, and says what it is sorted by."""
    rows = trades(["A"])
    many = pa.concat_tables([rows] * (ROW_GROUP_ROWS + 1)).combine_chunks()
    written = write_file(tmp_path, "trades", many, date="2026-11-22", label=LABEL)

    metadata = pq.ParquetFile(tmp_path / written.path).metadata

    assert [metadata.row_group(index).num_rows for index in range(metadata.num_row_groups)] == [ROW_GROUP_ROWS, 1]
    assert [metadata.schema.names[by.column_index] for by in metadata.row_group(0).sorting_columns] == [
        "symbol",
        "receive_ns",
    ]


def test_a_flipped_bit_is_found(tmp_path: Path) -> None:
    """Page checksums are there: a reader that verifies them refuses damaged pages."""
    written = write_file(tmp_path, "trades", trades(["A"]), date="2026-11-22", label=LABEL)
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
        written = write_file(tmp_path / "lake" / "trades", "trades", trades(["A"]), date="2026-11-22", label=LABEL)
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

    write_file(tmp_path, "trades", trades(["A"]), date="2026-11-22", label=LABEL)

    temporary = steps[1].removeprefix("rename ")
    assert steps == [f"sync {temporary}", f"rename {temporary}", "sync directory"]
    assert re.fullmatch(rf"\.{LABEL}\.[0-9a-f]+\.tmp", temporary)


def test_a_failed_sync_leaves_no_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the disk refuses, neither a file nor a temporary stays, and the error comes through."""

    def failing_sync(_descriptor: int) -> None:
        raise OSError(5, "Input/output error")

    (tmp_path / "date=2026-11-22").mkdir()
    monkeypatch.setattr(os, "fsync", failing_sync)

    with pytest.raises(OSError, match="Input/output error"):
        write_file(tmp_path, "trades", trades(["A"]), date="2026-11-22", label=LABEL)

    assert list((tmp_path / "date=2026-11-22").iterdir()) == []


def test_a_label_cannot_lead_elsewhere(tmp_path: Path) -> None:
    """A label is letters, digits and `-_.`, so no path comes out of it."""
    with pytest.raises(AssertionError, match="does not name a file"):
        write_file(tmp_path, "trades", trades(["A"]), date="2026-11-22", label="../up")
