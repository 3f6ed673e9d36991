"""A recorder whose lake is in an object store: the same lake as on a disk, whatever becomes of store and recorder."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from bucket_server import BucketServer
from click.testing import CliRunner
from commands import running
from lake_rows import T0, add
from msgspec.structs import replace
from venues import SOFTWARE, record_until, settings_for, venue_thread

from capture.client import run
from capture.columns import Columns
from capture.config import Settings
from capture.venue.market import SyntheticMarket
from queries.tape import Tape
from storage import object_store
from storage.errors import LakeBehind, LakeElsewhere, LakeTaken, StoreError, StoreUnreachable
from storage.files import digits_of_name
from storage.lake import Lake
from storage.lake_place import CLAIM, NOTE, place_of, settled
from storage.places import own_lake
from storage.rebuild import rebuild
from storage.recorder import Recorder
from storage.recovery_cli import recover
from storage.schemas import TABLES
from storage.stores import LocalStore

pytestmark = pytest.mark.venue

SOME = 200  # Messages: two seconds, so two batches.
BACK = " batches are committed again"
HOSTILE = ("../../x", "a\x00b", "date=1970-01-01/x", "s3://other/bucket", "%2e%2e", "'; DROP TABLE trades; --", "🐍\n")


@pytest.fixture(scope="module")
def venue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[object, Path]]:
    """A venue that sends without end to whoever comes, and the certificate to believe it by."""
    with venue_thread(SyntheticMarket(1, rate=100, seed=3), speed=1.0) as (serving, credentials):
        yield serving, credentials.write_ca(tmp_path_factory.mktemp("ca") / "ca.pem")


@pytest.fixture
def settings(venue: tuple[object, Path], bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A recorder's, with batches of a second; what fails is not repeated for as long as elsewhere."""
    monkeypatch.setattr(object_store, "RETRIES_LIMIT", 1)
    monkeypatch.setattr(object_store, "PUT_NEW_TRIES_LIMIT", 2)
    return settings_for(venue[0], venue[1], tmp_path / "tape", depth=10, batch_s=1, lake=f"s3://{bucket}/desk")


def some_in(recorder: Recorder) -> bool:
    """Whether there are batches enough to lose one."""
    return recorder.counters.market_data >= SOME


def remade(root: Path) -> dict[str, bytes]:
    """What a rebuild makes of a tape's journal: every file, by its name."""
    rebuild(root / "journal", root / "again", software=SOFTWARE)
    again = root / "again"
    return {path.relative_to(again).as_posix(): path.read_bytes() for path in again.rglob("*") if path.is_file()}


def stored(server: BucketServer, bucket: str) -> dict[str, bytes]:
    """What is in the lake's store, without the note of whose it is."""
    found = {key.removeprefix("desk/"): data for key, data in server.objects(bucket).items()}
    return {key: data for key, data in found.items() if key != CLAIM}


def parquet(files: dict[str, bytes]) -> dict[str, bytes]:
    return {name: data for name, data in files.items() if name.endswith(".parquet")}


def rows(place: Path | str) -> dict[str, list[tuple[object, ...]]]:
    """All rows of all tables."""
    with Tape(place) as tape:
        return {table: sorted(tape.sql(f"SELECT * FROM {table}").fetchall(), key=repr) for table in TABLES}  # noqa: S608


def listed(lake: Lake) -> dict[str, list[str]]:
    return {table: sorted(it.name for it in lake.files(table)) for table in TABLES}


def same_as_remade(server: BucketServer, bucket: str, root: Path) -> None:
    """Assert that the store has the files of a rebuild, byte for byte, each listed once."""
    made = remade(root)
    assert parquet(stored(server, bucket)) == parquet(made)
    assert listed(Lake.open(place_of(root).store)) == listed(Lake.open(root / "again"))


def test_a_lake_in_a_store_is_that_of_a_disk(server: BucketServer, bucket: str, settings: Settings) -> None:
    """Every object, Parquet and log entry, is what a rebuild of the journal makes on a disk; no lake is beside it."""
    summary, recorder = record_until(settings, some_in)

    assert summary.rows_committed > summary.counters.market_data
    assert stored(server, bucket) == remade(recorder.root)
    assert rows(recorder.root) == rows(recorder.root / "again") == rows(recorder.lake_at)
    assert (recorder.lake_at, (recorder.root / "lake").exists()) == (f"s3://{bucket}/desk", False)


