"""A tape in an object store answers what the same tape in a directory does, and reads what it must."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
from bucket_server import SECRET, BucketServer, bucket_name
from click.testing import CliRunner
from lake_maker import make_lake
from lake_rows import SECOND, T0, add, add_change, add_snapshot

import fixtape
from capture.columns import Columns, Side
from queries.cli import book_command, trades_command
from queries.errors import FilesDamaged, NotALake
from queries.sql_cli import sql_command
from queries.tape import Tape
from storage import row_order
from storage.batches import dated_tables
from storage.commits import TableLog
from storage.files import write_file
from storage.object_store import TAIL_BYTES, ObjectStore, open_store
from storage.schemas import SCHEMAS, written_schema

SYMBOLS = ("AAA/USD", "BBB/USD")
DATE = "2026-11-22"
HOUR = 3600 * SECOND
FILES, ROWS, GROUP = 4, 20_000, 5_000


def batch(seq: int, at: int) -> Columns:
    """A snapshot, a change and a trade."""
    columns = Columns()
    levels = [(Side.BID, 280030, 100), (Side.OFFER, 280130, 100)]
    add_snapshot(columns, seq=seq, at=at, levels=levels)
    add_change(columns, seq=seq + 1, at=at + SECOND, side=Side.BID, price=280020, size=7)
    add(columns, "trades", receive_ns=at + SECOND, msg_seq_num=seq + 2, entry_id=f"T{seq}")
    add(columns, "messages", receive_ns=at + SECOND, msg_seq_num=seq + 2)
    add(columns, "events", receive_ns=at)
    return columns


def upload(server: BucketServer, root: Path, bucket: str, prefix: str) -> str:
    for path in root.rglob("*"):
        if path.is_file():
            server.replace(bucket, f"{prefix}/{path.relative_to(root).as_posix()}", path.read_bytes())
    return f"s3://{bucket}/{prefix}"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tape in a directory, for reading."""
    return make_lake(tmp_path_factory.mktemp("tape"), batch(1, T0), batch(10, T0 + 60 * SECOND))


@pytest.fixture(scope="module")
def tapes(server: BucketServer, root: Path) -> Iterator[tuple[Tape, Tape]]:
    """The same tape in a directory and in a bucket, for reading."""
    bucket = bucket_name("tapes")
    server.make_bucket(bucket)
    with pytest.MonkeyPatch.context() as patch:
        for setting, value in server.environment().items():
            patch.setenv(setting, value)
        far = fixtape.open(upload(server, root, bucket, "desk/tape"))
    with Tape(root) as near, far:
        yield near, far


@pytest.fixture
def place(server: BucketServer, root: Path, bucket: str) -> str:
    """The same tape once more, in a bucket of its own."""
    return upload(server, root, bucket, "desk/tape")


QUESTIONS: dict[str, Callable[[Tape], object]] = {
    "changes": lambda tape: tape.changes("BTC/USD").fetchall(),
    "trades": lambda tape: tape.trades("BTC/USD", end=T0 + 30 * SECOND).fetchall(),
    "messages": lambda tape: tape.messages("BTC/USD").fetchall(),
    "events": lambda tape: tape.events().fetchall(),
    "book": lambda tape: str(tape.book("BTC/USD", T0 + 30 * SECOND)),
    "symbols": lambda tape: tape.symbols(),
    "coverage": lambda tape: tape.coverage().fetchall(),
    "silence": lambda tape: tape.silence().fetchall(),
    "sql": lambda tape: tape.sql("SELECT symbol, max(price), count(*) FROM trades GROUP BY symbol").fetchall(),
    "raw": lambda tape: tape.sql("SELECT count(*), min(receive_ns) FROM raw.book_changes").fetchall(),
    "empty table": lambda tape: tape.sql("SELECT * FROM quotes").fetchall(),
    "arrow": lambda tape: tape.trades("BTC/USD").to_arrow_table(),
}


@pytest.mark.parametrize("question", QUESTIONS)
def test_both_give_the_same_answer(tapes: tuple[Tape, Tape], question: str) -> None:
    """To each question."""
    near, far = (QUESTIONS[question](tape) for tape in tapes)

    assert far == near


def test_a_locked_tape_sees_nothing_else(tapes: tuple[Tape, Tape], root: Path) -> None:
    """The database of a tape far away reads no file of this machine."""
    file = next(root.glob("lake/trades/date=*/*.parquet"))

    with pytest.raises(duckdb.PermissionException, match="disabled"):
        tapes[1].cursor().execute("SELECT * FROM read_parquet($file)", {"file": str(file)})


def test_a_refresh_takes_in_what_was_committed_since(
    server: BucketServer, bucket: str, place: str, root: Path, tmp_path: Path
) -> None:
    """And an answer given before keeps to what it was asked of."""
    longer = make_lake(Path(shutil.copytree(root, tmp_path / "tape")), batch(20, T0 + 120 * SECOND))
    with Tape(place) as far:
        before = far.trades("BTC/USD")
        upload(server, longer, bucket, "desk/tape")

        far.refresh()

        assert len(far.trades("BTC/USD").fetchall()) == 3
        assert len(before.fetchall()) == 2


