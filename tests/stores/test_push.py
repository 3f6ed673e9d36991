"""A push: what is there afterwards is what was here, once, verified; whatever happened on the way."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pytest
from bucket_server import BucketServer
from click.testing import CliRunner
from crashed import make_tapes
from deltalake import DeltaTable
from lake_maker import make_lake
from lake_rows import SECOND, T0, add

from capture.columns import Columns
from queries.tape import Tape
from storage.commits import TableLog
from storage.compaction import DAY as DAY_FILES
from storage.compaction import compact
from storage.errors import CommitConflict, PushRefused
from storage.files import write_file
from storage.journal.compress import compress_segment
from storage.journal.segments import segment_paths
from storage.lake import Lake
from storage.log_entries import Seal, check_entry
from storage.places import store_of
from storage.push import Push, PushedDay
from storage.push_cli import push as push_command
from storage.push_journal import push_segments
from storage.schemas import SCHEMAS, SIGHTINGS, written_schema
from storage.sealed import OpenRun, open_runs, sealed
from storage.stores import LocalStore, Staged, Store, Stored
from storage.verify import Checked, Scope, verify_lake
from storage.verify_cli import verify as verify_command

DAY = 86_400 * SECOND
FIRST, SECOND_DAY = "2026-11-22", "2026-11-23"
AT_NS = 1_795_500_000_000_000_000


def batch(seq: int, at: int, tables: tuple[str, ...] = ("trades", "messages", "events")) -> Columns:
    columns = Columns()
    for table in tables:
        add(columns, table, receive_ns=at, msg_seq_num=seq)
    return columns


@pytest.fixture
def tape(tmp_path: Path) -> Path:
    """Two days, two batches each."""
    times = (T0, T0 + 60 * SECOND, T0 + DAY, T0 + DAY + 60 * SECOND)
    return make_lake(tmp_path / "tape", *(batch(seq, at) for seq, at in enumerate(times)))


def pushed(tape: Path, target: Store, name: str = "p", **options) -> list[PushedDay]:
    """Push every date."""
    what = Push(Lake.open(tape / "lake"), target.below("lake"), software="t", name=name, at_ns=AT_NS, **options)
    return list(what.run(what.dates()))


def listed(place: Store) -> dict[str, list[dict[str, object]]]:
    """What each log lists, statistics and all, but the time of the commit."""
    adds = {
        table: sorted(log.listing().adds, key=lambda it: it["path"])
        for table in ("trades", "messages", "events")
        if (log := TableLog.open(place.below(f"lake/{table}"), table)) is not None
    }
    return {table: [{**it, "modification_time": 0} for it in of_table] for table, of_table in adds.items()}


def compacted(tape: Path, table: str, date: str) -> None:
    """Make one file of those of a date."""
    options = {"by": {DAY_FILES}, "tables": {table}, "date": date, "now_ns": AT_NS, "software": "t"}
    assert [it.kept for it in compact(tape, tape / "lake", **options)] == [""]


def puts(server: BucketServer) -> int:
    return sum(method in {"PUT", "POST"} for method, _, _ in server.requests)


def flip(server: BucketServer, bucket: str, key: str) -> None:
    data = bytearray(server.objects(bucket)[key])
    data[len(data) // 2] ^= 1
    server.replace(bucket, key, bytes(data))


def test_what_is_pushed_is_listed_and_answers(bucket: str, tape: Path) -> None:
    """The target lists the same files with the same statistics, and gives the same rows."""
    target = store_of(f"s3://{bucket}/desk")

    days = pushed(tape, target)

    assert [(it.date, it.table, it.copied, it.rows) for it in days] == [
        (date, table, 2, 2) for date in (FIRST, SECOND_DAY) for table in ("trades", "messages", "events")
    ]
    assert listed(target) == listed(LocalStore(tape))
    query = "SELECT * FROM trades ORDER BY receive_ns"
    with Tape(tape) as near, Tape(f"s3://{bucket}/desk") as far:
        assert far.sql(query).fetchall() == near.sql(query).fetchall()


def test_the_table_that_only_a_merge_makes_goes_along(tmp_path: Path, tape: Path) -> None:
    """Sightings of a merged tape are pushed with the rest; without a merge there is no such table."""
    pushed(tape, LocalStore(tmp_path / "plain"))
    log = TableLog.create(tape / "lake" / SIGHTINGS, SIGHTINGS)
    cells = {field.name: [T0 if field.type == pa.int64() else None] for field in SCHEMAS[SIGHTINGS]}
    rows = pa.table(cells, schema=SCHEMAS[SIGHTINGS]).cast(written_schema(SIGHTINGS)).combine_chunks()
    log.commit([write_file(log.store, SIGHTINGS, [rows], date=FIRST, label="b1")], at_ns=0, metadata={})

    days = pushed(tape, LocalStore(tmp_path / "merged"))

    assert next((it.table, it.rows) for it in days if it.date == FIRST) == (SIGHTINGS, 1)
    assert not (tmp_path / "plain" / "lake" / SIGHTINGS).exists()


def test_each_day_of_a_table_is_one_commit(tape: Path, tmp_path: Path) -> None:
    """Its entry is sealed, and says which push it is of."""
    target = LocalStore(tmp_path / "desk")

    pushed(tape, target, name="the-push")

    entries = [target.read(it.name) for it in target.list("lake/trades/_delta_log")]
    assert [check_entry(entry) for entry in entries] == [Seal.INTACT] * 3
    assert sum(b'"fixtape.push":"the-push"' in entry for entry in entries) == 2


def test_a_second_push_copies_nothing(server: BucketServer, bucket: str, tape: Path) -> None:
    """Nothing is put, and nothing of a file is read."""
    target = store_of(f"s3://{bucket}/desk")
    pushed(tape, target)
    server.requests.clear()

    assert pushed(tape, store_of(f"s3://{bucket}/desk")) == []

    assert puts(server) == 0
    assert not [path for _, path, _ in server.requests if path.endswith(".parquet")]


def test_only_what_is_new_is_copied(tape: Path, tmp_path: Path) -> None:
    """A batch that was committed since goes alone."""
    target = LocalStore(tmp_path / "desk")
    pushed(tape, target)
    make_lake(tape, batch(9, T0 + DAY + 120 * SECOND))

    days = pushed(tape, target)

    assert {(it.date, it.copied, it.listed) for it in days} == {(SECOND_DAY, 1, 3)}
    assert listed(target) == listed(LocalStore(tape))


def test_compacted_files_take_the_place_of_the_old_in_one_commit(tape: Path, tmp_path: Path) -> None:
    """At no version of the target's log is a row there twice, or not at all."""
    target = LocalStore(tmp_path / "desk")
    pushed(tape, target)
    compacted(tape, "trades", FIRST)

    days = pushed(tape, target)

    assert [(it.date, it.table, it.copied, it.removed, it.rows) for it in days] == [(FIRST, "trades", 1, 2, 2)]
    assert listed(target) == listed(LocalStore(tape))
    trades = target.below("lake/trades")
    for version, rows in ((1, 2), (2, 4), (3, 4)):
        table = DeltaTable(trades.location, version=version)
        assert sum(pa.table(table.get_add_actions(flatten=True))["num_records"].to_pylist()) == rows