def test_a_file_that_arrives_damaged_is_sent_again(server: BucketServer, bucket: str) -> None:
    """What was put is read again before it is listed; the same batch, tried again, puts it anew."""
    lake = Lake.create_or_open(object_store.open_store(f"s3://{bucket}/desk"))
    columns = Columns()
    add(columns, "trades")
    batch = {"label": "b1", "version": 1, "app_id": "test", "at_ns": T0, "metadata": {}}
    server.only = ".parquet"
    server.faults.append("flipped")

    with pytest.raises(StoreError, match=r"desk/trades/date=.*: sent with SHA-256 \w+, read \w+; it is sent again"):
        lake.write_batch(columns, **batch)
    assert lake.files("trades") == []
    report = lake.write_batch(columns, **batch)

    (file,) = lake.files("trades")
    assert report.files == (f"trades/{file.name}",)
    assert file.store.sha256(file.name)[:16] == digits_of_name(file.name)


def test_a_killed_recorder_is_made_up_for_by_the_next(server: BucketServer, bucket: str, settings: Settings) -> None:
    """SIGKILL while batches are committed, and a next start at which the store is away: that records at once.

    Once the store answers, it gets what the first run lacks and what the second recorded, and no row is there twice. An
    object that no log entry names is told, and stays.
    """
    with running(*_command(settings)) as process:
        _wait(lambda: sum("/messages/_delta_log/" in key for key in server.objects(bucket)) >= 2)
        process.kill()
        process.communicate()
    before = parquet(stored(server, bucket))
    stray = f"{min(before).rpartition('/')[0]}/20261122T115500Z-0123456789abcdef.parquet"
    server.replace(bucket, f"desk/{stray}", b"made by another version")
    server.go_away()
    said: list[str] = []

    # Recovery has its turn where no batch waits, which a store of one processor leaves it only with fewer of them.
    slower = replace(settings, storage=replace(settings.storage, batch_s=2))
    with Recorder(slower, SOFTWARE, on_recovery=said.append) as second:
        second.writer._retry_s = 0.1

        def done(recorder: Recorder) -> bool:
            if recorder.degraded:
                server.come_back()
            return any("orphan" in text for text in said)

        _run_until(second, done)

    table, _, name = stray.partition("/")
    assert said[-1] == f"recovery: orphan: {table}: 1 objects that no log entry names, {name} the first; left"
    assert server.objects(bucket)[f"desk/{stray}"] == b"made by another version"
    server.remove(bucket, f"desk/{stray}")
    same_as_remade(server, bucket, second.root)
    after = parquet(stored(server, bucket))
    assert before.keys() < after.keys()
    assert before.items() <= after.items()


def test_a_store_that_goes_away_is_waited_for(server: BucketServer, bucket: str, settings: Settings) -> None:
    """Recording goes on, the journal has all; once the store answers the lake catches up, with the same files."""
    said: list[str] = []
    degraded: list[str] = []

    def done(recorder: Recorder) -> bool:
        if recorder.degraded and some_in(recorder):
            degraded.append(recorder.degraded)
            server.come_back()
        return bool(degraded) and not recorder.degraded

    with Recorder(settings, SOFTWARE, on_alarm=said.append) as recorder:
        recorder.writer._retry_s = 0.1
        server.go_away()
        _run_until(recorder, done)

    assert degraded[0] == "lake waits: object store: no answer"
    assert [text.split(":")[1:3] for text in said] == [[" object store", " no answer"], [" over", BACK]]
    same_as_remade(server, bucket, recorder.root)


def test_a_store_that_never_comes_back_is_said_at_the_end(
    server: BucketServer, bucket: str, settings: Settings
) -> None:
    """The end names what is missing and who makes it up; a recovery by hand does."""
    with Recorder(settings, SOFTWARE) as recorder:
        server.go_away()
        with pytest.raises(LakeBehind, match=r"no answer: the lake lacks the last batches; the journal has every"):
            _run_until(recorder, some_in)

    server.come_back()
    done = CliRunner().invoke(recover, [str(recorder.root)])

    assert done.exit_code == 0, done.output
    same_as_remade(server, bucket, recorder.root)


def test_a_first_start_must_reach_its_store(server: BucketServer, settings: Settings, tmp_path: Path) -> None:
    """An address that was never reached is told at once, and not kept in mind."""
    server.go_away()

    with pytest.raises(StoreUnreachable), Recorder(settings, SOFTWARE):
        pass

    assert not (tmp_path / "tape" / NOTE).exists()


