"""Compaction: the same rows in fewer files, in one step, whatever happens meanwhile."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lake_maker import make_lake
from lake_rows import SECOND, add

import fixtape
from capture.columns import Columns
from storage import compaction, stores
from storage.commits import TableLog
from storage.compaction import DAY, HOUR, compact, level, plan
from storage.digests import RowsDigest
from storage.errors import CommitConflict, RowsDiffer
from storage.files import WrittenFile, file_digits, write_file
from storage.lake import FileInfo, Lake
from storage.log_entries import RemovedFile
from storage.merging import Merge, read_groups
from storage.row_order import conformed, in_order, joined
from storage.schemas import SCHEMAS, TABLES
from storage.stores import LocalStore

HOUR_NS = 3600 * SECOND
DAY_NS = 24 * HOUR_NS
DAY_1 = 1_795_305_600 * SECOND  # 2026-11-22T00:00:00Z
NOW_NS = DAY_1 + 3 * DAY_NS
ONE = ("trades",)
FEW = ("trades", "books", "events")
SYMBOLS = ("BTC/USD", "ADA/USD", "ETH/USD")


def batch(begin_ns: int, *, rows: int = 6, seq: int = 1, tables: tuple[str, ...] = TABLES) -> Columns:
    """Rows a second apart, of three symbols by turns, two of them of each message."""
    columns = Columns()
    for index in range(rows):
        for table in tables:
            symbol = None if table == "events" and index % 4 == 0 else SYMBOLS[index % 3]
            at_ns = begin_ns + index // 6 * SECOND
            add(columns, table, receive_ns=at_ns, msg_seq_num=seq + index // 2, symbol=symbol)
    return columns


def day_of_batches(root: Path, begin_ns: int = DAY_1, *, hours: int = 3, **options: Any) -> Path:
    """A tape of two batches an hour."""
    starts = [begin_ns + hour * HOUR_NS + half * 1800 * SECOND for hour in range(hours) for half in (0, 1)]
    return make_lake(root, *(batch(at_ns, seq=place * 100, **options) for place, at_ns in enumerate(starts, 1)))


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tape of three hours, two batches an hour, of three tables."""
    return day_of_batches(tmp_path_factory.mktemp("recorded"), tables=FEW)


@pytest.fixture
def root(recorded: Path, tmp_path: Path) -> Path:
    """A copy of that tape."""
    return Path(shutil.copytree(recorded, tmp_path / "tape"))


def done(root: Path, **options: Any) -> list[compaction.Outcome]:
    options = {"now_ns": NOW_NS, "software": "fixtape test", **options}
    return list(compact(root, root / "lake", **options))


def names(root: Path, table: str = "trades") -> list[str]:
    return [file.path.name for file in Lake.open(root / "lake").files(table)]


def labels(root: Path, table: str = "trades") -> list[str]:
    return [name.rpartition("-")[0] for name in names(root, table)]


def rows_of(root: Path, tables: tuple[str, ...] = TABLES) -> dict[str, list[dict[str, Any]]]:
    """Every row of the lake by table: by symbol and time, else as they stand."""
    found = {}
    for table in tables:
        rows = [
            row
            for file in Lake.open(root / "lake").files(table)
            for row in pq.ParquetFile(file.path).read().to_pylist()
        ]
        found[table] = sorted(rows, key=lambda row: (row["symbol"] is None, row["symbol"] or "", row["receive_ns"]))
    return found


def info(name: str, hour: float, *, size: int = 1000, date: str = "2026-11-22") -> FileInfo:
    at_ns = DAY_1 + int(hour * HOUR_NS)
    return FileInfo(
        LocalStore(Path("t")), f"date={date}/{name}-0.parquet", date, 10, size, at_ns, at_ns + SECOND, "A", "Z"
    )


