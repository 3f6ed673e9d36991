"""Files of the lake that are not what the log says: named at once, and the rest is still answered."""

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from lake_maker import make_lake
from lake_rows import SECOND, T0, add

from capture.columns import Columns
from queries.cli import trades_command
from queries.errors import FilesDamaged
from queries.sql_cli import sql_command
from queries.tape import Tape
from storage import inspection
from storage.inspection import ROW_GROUP_ROWS_LIMIT, trouble
from storage.lake import Lake
from storage.stores import LocalStore

ROWS = 500
MINUTES = 3
BROKEN = 1  # Which of the minutes.
TAIL = 8  # Length of the footer, and the magic.


def zeroed(data: bytes, begin: int, end: int) -> bytes:
    return data[:begin] + bytes(end - begin) + data[end:]


def footer_of(data: bytes) -> int:
    """Return where the footer begins."""
    return len(data) - TAIL - int.from_bytes(data[-TAIL:-4], "little")


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda data: b"",
    "magic alone": lambda data: data[:4],
    "partial": lambda data: data[: len(data) // 2],
    "a byte short": lambda data: data[:-1],
    "a byte long": lambda data: data + b"\0",
    "zero-filled": lambda data: bytes(len(data)),
    "zero-filled from the middle on": lambda data: zeroed(data, len(data) // 2, len(data)),
    "zero-filled at the beginning": lambda data: zeroed(data, 0, 4096),
    "without a footer": lambda data: data[: footer_of(data)],
    "with a footer of zeros": lambda data: zeroed(data, footer_of(data), len(data) - TAIL),
    "with a footer past its beginning": lambda data: data[:-TAIL] + (len(data)).to_bytes(4, "little") + b"PAR1",
    "with a footer of 2 GiB": lambda data: data[:-TAIL] + b"\xff\xff\xff\x7fPAR1",
    "with no length of its footer": lambda data: data[:-TAIL] + bytes(4) + b"PAR1",
    "another kind of file": lambda data: b"SQLite format 3\0".ljust(len(data), b"\xa5"),
    "encrypted, as Parquet calls it": lambda data: b"PARE" + data[4:-4] + b"PARE",
}


def minute(number: int) -> Columns:
    columns = Columns()
    for seq in range(ROWS):
        at = T0 + number * 60 * SECOND + seq
        add(columns, "trades", receive_ns=at, msg_seq_num=seq, entry_id=f"T{seq}", price=280_000 + seq * seq % 97)
        add(columns, "messages", receive_ns=at, msg_seq_num=seq)
    return columns


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return make_lake(tmp_path, *(minute(number) for number in range(MINUTES)))


def broken(root: Path, damage: str) -> Path:
    """Damage a file of trades; return it."""
    path = Lake.open(root / "lake").files("trades")[BROKEN].path
    path.write_bytes(DAMAGES[damage](path.read_bytes()))
    return path


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_named(root: Path, damage: str) -> None:
    """A question that needs the file is refused with its name and the remedy, by the method and by SQL."""
    path = broken(root, damage)

    with Tape(root) as tape:
        for ask in (lambda: tape.trades("BTC/USD"), lambda: tape.sql("SELECT count(*) FROM trades")):
            with pytest.raises(FilesDamaged, match=r"rebuild it from the journal") as caught:
                ask()
            assert list(caught.value.troubles) == [str(path)]
            assert str(path) in str(caught.value)
            assert caught.value.exit_code == 3


@pytest.mark.parametrize("damage", DAMAGES)
def test_the_rest_is_answered_where_it_is_wanted(root: Path, damage: str) -> None:
    """Left out, the file costs its own rows and no others, and the tape says so."""
    path = broken(root, damage)

    with Tape(root, leave_out_damaged=True) as tape:
        assert tape.left_out == {}
        assert len(tape.trades("BTC/USD").fetchall()) == (MINUTES - 1) * ROWS
        assert tape.sql("SELECT count(*) FROM trades").fetchall() == [((MINUTES - 1) * ROWS,)]
        assert tape.sql("SELECT count(*) FROM messages").fetchall() == [(MINUTES * ROWS,)]
        assert list(tape.left_out) == [str(path)]


def test_a_missing_file_is_named(root: Path) -> None:
    """A file that the log lists and nobody finds is damage as any other."""
    path = Lake.open(root / "lake").files("trades")[BROKEN].path
    path.unlink()

    with Tape(root) as tape, pytest.raises(FilesDamaged, match="cannot be opened: No such file") as caught:
        tape.trades("BTC/USD")
    assert list(caught.value.troubles) == [str(path)]


def test_a_question_elsewhere_does_not_notice(root: Path) -> None:
    """Other minutes and other tables are answered as if nothing were wrong: their files are the only ones opened."""
    broken(root, "zero-filled")

    with Tape(root) as tape:
        assert len(tape.trades("BTC/USD", end=T0 + 60 * SECOND).fetchall()) == ROWS
        assert len(tape.messages("BTC/USD").fetchall()) == MINUTES * ROWS


def test_what_does_not_belong_is_not_read(root: Path) -> None:
    """A temporary, a partial copy and a stranger beside the files are in no answer: the log is the list."""
    path = Lake.open(root / "lake").files("trades")[BROKEN].path
    path.with_name(".b0009.tmp").write_bytes(path.read_bytes()[:100])
    path.with_name("copy.parquet").write_bytes(path.read_bytes())
    path.with_name("half.parquet").write_bytes(path.read_bytes()[:100])

    with Tape(root) as tape:
        assert len(tape.trades("BTC/USD").fetchall()) == MINUTES * ROWS


def test_commands_name_the_file_and_end_with_3(root: Path) -> None:
    """Refused or answered without it, the command names the file on standard error and exits with 3."""
    path = broken(root, "partial")
    arguments = [str(root), "SELECT count(*) AS n FROM trades", "--format", "csv"]

    refused = CliRunner().invoke(sql_command, arguments)
    answered = CliRunner().invoke(sql_command, [*arguments, "--leave-out-damaged"])
    trades = CliRunner().invoke(trades_command, [str(root), "--symbol", "BTC/USD", "--leave-out-damaged"])

    assert (refused.exit_code, refused.stdout) == (3, "")
    assert (answered.exit_code, answered.stdout.split()) == (3, ["n", str((MINUTES - 1) * ROWS)])
    assert trades.exit_code == 3
    for result in (refused, answered, trades):
        assert str(path) in result.stderr


# What a footer claims.


def bomb(path: Path, rows: int, *, group_rows: int = 1 << 20) -> int:
    """Write a small file that is very many rows; return its size."""
    part = pa.table({"receive_ns": pa.repeat(pa.scalar(0, pa.int64()), group_rows)})
    with pq.ParquetWriter(path, part.schema, compression="zstd", use_dictionary=False) as writer:
        for _ in range(rows // group_rows):
            writer.write_table(part, row_group_size=group_rows)
    return path.stat().st_size


def test_a_bomb_is_refused_by_its_footer(tmp_path: Path) -> None:
    """Rows of a group, what it becomes against what the file is, and columns are limited before a page is opened."""
    rows = 1 << 24
    many = bomb(tmp_path / "rows", rows, group_rows=rows)
    assert trouble(LocalStore(tmp_path), "rows", size=many, rows=rows) == (
        f"has a row group of {rows} rows, more than {ROW_GROUP_ROWS_LIMIT}"
    )
    wide = pa.table({f"c{n}": pa.repeat(pa.scalar(0, pa.int64()), 1 << 20) for n in range(20)})
    pq.write_table(wide, tmp_path / "ratio", compression="zstd", use_dictionary=False)
    size = (tmp_path / "ratio").stat().st_size
    found = trouble(LocalStore(tmp_path), "ratio", size=size, rows=1 << 20)
    assert found is not None
    assert "over 200 times them" in found
    wide = pa.table({f"c{n}": pa.repeat(pa.scalar(0, pa.int64()), 1 << 20) for n in range(130)})
    pq.write_table(wide, tmp_path / "columns", compression="zstd", use_dictionary=False)
    size = (tmp_path / "columns").stat().st_size
    found = trouble(LocalStore(tmp_path), "columns", size=size, rows=1 << 20)
    assert found == "has 130 columns, more than 64"


def test_the_bytes_of_a_row_group_are_limited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However well it is packed, a row group that becomes too much for memory is refused."""
    size = bomb(tmp_path / "file", 1 << 20)
    # Eight MiB: rows may well be all the same.
    assert trouble(LocalStore(tmp_path), "file", size=size, rows=1 << 20) is None

    monkeypatch.setattr(inspection, "ROW_GROUP_BYTES_LIMIT", 1 << 20)

    found = trouble(LocalStore(tmp_path), "file", size=size, rows=1 << 20)
    assert found is not None
    assert "has a row group that becomes" in found


def test_a_bomb_in_the_lake_is_not_opened(root: Path) -> None:
    """A file that claims more rows than the log knows of is refused by a question as any damaged file is."""
    path = Lake.open(root / "lake").files("trades")[BROKEN].path
    size = path.stat().st_size
    rows = pa.table({"receive_ns": pa.repeat(pa.scalar(0, pa.int64()), 1 << 20)})
    pq.write_table(rows, path, compression="zstd", store_schema=False, max_rows_per_page=1 << 20)
    data = path.read_bytes()
    assert len(data) < size
    padding = size - len(data)
    path.write_bytes(data[:4] + data[4 : footer_of(data)] + bytes(padding) + data[footer_of(data) :])

    with Tape(root) as tape, pytest.raises(FilesDamaged, match=f"holds {1 << 20} rows, and the log says {ROWS}"):
        tape.trades("BTC/USD")