def test_the_second_recorder_of_an_address_is_refused(
    server: BucketServer, bucket: str, settings: Settings, tmp_path: Path
) -> None:
    """Of any number that begin at once one has the address; the others are told whose it is, and change nothing."""
    roots = [tmp_path / f"root{number}" for number in range(6)]
    for root in roots:
        root.mkdir()

    def begun(root: Path) -> str:
        try:
            return settled(root, settings.storage.lake).tape
        except LakeTaken as error:
            return f"{error.exit_code}: {error}"

    with ThreadPoolExecutor(len(roots)) as pool:
        found = list(pool.map(begun, roots))

    (winner,) = (root for root in roots if (root / NOTE).exists())
    refused = [text for root, text in zip(roots, found, strict=True) if root != winner]
    assert all(text.startswith(f"73: s3://{bucket}/desk: it is the lake of {winner} on ") for text in refused), refused
    before = server.objects(bucket)
    with pytest.raises(LakeTaken), Recorder(settings, SOFTWARE):
        pass
    assert server.objects(bucket) == before
    assert settled(winner, "").tape == place_of(winner).tape == found[roots.index(winner)]


def test_an_address_with_files_of_others_is_refused(server: BucketServer, bucket: str, tmp_path: Path) -> None:
    """What no recorder put there, a push perhaps, is no lake to write batches into."""
    server.replace(bucket, "desk/trades/_delta_log/00000000000000000000.json", b"{}")

    with pytest.raises(LakeTaken, match=r"no recorder put, such as trades/_delta_log"):
        settled(tmp_path, f"s3://{bucket}/desk")

    assert not (tmp_path / NOTE).exists()


def test_a_tape_keeps_to_its_lake(bucket: str, tmp_path: Path) -> None:
    """Neither a lake on the disk nor one at an address is left for another by a setting alone."""
    near, far = tmp_path / "near", tmp_path / "far"
    Lake.create_or_open(near / "lake")
    far.mkdir()
    settled(far, f"s3://{bucket}/far/")

    with pytest.raises(LakeElsewhere, match=r"its lake is at .*/near/lake, not at s3://"):
        settled(near, f"s3://{bucket}/near")
    with pytest.raises(
        LakeElsewhere, match=r"its lake is at s3://.*/far, not at s3://.*/other; .* move .*/\.lake\.json"
    ):
        settled(far, f"s3://{bucket}/other")
    assert settled(far, "").store.location == settled(far, f"s3://{bucket}/far").store.location == f"s3://{bucket}/far"


def test_symbols_of_any_kind_stay_out_of_names(server: BucketServer, bucket: str, tmp_path: Path) -> None:
    """A symbol is data: it names no object, and its rows come back as they were."""
    (tmp_path / "tape").mkdir()
    columns = Columns()
    for table in TABLES:
        for symbol in HOSTILE:
            add(columns, table, symbol=symbol, receive_ns=T0)
    settled(tmp_path / "tape", f"s3://{bucket}/desk")

    for lake in (Lake.create_or_open(own_lake(tmp_path / "tape")), Lake.create_or_open(LocalStore(tmp_path / "near"))):
        lake.write_batch(columns, label="b1", version=1, app_id="test", at_ns=T0, metadata={})

    near = {it.name: (tmp_path / "near" / it.name).read_bytes() for it in LocalStore(tmp_path / "near").list()}
    assert stored(server, bucket) == near
    with Tape(tmp_path / "tape") as tape:
        assert tape.symbols() == sorted(HOSTILE, key=str.encode)
        assert [len(tape.trades(it).fetchall()) for it in HOSTILE] == [1] * len(HOSTILE)


def _run_until(recorder: Recorder, done) -> None:
    def watch() -> None:
        if done(recorder):
            recorder.stop()

    run(recorder.run(seconds=30, watch=watch))


def _command(settings: Settings) -> list[str]:
    venue, storage = settings.venue, settings.storage
    return [
        "record", "--host", venue.host, "--port", str(venue.port), "--ca", venue.ca_file, "--sender", "CLIENT",
        "--symbol", "all", "--depth", "10", "--batch-s", "1", "--root", storage.root, "--lake", storage.lake,
    ]  # fmt: skip


def _wait(done) -> None:
    deadline = time.monotonic() + 20
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.02)