def test_a_day_becomes_one_file_a_table_of_the_same_rows(tmp_path: Path) -> None:
    """Each table lists one file of the date, whose rows are those of the batches in their order."""
    root = day_of_batches(tmp_path)
    before = rows_of(root)

    outcomes = done(root)

    assert [(it.table, it.files, it.rows) for it in outcomes] == [(table, 6, 36) for table in TABLES]
    assert {table: labels(root, table) for table in TABLES} == {table: ["day-20261122"] for table in TABLES}
    assert rows_of(root) == before
    assert all(in_order(pq.ParquetFile(root / "lake" / it.into).read()) for it in outcomes)
    assert done(root) == []


def test_hours_that_have_ended_become_one_file_each(root: Path) -> None:
    """Of the open date each ended hour is compacted, the hour of the newest row is not, and later the day is."""
    before = rows_of(root)

    done(root, now_ns=0)

    assert labels(root) == ["hour-20261122T00", "hour-20261122T01", "b0005", "b0006"]
    assert rows_of(root) == before
    done(root)
    assert labels(root) == ["day-20261122"]
    assert rows_of(root) == before


def test_hours_first_and_the_day_at_once_are_the_same_bytes(recorded: Path, root: Path, tmp_path: Path) -> None:
    """A day made of hours is the file that is made of the batches, by name and so byte for byte."""
    by_hours, at_once = root, Path(shutil.copytree(recorded, tmp_path / "at_once"))

    done(by_hours, by=(HOUR,))
    done(by_hours, by=(DAY,))
    done(at_once, by=(DAY,))

    assert {table: names(by_hours, table) for table in TABLES} == {table: names(at_once, table) for table in TABLES}


def test_a_late_batch_is_merged_with_what_is_there(root: Path) -> None:
    """A batch that comes after its day was compacted stands beside it, and the next compaction takes both."""
    done(root)
    make_lake(root, batch(DAY_1 + HOUR_NS + 5 * SECOND, seq=9000))
    before = rows_of(root)

    done(root)

    assert labels(root) == ["day-20261122"]
    assert rows_of(root) == before


def test_a_file_belongs_to_the_hour_of_its_first_row() -> None:
    """At the border of hours a file goes with its first row; an hour is over once something came after it."""
    files = [info("b1", 0), info("b2", 0.9999), info("b3", 1), info("b4", 1.5), info("b5", 2)]

    pieces = plan(files, DAY_1 + 2 * HOUR_NS, (HOUR, DAY))

    assert [(it.label, len(it.files)) for it in pieces] == [("hour-20261122T00", 2), ("hour-20261122T01", 2)]
    assert [it.label for it in plan(files, DAY_1 + 2 * HOUR_NS - 1, (HOUR, DAY))] == ["hour-20261122T00"]
    assert plan(files, DAY_1 + 24 * HOUR_NS - 1, (DAY,)) == []
    assert [it.label for it in plan(files, DAY_1 + 24 * HOUR_NS, (DAY,))] == ["day-20261122"]


def test_a_large_day_becomes_several_files(root: Path) -> None:
    """Neighbours are taken together up to the limit, so the files of a day follow each other in time."""
    sizes = [info(f"b{n}", n, size=400) for n in range(5)]

    pieces = plan(sizes, DAY_1 + DAY_NS, (DAY,), file_bytes_limit=800)

    assert [[it.first_ns for it in piece.files] for piece in pieces] == [
        [sizes[0].first_ns, sizes[1].first_ns],
        [sizes[2].first_ns, sizes[3].first_ns],
    ]
    before, size = rows_of(root), Lake.open(root / "lake").files("books")[0].size
    done(root, file_bytes_limit=3 * size, tables=("books",))
    assert labels(root, "books") == ["day-20261122", "day-20261122"]
    assert rows_of(root) == before


def test_a_name_tells_what_a_file_is_made_of() -> None:
    """Files of batches, of hours and of days are told apart by their names alone."""
    assert [level(name) for name in ("20261122T115500Z-ab.parquet", "hour-20261122T11-ab.parquet")] == [0, 1]
    assert level("day-20261122-ab.parquet") == 2