def test_a_push_with_an_older_list_begins_again(tape: Path, tmp_path: Path) -> None:
    """Files that were compacted while it went on are not listed beside the compacted one."""
    target = LocalStore(tmp_path / "desk")
    slow = Push(Lake.open(tape / "lake"), target.below("lake"), software="t", name="slow", at_ns=AT_NS)
    compacted(tape, "trades", FIRST)
    pushed(tape, target, name="quick")

    days = list(slow.run(slow.dates()))

    assert days == []
    assert listed(target) == listed(LocalStore(tape))


def test_a_change_of_the_same_date_is_a_conflict(tmp_path: Path, tape: Path) -> None:
    """A commit that is to be alone on a date is refused where another came between, and not on another date."""
    log = TableLog.open(tape / "lake" / "trades", "trades")
    assert log is not None
    before = log.listing().version
    make_lake(tape, batch(9, T0))

    with pytest.raises(CommitConflict, match=f"files of {FIRST} were changed"):
        log.commit([], as_of=before, alone_on=FIRST, at_ns=0, metadata={})
    assert log.commit([], as_of=before, alone_on=SECOND_DAY, at_ns=0, metadata={})


def test_files_of_another_tape_are_not_replaced(tape: Path, tmp_path: Path) -> None:
    """A date that another tape pushed to the same place is refused, and left as it is."""
    target = LocalStore(tmp_path / "desk")
    pushed(make_lake(tmp_path / "other", batch(77, T0)), target)
    before = listed(target)

    with pytest.raises(PushRefused, match="of another tape") as caught:
        pushed(tape, target)

    assert caught.value.exit_code == 73
    assert listed(target) == before


