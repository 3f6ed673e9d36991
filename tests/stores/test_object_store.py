"""An object store keeps the promises of a store: one gets a name, an error says what it was, no secret is shown."""

import multiprocessing
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest
from bucket_server import SECRET, BucketServer
from obstore.store import MemoryStore

from storage.commits import TableLog, entry_name
from storage.errors import BucketMissing, StoreDenied, StoreError, StoreUnreachable, StoreUnusable
from storage.files import Range, WrittenFile
from storage.log_entries import Seal, check_entry
from storage.object_settings import Address, parse_address, s3_settings
from storage.object_store import (
    PART_BYTES,
    PUT_NEW_TRIES_LIMIT,
    TAIL_BYTES,
    TAILS_KEPT,
    Client,
    ObjectStore,
    open_store,
)
from storage.stores import LocalStore, Store

ROUNDS = 100
COMMITS = 52  # Of each: together more than a checkpoint is made after.
WAIT_S = 60
T0 = 1_795_348_500_123_456_789


@pytest.fixture(params=["directory", "memory", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """Each kind of store."""
    if request.param == "directory":
        return LocalStore(tmp_path / "t")
    if request.param == "memory":
        inside = MemoryStore()
        return ObjectStore(Client("memory://m", inside, inside), "tapes/t")
    return open_store(f"s3://{request.getfixturevalue('bucket')}/tapes/t")


def test_a_name_is_given_once(store: Store) -> None:
    """The second put of a name changes nothing, and says so."""
    assert store.put_new("log/1", b"first")
    assert not store.put_new("log/1", b"second")

    assert store.read("log/1") == b"first"


def test_what_is_published_is_listed_and_read_at_any_place(store: Store) -> None:
    """A staged file has no name before it is published; then it is whole, and any part of it can be read."""
    data = bytes(range(256)) * 1024

    with store.stage("d", "x") as staged:
        staged.write(data[:1000])
        staged.write(data[1000:])
        before = [it.name for it in store.list("d") if not it.name.endswith(".tmp")]
        staged.publish("d/x")

    assert before == []
    assert [(it.name, it.size) for it in store.list("d")] == [("d/x", len(data))]
    with store.open("d/x") as file:
        assert file.seek(0, 2) == len(data)
        file.seek(5)
        assert file.read(10) == data[5:15]
        file.seek(len(data) - 3)
        assert file.read(10) == data[-3:]
        assert file.read() == b""


def test_what_is_not_published_leaves_nothing(store: Store) -> None:
    """A file given up half-way is not there."""
    with store.stage("d", "x") as staged:
        staged.write(b"half")

    assert list(store.list()) == []


def test_a_store_below_is_a_longer_prefix(store: Store) -> None:
    """What is put below stands under the longer name, and a like-named neighbour is not listed with it."""
    store.below("lake").below("trades").put_new("a", b"1")
    store.put_new("lake/trades2/b", b"2")

    assert [it.name for it in store.below("lake/trades").list()] == ["a"]
    assert sorted(it.name for it in store.list("lake")) == ["lake/trades/a", "lake/trades2/b"]


def test_deleting_says_whether_it_was_there(store: Store) -> None:
    """The second time it was gone already."""
    store.put_new("a", b"1")

    assert (store.delete("a"), store.delete("a")) == (True, False)
    with pytest.raises(FileNotFoundError):
        store.read("a")


def test_an_empty_object_can_be_read(store: Store) -> None:
    """No range of it can be had, and it is read all the same."""
    store.put_new("a", b"")

    with store.open("a") as file:
        assert file.read() == b""


def test_a_large_file_goes_in_parts_and_is_one_object(bucket: str) -> None:
    """Beyond the size of a part it is uploaded in several, and stands there once all of them are."""
    data = b"0123456789abcdef" * (PART_BYTES // 16) + b"end"
    store = open_store(f"s3://{bucket}")

    with store.stage("", "big") as staged:
        staged.write(data)
        staged.publish("big")

    assert store.read("big") == data


def test_only_what_is_asked_for_is_read(bucket: str) -> None:
    """Opening reads the end once, whoever opens again; a range is one request of its size."""
    store = open_store(f"s3://{bucket}")
    store.put_new("a", bytes(1 << 20))

    for _ in range(2):
        with store.open("a") as file:
            file.seek(-100, 2)
            file.read(50)
            file.seek(1000)
            file.read(10)

    assert (store.client.counts.reads, store.client.counts.bytes) == (3, TAIL_BYTES + 20)


def test_kept_ends_have_a_limit() -> None:
    """However many files are read, the ends of the last ones alone are kept."""
    inside = MemoryStore()
    store = ObjectStore(Client("memory://m", inside, inside), "")
    for number in range(TAILS_KEPT + 5):
        store.put_new(str(number), b"x")
        store.open(str(number)).close()

    assert len(store.client._tails) == TAILS_KEPT


def quick(bucket: str) -> tuple[ObjectStore, list[float]]:
    """A store that does not sleep, and what it would have slept."""
    store, slept = open_store(f"s3://{bucket}"), []
    store.client.sleep = slept.append
    return store, slept


@pytest.mark.parametrize("fault", ["lost", "refused"])
def test_an_answer_that_is_lost_is_asked_for_again(server: BucketServer, bucket: str, fault: str) -> None:
    """Whether the put was done before its answer was lost or not, it is ours, and there once."""
    store, slept = quick(bucket)
    server.faults.extend([fault, fault])

    assert store.put_new("log/1", b"ours")

    assert store.read("log/1") == b"ours"
    assert slept == [0.1, 0.2]


def test_a_lost_answer_is_no_win_where_another_was_quicker(server: BucketServer, bucket: str) -> None:
    """What stands there has other bytes, so it is another's."""
    store, _ = quick(bucket)
    store.put_new("log/1", b"theirs")
    server.faults.append("refused")

    assert not store.put_new("log/1", b"ours")


def test_tries_have_a_limit(server: BucketServer, bucket: str) -> None:
    """A store that never answers is given up with an error."""
    store, slept = quick(bucket)
    server.faults.extend(["refused"] * PUT_NEW_TRIES_LIMIT)

    with pytest.raises(StoreError, match="503"):
        store.put_new("log/1", b"ours")

    assert len(slept) == PUT_NEW_TRIES_LIMIT - 1
    server.faults.clear()


def append(log: TableLog, name: str, *, app_id: str, version: int) -> bool:
    ranges = {"receive_ns": Range(T0, T0 + 1), "msg_seq_num": Range(1, 9), "symbol": Range("A", "Z")}
    file = WrittenFile(f"date=2026-11-22/{name}.parquet", "2026-11-22", 65_536, 1000, "0" * 64, ranges, {})
    return log.commit([file], app_id=app_id, version=version, at_ns=T0, metadata={})


def race(address: str, environment: dict[str, str], writer: str, barrier: Barrier, told: Path) -> None:
    """In each round put the same name, and in some commit a file, at the same moment as the other process."""
    store = open_store(address, environment)
    log = TableLog.open(store.below("trades"), "trades")
    assert log is not None
    won = []
    for number in range(1, ROUNDS + 1):
        barrier.wait(WAIT_S)
        won.append("x" if store.put_new(f"races/{number}", writer.encode()) else "-")
        if number <= COMMITS:
            append(log, f"{writer}-{number:03}", app_id=writer, version=number)
    told.write_text("".join(won))


def test_of_two_writers_exactly_one_wins_each_of_a_hundred_races(
    server: BucketServer, bucket: str, tmp_path: Path
) -> None:
    """Each name is one's, its bytes are the winner's, and every commit of both is in the log, one entry each."""
    address = f"s3://{bucket}/tape"
    store = open_store(address)
    TableLog.create(store.below("trades"), "trades")
    context = multiprocessing.get_context("forkserver")
    barrier = context.Barrier(2)
    pair = [
        context.Process(target=race, args=(address, server.environment(), writer, barrier, tmp_path / writer))
        for writer in "ab"
    ]
    for process in pair:
        process.start()
    for process in pair:
        process.join(WAIT_S)

    assert [process.exitcode for process in pair] == [0, 0]
    won = {writer: (tmp_path / writer).read_text() for writer in "ab"}
    assert all(sorted(pair) == ["-", "x"] for pair in zip(won["a"], won["b"], strict=True))
    for number in range(ROUNDS):
        assert store.read(f"races/{number + 1}") == (b"a" if won["a"][number] == "x" else b"b")
    table = store.below("trades")
    log = TableLog.open(table, "trades")
    assert log is not None
    listed = sorted(add["path"].partition("/")[2] for add in log.listing().adds)
    assert listed == [f"{writer}-{number:03}.parquet" for writer in "ab" for number in range(1, COMMITS + 1)]
    assert log.listing().version == 2 * COMMITS
    assert {check_entry(table.read(entry_name(number))) for number in range(2 * COMMITS + 1)} == {Seal.INTACT}


def test_a_bucket_that_is_missing_is_told(bucket: str) -> None:
    """Whatever is asked of it, it is one line that names the bucket."""
    store = open_store(f"s3://{bucket}-not/tape")

    for ask in (lambda: list(store.list()), lambda: store.read("a"), lambda: store.put_new("a", b"")):
        with pytest.raises(BucketMissing, match=f"^s3://{bucket}-not: no such bucket; make it") as caught:
            ask()
        assert (caught.value.exit_code, "\n" in str(caught.value)) == (74, False)


def test_a_server_that_is_not_there_is_told(server: BucketServer) -> None:
    """Nothing listens there: exit code 69, and what to look at."""
    store = open_store("s3://tapes/t", {**server.environment(), "AWS_ENDPOINT_URL": "http://127.0.0.1:1"})
    store.client.sleep = lambda _: None

    with pytest.raises(StoreUnreachable, match=r"no answer; look at the network and at AWS_ENDPOINT_URL") as caught:
        store.put_new("a", b"")

    assert caught.value.exit_code == 69


def test_a_log_is_not_damaged_where_the_server_is_gone(tmp_path: Path) -> None:
    """What deltalake says of a server that does not answer is our one line about it, and no finding."""
    server = BucketServer()
    server.make_bucket("gone")
    store = open_store("s3://gone/t", server.environment())
    log = TableLog.create(store, "trades")
    server.stop()

    with pytest.raises(StoreUnreachable, match=r"^s3://gone/t: no answer; look at the network") as caught:
        log.listing()

    assert "\n" not in str(caught.value)


def test_missing_credentials_are_told_at_once(tmp_path: Path) -> None:
    """No server is asked for them."""
    with pytest.raises(StoreDenied, match="no credentials in the environment") as caught:
        open_store("s3://tapes/t", {"HOME": str(tmp_path)})

    assert caught.value.exit_code == 77


def test_settings_come_from_the_environment_then_from_the_standard_files(tmp_path: Path) -> None:
    """A profile's key, region and endpoint are found where the AWS tools write them."""
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws" / "credentials").write_text(
        f"[desk]\naws_access_key_id = K\naws_secret_access_key = {SECRET}\n[default]\naws_access_key_id = D\n"
    )
    (tmp_path / ".aws" / "config").write_text("[profile desk]\nregion = eu-west-1\nendpoint_url = https://host:9000/\n")
    address = Address("tapes", "")

    found = s3_settings(address, {"HOME": str(tmp_path), "AWS_PROFILE": "desk"})
    nearer = s3_settings(address, {"HOME": str(tmp_path), "AWS_PROFILE": "desk", "AWS_REGION": "us-west-2"})

    assert found.settings == {
        "AWS_ACCESS_KEY_ID": "K",
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_REGION": "eu-west-1",
        "AWS_ENDPOINT_URL": "https://host:9000",
    }
    assert nearer.settings["AWS_REGION"] == "us-west-2"
    assert SECRET not in repr(found)


def test_a_file_of_settings_that_cannot_be_read_shows_nothing_of_it(tmp_path: Path) -> None:
    """What is wrong is named by its kind: the text around it may be a secret."""
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws" / "credentials").write_text(f"aws_secret_access_key = {SECRET}\n")

    with pytest.raises(StoreUnusable, match="cannot be read: MissingSectionHeaderError") as caught:
        s3_settings(Address("tapes", ""), {"HOME": str(tmp_path)})

    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("text", ["gs://tapes/t", "s3://", "s3://A_B/t", "s3://tapes/a/../b", "s3://tapes/a%20b"])
def test_an_address_that_is_none_is_refused(text: str) -> None:
    """Exit code 78, before anything is asked."""
    with pytest.raises(StoreUnusable) as caught:
        parse_address(text)

    assert caught.value.exit_code == 78


def test_slashes_too_many_are_no_part_of_an_address() -> None:
    """A trailing or doubled slash does not make another prefix."""
    assert str(parse_address("s3://tapes//a/b/")) == "s3://tapes/a/b"
    assert str(parse_address("s3://tapes")) == "s3://tapes"