def trades(symbols: tuple[str, ...], begin_ns: int) -> pa.Table:
    """Many trades an hour, of each symbol as many; texts that do not pack well."""
    count = ROWS * len(symbols)
    times = [begin_ns + at * (HOUR // ROWS) for at in range(ROWS)]
    texts = [f"{place * 2_654_435_761 % 2**61:x}" for place in range(count)]
    columns = {
        "receive_ns": times * len(symbols),
        "sending_ms": [0] * count,
        "session_id": ["S1"] * count,
        "msg_seq_num": list(range(count)),
        "symbol": [symbol for symbol in symbols for _ in range(ROWS)],
        "entry_id": texts,
    }
    fixed = {"proof": 7, "flags": 1, "price": 5, "size": 5, "price_scale": 1, "size_scale": 1, "entry_index": 0}
    arrays = []
    for field in SCHEMAS["trades"]:
        values = columns.get(field.name, [fixed.get(field.name)] * count)
        arrays.append(pa.array(values, field.type))
    return pa.table(arrays, schema=SCHEMAS["trades"]).cast(written_schema("trades")).combine_chunks()


@pytest.fixture
def far(bucket: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Tape]:
    """A tape with four files of trades, an hour and eight row groups each, written straight into a bucket."""
    monkeypatch.setattr(row_order, "ROW_GROUP_ROWS", GROUP)
    store = open_store(f"s3://{bucket}/tape/lake")
    log = TableLog.create(store.below("trades"), "trades")
    for hour in range(FILES):
        rows = trades(SYMBOLS, T0 + hour * HOUR)
        file = write_file(log.store, "trades", [rows], date=DATE, label=f"h{hour}")
        log.commit([file], at_ns=0, metadata={})
    seen = Columns()
    for symbol in SYMBOLS:
        add(seen, "messages", symbol=symbol)
    log = TableLog.create(store.below("messages"), "messages")
    ((_, rows),) = dated_tables(seen.messages, seen.names)
    log.commit([write_file(log.store, "messages", [rows], date=DATE, label="b1")], at_ns=0, metadata={})
    with fixtape.open(f"s3://{bucket}/tape") as tape:
        yield tape


def test_a_query_reads_the_files_and_row_groups_that_it_needs(server: BucketServer, far: Tape) -> None:
    """Of four files one is opened, and of its eight row groups one is read."""
    store = far._opened.lake.store
    assert isinstance(store, ObjectStore)
    far.trades(SYMBOLS[1], T0, T0 + SECOND).fetchall()  # It has seen the symbol then, in another file.
    server.requests.clear()
    before = store.client.counts.bytes

    found = far.trades(SYMBOLS[1], T0 + HOUR, T0 + HOUR + 60 * SECOND).fetchall()

    opened = {path for _, path, _ in server.requests if ".parquet" in path}
    read = store.client.counts.bytes - before
    sizes = {file.name: file.size for file in far._opened.lake.files("trades")}
    assert len(found) == 60 * ROWS // 3600 + 1
    assert len(opened) == 1
    assert TAIL_BYTES < read < TAIL_BYTES + max(sizes.values()) / 6


def test_sql_hands_down_columns_and_filters(far: Tape) -> None:
    """A view over all files reads the ends of all, and beyond them the one column and row group it is asked for."""
    store = far._opened.lake.store
    assert isinstance(store, ObjectStore)
    far.sql("SELECT count(*) FROM trades").fetchall()
    before = store.client.counts.bytes

    query = "SELECT count(entry_id) FROM raw.trades WHERE receive_ns < {} AND symbol = 'AAA/USD'"
    found = far.sql(query.format(T0 + SECOND))

    assert found.fetchall() == [(ROWS // 3600 + 1,)]
    assert store.client.counts.bytes - before < max(file.size for file in far._opened.lake.files("trades")) / 6


def test_a_file_cut_short_is_named_by_its_address(server: BucketServer, bucket: str, place: str) -> None:
    """Damage in a bucket is told like damage on a disk, and can be left out."""
    (key, *_) = [key for key in server.objects(bucket) if "/trades/date=" in key]
    server.replace(bucket, key, server.objects(bucket)[key][:-1])

    with Tape(place) as tape, pytest.raises(FilesDamaged, match=f"^s3://{bucket}/{key}: .*long, and the log says"):
        tape.trades("BTC/USD").fetchall()
    with Tape(place, leave_out_damaged=True) as tape:
        assert len(tape.trades("BTC/USD").fetchall()) == 1
        assert list(tape.left_out) == [f"s3://{bucket}/{key}"]


def test_a_prefix_without_a_lake_is_none(bucket: str) -> None:
    """It is told as for a directory."""
    with pytest.raises(NotALake, match=f"^s3://{bucket}/x: no lake here"):
        Tape(f"s3://{bucket}/x")


def test_commands_answer_from_an_address(place: str) -> None:
    """The address stands where a directory would."""
    rows = CliRunner().invoke(trades_command, [place, "--symbol", "BTC/USD", "--format", "csv"])
    book = CliRunner().invoke(book_command, [place, "--symbol", "BTC/USD"])
    count = CliRunner().invoke(sql_command, [place, "SELECT count(*) AS n FROM trades", "--format", "json"])

    assert (rows.exit_code, rows.stdout.count("\n")) == (0, 3)
    assert (book.exit_code, "BTC/USD" in book.stdout) == (0, True)
    assert (count.exit_code, count.stdout.strip()) == (0, '{"n": 2}')


@pytest.mark.parametrize(
    ("place", "missing", "exit_code", "said"),
    [
        ("s3://no-such-bucket-here/t", "", 74, "no such bucket"),
        ("s3://tapes/t", "AWS_ACCESS_KEY_ID", 77, "no credentials"),
        ("gs://tapes/t", "", 78, "use s3://BUCKET/PREFIX"),
    ],
)
def test_what_cannot_be_asked_is_one_line(
    bucket: str, monkeypatch: pytest.MonkeyPatch, place: str, missing: str, exit_code: int, said: str
) -> None:
    """Each with the exit code of the README, and without a secret."""
    monkeypatch.delenv(missing or "NOTHING", raising=False)

    done = CliRunner().invoke(sql_command, [place, "SELECT 1"])

    assert done.exit_code == exit_code
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
    assert SECRET not in done.output