def test_a_copy_that_is_not_what_was_sent_is_not_listed(server: BucketServer, bucket: str, tape: Path) -> None:
    """A bit that flips on the way is found by reading again; the next push sends the file anew."""
    target = store_of(f"s3://{bucket}/desk")
    server.only = ".parquet"
    server.faults.append("flipped")

    days = pushed(tape, target, copies=1)

    assert [bool(it.faults) for it in days] == [True, *[False] * 5]
    assert "read again with" in days[0].faults[0]
    assert FIRST not in {it["path"][5:15] for it in listed(target)["trades"]}
    assert [(it.table, it.copied, it.found) for it in pushed(tape, target)] == [("trades", 1, 1)]
    assert listed(target) == listed(LocalStore(tape))


def test_a_file_that_is_damaged_here_is_not_sent(tape: Path, tmp_path: Path) -> None:
    """It is named, its day of its table is not listed, and the rest goes on."""
    target = LocalStore(tmp_path / "desk")
    victim = min((tape / "lake" / "trades").glob(f"date={FIRST}/*.parquet"))
    victim.write_bytes(victim.read_bytes()[:-1] + b"x")

    days = pushed(tape, target)

    assert [it.table for it in days if it.faults] == ["trades"]
    assert victim.name in days[0].faults[0]
    assert "not sent" in days[0].faults[0]
    assert sum(len(of_table) for of_table in listed(target).values()) == 10


class Killed(BaseException):
    """The end of a process, as far as a test can have it."""


class Mortal:
    """A store whose process is killed before a call is done, so after the one before it was."""

    def __init__(self, inner: Store, left: list[int]) -> None:
        self._inner, self._left = inner, left
        self.location, self.options = inner.location, inner.options

    @contextmanager
    def _step(self) -> Iterator[None]:
        self._left[0] -= 1
        if self._left[0] == 0:
            raise Killed
        yield

    def put_new(self, name: str, data: bytes) -> bool:
        with self._step():
            return self._inner.put_new(name, data)

    @contextmanager
    def stage(self, directory: str, label: str) -> Iterator[Staged]:
        with self._inner.stage(directory, label) as staged:
            yield _MortalStaged(self, staged)

    def read(self, name: str) -> bytes:
        with self._step():
            return self._inner.read(name)

    def open(self, name: str):
        return self._inner.open(name)

    def sha256(self, name: str) -> str:
        with self._step():
            return self._inner.sha256(name)

    def list(self, directory: str = "") -> Iterator[Stored]:
        return self._inner.list(directory)

    def delete(self, name: str) -> bool:
        raise AssertionError("a push deletes nothing")

    def sync(self, *names: str) -> None:
        with self._step():
            self._inner.sync(*names)

    def below(self, directory: str) -> "Mortal":
        return Mortal(self._inner.below(directory), self._left)


class _MortalStaged:
    def __init__(self, store: Mortal, staged: Staged) -> None:
        self._store, self._staged = store, staged

    def write(self, data: bytes) -> int:
        with self._store._step():
            return self._staged.write(data)

    def publish(self, name: str) -> None:
        with self._store._step():
            self._staged.publish(name)


def test_a_push_killed_at_any_call_goes_on(tmp_path: Path) -> None:
    """Killed at the k-th call, for every k, the next push ends it: each file is listed once, none sent twice."""
    tape = make_lake(tmp_path / "tape", *(batch(seq, T0, ("trades", "events")) for seq in (1, 2)))
    wanted, steps = listed(LocalStore(tape)), 0
    for steps in range(1, 200):
        target, left = LocalStore(tmp_path / f"t{steps}"), [steps]
        try:
            pushed(tape, Mortal(target, left), copies=1)
        except Killed:
            there = {it.name for it in target.list() if it.name.endswith(".parquet")}
            days = pushed(tape, target, copies=1)
            assert sum(it.copied for it in days) == 4 - len(there)
            assert not [it.faults for it in days if it.faults]
        assert listed(target) == wanted
        shutil.rmtree(target.path)
        if left[0] > 0:
            break

    assert 20 < steps < 199