@settings(max_examples=15, deadline=None)
@given(
    files=st.lists(
        st.lists(st.tuples(st.integers(0, 2), st.integers(0, 5)), min_size=1, max_size=8), min_size=1, max_size=5
    )
)
def test_spilled_and_in_memory_give_the_same_groups(
    files: list[list[tuple[int, int]]], recorded: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Rows that agree in symbol and time keep the order of the files, however little memory there is."""
    directory = tmp_path_factory.mktemp("merge")
    (sample,) = read_groups("trades", Lake.open(recorded / "lake").files("trades")[0].path)
    paths, expected, number = [], [], 0
    for of_file in files:
        places = sorted(of_file, key=lambda it: (SYMBOLS[it[0]], it[1]))
        rows = [(SYMBOLS[symbol], at_ns, number + place) for place, (symbol, at_ns) in enumerate(places)]
        number += len(rows)
        expected += rows
        made = sample.take(pa.array([0] * len(rows)))
        for place, name in enumerate(("symbol", "receive_ns", "msg_seq_num")):
            made = made.set_column(made.column_names.index(name), name, pa.array([row[place] for row in rows]))
        made = joined([conformed("trades", made)])
        paths.append(
            directory / write_file(directory, "trades", [made], date="2026-11-22", label=f"b{len(paths)}").path
        )
    expected.sort(key=lambda row: row[:2])

    merged = [
        pa.concat_tables(Merge("trades", paths, directory / str(limit), joined_bytes=limit).groups()).to_pylist()
        for limit in (1, 2**30)
    ]

    for rows in merged:
        assert [(row["symbol"], row["receive_ns"], row["msg_seq_num"]) for row in rows] == expected


def test_large_inputs_are_read_side_by_side(
    recorded: Path, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Inputs that are read a row group at a time give the file that those joined in memory give."""
    small, large = root, Path(shutil.copytree(recorded, tmp_path / "large"))
    done(small)
    monkeypatch.setattr("storage.merging.LARGE_BYTES", 1)

    done(large)

    assert {table: names(large, table) for table in TABLES} == {table: names(small, table) for table in TABLES}


def test_a_file_of_an_older_schema_is_read_with_nulls(root: Path) -> None:
    """A column that an input lacks is null in what is made; one that is not known is refused."""
    (victim, *_) = Lake.open(root / "lake").files("trades")
    older = pq.ParquetFile(victim.path).read().drop_columns(["order_type"])
    replace_by(root, victim, older)

    (outcome,) = done(root, tables=("trades",))

    found = pq.ParquetFile(root / "lake" / outcome.into).read()
    assert found["order_type"].null_count == len(older)
    assert found.num_rows == 36
    with pytest.raises(ValueError, match="columns strange of trades are not known here"):
        conformed("trades", older.append_column("strange", older["price"]))


def replace_by(root: Path, victim: FileInfo, rows: pa.Table) -> None:
    """Have `trades` list a file of these rows, as they are, instead of another."""
    log = TableLog.open(root / "lake" / "trades", "trades")
    assert log is not None
    made = write_file(log.store, "trades", [conformed("trades", rows)], date=victim.date, label="b0001")
    path = root / "lake" / "trades" / made.path
    pq.write_table(rows, path, write_page_checksum=True)
    content = path.with_name(f"b0001-{file_digits(path)}.parquet")
    path.rename(content)
    made = made._replace(path=f"{path.parent.name}/{content.name}", size=content.stat().st_size)
    lost = RemovedFile(victim.name, victim.date, victim.size)
    log.commit([made], removes=[lost], as_of=log.listing().version, at_ns=0, metadata={}, data_change=False)


def test_other_rows_are_refused(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where what is read again is not what went in, nothing is committed, and the message names the file."""
    before = names(root)
    written = compaction.write_file

    def one_row_less(store: Any, name: str, parts: Iterator[pa.Table], **options: Any) -> WrittenFile:
        return written(store, name, [part.slice(1) if not n else part for n, part in enumerate(parts)], **options)

    monkeypatch.setattr(compaction, "write_file", one_row_less)

    with pytest.raises(RowsDiffer, match=r"day-20261122-\w+\.parquet: not the rows it was made of: expected 36 rows"):
        done(root, tables=("trades",))

    assert names(root) == before


def test_the_digest_tells_rows_and_their_order_within_a_message(tmp_path: Path) -> None:
    """Any other value, a row twice, a null, or two rows of a message exchanged: another digest. Files do not matter."""
    root = make_lake(tmp_path, batch(DAY_1, rows=24, tables=("books", "trades")))
    for table in ("books", "trades"):
        (file,) = Lake.open(root / "lake").files(table)
        (rows,) = read_groups(table, file.path)
        base = digest(rows)

        assert digest(rows.slice(0, 3), rows.slice(3)) == base
        assert joined_digest(rows.slice(0, 8), rows.slice(8)).rows == base.rows
        assert digest(rows.slice(1)) != base
        assert digest(rows, rows.slice(0, 1)) != base
        for name in rows.column_names:
            nulled = rows.set_column(
                rows.column_names.index(name),
                rows.schema.field(name),
                pa.concat_arrays([pa.nulls(1, rows.schema.field(name).type), *rows[name].slice(1).chunks]),
            )
            assert (digest(nulled) == base) == (rows[name].null_count == len(rows)), name
    exchanged = rows.set_column(7, "entry_index", pa.array(range(len(rows)), pa.int32()))
    places = [1, 0, *range(2, len(rows))]
    assert rows["msg_seq_num"][0] != rows["msg_seq_num"][1] or digest(exchanged.take(places)) != digest(exchanged)


def digest(*parts: pa.Table) -> RowsDigest:
    found = RowsDigest()
    for part in parts:
        found.add(part)
    return found


def joined_digest(*files: pa.Table) -> RowsDigest:
    whole = RowsDigest()
    for rows in files:
        whole.join(digest(rows))
    return whole


def test_a_damaged_input_stays_as_it_is(root: Path) -> None:
    """A date with a file that is not what its name states is left alone and named; the other tables are compacted."""
    victim = Lake.open(root / "lake").files("trades")[2].path
    victim.write_bytes(victim.read_bytes()[:-9] + b"\x01" + victim.read_bytes()[-8:])

    outcomes = {it.table: it.kept for it in done(root)}

    assert "SHA-256: expected" in outcomes.pop("trades")
    assert not any(outcomes.values())
    assert labels(root) == [f"b{n:04}" for n in range(1, 7)]


def during_the_merge(monkeypatch: pytest.MonkeyPatch, act: Callable[[], None]) -> None:
    """Have something happen once, between what is listed and what is committed."""
    written, acts = compaction.write_file, iter([act])

    def write(*args: Any, **options: Any) -> WrittenFile:
        made = written(*args, **options)
        for once in acts:
            once()
        return made

    monkeypatch.setattr(compaction, "write_file", write)


def test_a_recorder_that_commits_meanwhile_loses_nothing(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch that comes between listing and commit stands beside the compacted file."""
    before = rows_of(root)["trades"]
    during_the_merge(monkeypatch, lambda: void(make_lake(root, batch(DAY_1 + 2 * DAY_NS, seq=9000))))

    done(root, tables=("trades",))

    assert labels(root) == ["day-20261122", "b0007"]
    assert len(rows_of(root)["trades"]) == len(before) + 6


def void(_: object) -> None:
    """Let go of a value."""


def test_of_two_compactions_one_is_told(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where another process compacts the same files meanwhile, ours ends with 75 and the rows are there once."""
    before = rows_of(root)
    during_the_merge(monkeypatch, lambda: void(done(root)))

    with pytest.raises(CommitConflict, match="a file to be removed is gone already; run the command again") as caught:
        done(root)

    assert caught.value.exit_code == 75
    assert rows_of(root) == before
    assert done(root) == []


class Killed(BaseException):
    """The process ends here."""


@contextmanager
def killed_at(step: int) -> Iterator[list[str]]:
    """End at the step-th thing that is done to a store, before it or half through it; yield what was done."""
    did: list[str] = []
    patched = pytest.MonkeyPatch()

    def counted(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **options: Any) -> Any:
            did.append(name)
            if len(did) == step:
                raise Killed
            return real(*args, **options)

        return call

    with patched.context() as patch:
        for name in ("put_new", "read", "stage", "list", "delete", "sync"):
            patch.setattr(LocalStore, name, counted(name, getattr(LocalStore, name)))
        for name in ("_sync", "sync_directory"):
            patch.setattr(stores, name, counted(name, getattr(stores, name)))
        patch.setattr(stores.os, "link", counted("link", stores.os.link))
        patch.setattr(Path, "rename", counted("rename", Path.rename))
        yield did


def test_stopped_at_any_step_the_rows_are_the_same_and_it_goes_on(tmp_path: Path) -> None:
    """However far it came the lake has the same rows, and a second run makes what an undisturbed one makes."""
    root = day_of_batches(tmp_path / "tape", hours=1, tables=ONE)
    undisturbed = Path(shutil.copytree(root, tmp_path / "undisturbed"))
    before = rows_of(root, ONE)
    with killed_at(10**6) as steps:
        done(undisturbed, tables=ONE)
    assert {"stage", "_sync", "rename", "sync_directory", "put_new", "link"} <= set(steps)

    for step in range(1, len(steps) + 1):
        copied = Path(shutil.copytree(root, tmp_path / str(step)))
        with killed_at(step), suppress(Killed):
            done(copied, tables=ONE)

        assert rows_of(copied, ONE) == before, steps[step - 1]
        done(copied, tables=ONE)
        assert names(copied) == names(undisturbed), steps[step - 1]


def test_answers_are_the_same_before_during_and_after(root: Path) -> None:
    """A tape that was opened before goes on answering from its files, and one opened after gives the same."""
    opened = fixtape.open(root)
    question = "SELECT * FROM trades ORDER BY receive_ns, msg_seq_num, symbol"
    before = opened.sql(question).to_arrow_table()

    done(root)

    assert opened.sql(question).to_arrow_table() == before
    assert fixtape.open(root).sql(question).to_arrow_table() == before


def test_a_batch_stays_committed(root: Path) -> None:
    """The writer's transactions outlive the files that they were made with: a batch that comes again is skipped."""
    done(root)
    before = rows_of(root)
    lake = Lake.create_or_open(root / "lake")

    again = lake.write_batch(batch(DAY_1, tables=FEW), label="b0001", version=1, app_id="test", at_ns=0, metadata={})

    assert set(again.skipped) == set(FEW)
    assert rows_of(root) == before


def test_a_dry_run_changes_nothing(root: Path) -> None:
    """It says what would be compacted, and the lake stays as it is."""
    before = sorted(path for path in root.rglob("*"))

    outcomes = done(root, dry_run=True)

    assert [(it.table, it.label, it.files, it.into) for it in outcomes] == [
        (table, "day-20261122", 6, "") for table in FEW
    ]
    assert sorted(path for path in root.rglob("*")) == before


def test_every_table_has_its_schema_after(tmp_path: Path) -> None:
    """What is made has every column of its table, in order and type."""
    root = day_of_batches(tmp_path)

    for outcome in done(root):
        assert pq.ParquetFile(root / "lake" / outcome.into).schema_arrow.equals(SCHEMAS[outcome.table])