@pytest.mark.parametrize(
    ("from_date", "until_date", "open_dates"),
    [
        (FIRST, None, [FIRST, SECOND_DAY]),
        (SECOND_DAY, None, [SECOND_DAY]),
        (FIRST, FIRST, [FIRST]),
        ("2026-11-24", None, []),
    ],
)
def test_a_date_is_sealed_when_no_run_may_add_to_it(
    from_date: str, until_date: str | None, open_dates: list[str]
) -> None:
    """A run that records is open without end, another to when it was written last."""
    noon = {date: T0 + days * DAY for days, date in enumerate((FIRST, SECOND_DAY, "2026-11-24"))}
    run = OpenRun("r", noon[from_date], None if until_date is None else noon[until_date])

    assert [date for date, why in sealed((FIRST, SECOND_DAY), [run]) if why is not None] == open_dates


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A tape that ended in order, with its segments compressed, and one as a kill left it."""
    whole, crashed = make_tapes(tmp_path_factory.mktemp("tapes"))
    for path in segment_paths(whole):
        compress_segment(path)
    return whole, crashed


def test_a_tape_that_ended_in_order_is_sealed_and_one_that_was_killed_is_not(recorded: tuple[Path, Path]) -> None:
    """The lake of the first holds its run whole; of the other batches are still to be made."""
    whole, crashed = recorded

    assert open_runs(whole, Lake.open(whole / "lake")) == []
    (run,) = open_runs(crashed, Lake.open(crashed / "lake"))
    lake = Lake.open(crashed / "lake")
    assert run.from_ns > max(file.last_ns for file in lake.files("messages"))
    assert [why for _, why in sealed([lake.files("messages")[-1].date], [run])] == [run]


def test_a_tape_with_its_journal_pushed_to_a_directory_verifies(recorded: tuple[Path, Path], tmp_path: Path) -> None:
    """The copy is a tape: logs, files and segments hold, and the second push says that nothing is left to do."""
    whole, copy = recorded[0], tmp_path / "copy"

    first = CliRunner().invoke(push_command, [str(whole), str(copy), "--journal", "--format", "json"])
    second = CliRunner().invoke(push_command, [str(whole), str(copy), "--journal", "--format", "json"])

    assert first.exit_code == 0, first.output
    assert {row["state"] for row in json.loads(first.stdout)} == {"pushed"}
    assert [path.name for path in segment_paths(copy)] == [path.name for path in segment_paths(whole)]
    assert list(verify_lake(copy / "lake", Scope(), Checked(), lambda _: None)) == []
    assert (second.exit_code, json.loads(second.stdout)) == (0, [])


def test_segments_are_sent_once_and_verified(server: BucketServer, bucket: str, recorded: tuple[Path, Path]) -> None:
    """A copy with its sum beside it is left alone; one without is read again, and sent anew where it is damaged."""
    target, count = store_of(f"s3://{bucket}/desk"), len(segment_paths(recorded[0]))
    assert [it.sent for it in push_segments(recorded[0], target)] == [True] * count
    assert list(push_segments(recorded[0], target)) == []
    sums = sorted(key for key in server.objects(bucket) if key.endswith(".sha256"))
    target.delete(sums[0].removeprefix("desk/"))
    assert [it.sent for it in push_segments(recorded[0], target)] == [False]
    target.delete(sums[0].removeprefix("desk/"))
    flip(server, bucket, sums[0].removesuffix(".sha256"))

    assert [it.sent for it in push_segments(recorded[0], target)] == [True]

    (line,) = server.objects(bucket)[sums[0]].decode().splitlines()
    assert line.endswith(f"  {segment_paths(recorded[0])[0].name}")


def test_a_segment_that_is_damaged_here_is_not_sent(
    server: BucketServer, bucket: str, recorded: tuple[Path, Path], tmp_path: Path
) -> None:
    """It is named with what is wrong."""
    root = Path(shutil.copytree(recorded[0], tmp_path / "tape"))
    path = segment_paths(root)[0]
    data = bytearray(path.read_bytes())
    data[len(data) // 3] ^= 1
    path.write_bytes(data)

    found = next(iter(push_segments(root, store_of(f"s3://{bucket}/desk"))))

    assert (found.sent, bool(found.fault)) == (False, True)
    assert not [key for key in server.objects(bucket) if path.name in key]


def test_a_dry_run_writes_nothing(server: BucketServer, bucket: str, tape: Path) -> None:
    """It says what would be copied."""
    done = CliRunner().invoke(push_command, [str(tape), f"s3://{bucket}/desk", "--dry-run", "--format", "csv"])

    assert done.exit_code == 0
    assert done.stdout.splitlines()[1].startswith(f"{FIRST},trades,2,")
    assert done.stderr.startswith("12 files, ")
    assert puts(server) == 0


def test_a_date_can_be_chosen(bucket: str, tape: Path) -> None:
    """A day, or a month."""
    place = f"s3://{bucket}/desk"

    one = CliRunner().invoke(push_command, [str(tape), place, "--date", FIRST, "--format", "csv"])
    month = CliRunner().invoke(push_command, [str(tape), place, "--date", "2026-11", "--format", "csv"])

    assert {line[:10] for line in one.stdout.splitlines()[1:]} == {FIRST}
    assert {line[:10] for line in month.stdout.splitlines()[1:]} == {SECOND_DAY}


def test_a_fault_is_a_finding(server: BucketServer, bucket: str, tape: Path) -> None:
    """Exit code 3, and the file on its row."""
    server.only = ".parquet"
    server.faults.append("flipped")

    done = CliRunner().invoke(push_command, [str(tape), f"s3://{bucket}/desk"])

    assert done.exit_code == 3
    assert "read again with" in done.stdout


@pytest.mark.parametrize(("target", "exit_code"), [("s3://no-such-bucket-here/t", 74), ("within", 2)])
def test_a_target_that_cannot_be_is_refused(bucket: str, tape: Path, target: str, exit_code: int) -> None:
    """A bucket that is missing, and a place inside the tape."""
    place = target if "://" in target else str(tape / "lake" / target)

    done = CliRunner().invoke(push_command, [str(tape), place])

    assert done.exit_code == exit_code
    assert not (tape / "lake" / "within").exists()


def findings(place: str, *options: str) -> list[dict[str, str]]:
    """What `fixtape verify` finds."""
    done = CliRunner().invoke(verify_command, [place, "--format", "json", *options])
    assert done.exit_code == (3 if done.stdout else 0), done.output
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_damage_to_a_copy_is_found_and_sent_anew(
    server: BucketServer, bucket: str, tape: Path, recorded: tuple[Path, Path]
) -> None:
    """A bit that flips in the bucket later, of a file or a segment, is what `verify` names and `push --again` mends."""
    place = f"s3://{bucket}/desk"
    target = store_of(place)
    pushed(tape, target)
    list(push_segments(recorded[0], target))
    assert findings(place) == []
    keys = [key for key in server.objects(bucket) if "/trades/date=" in key or key.endswith(".zst")]
    victims = [min(keys), max(keys)]
    for key in victims:
        flip(server, bucket, key)

    found = findings(place)
    days, segments = pushed(tape, target, again=True), list(push_segments(recorded[0], target, again=True))

    assert [f"desk/{it['where']}".replace("desk/trades", "desk/lake/trades") for it in found] == victims[::-1]
    assert {it["what"] for it in found} == {"SHA-256", "SHA-256 of the segment"}
    assert sum(it.copied for it in days) == 1
    assert sum(it.found for it in days) == 11
    assert [it.sent for it in segments].count(True) == 1
    assert findings(place) == []


def test_a_flipped_bit_in_a_log_far_away_is_found(server: BucketServer, bucket: str, tape: Path) -> None:
    """Entries are held against their hashes, quickly."""
    target = store_of(f"s3://{bucket}/desk")
    pushed(tape, target)
    key = f"desk/lake/trades/_delta_log/{2:020}.json"
    data = server.objects(bucket)[key].replace(b'"numRecords', b'"numRecorks')
    server.replace(bucket, key, data)

    found = findings(f"s3://{bucket}/desk", "--quick")

    assert [it["where"] for it in found if it["what"] == "log entry"] == [f"trades/_delta_log/{2:020}.json"]
