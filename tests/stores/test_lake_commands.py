"""Commands on a tape whose lake is in an object store: by its root they find it, and do there what a disk sees."""

import json
import shutil
import tarfile
import time
from pathlib import Path

import click
import pytest
from bucket_server import BucketServer
from click.testing import CliRunner, Result

from storage import compaction, retention
from storage import vacuum as vacuuming
from storage.batches import DAY_NS
from storage.journal.trim_cli import trim_journal as trim
from storage.lake_cli import compact, retain, vacuum
from storage.lake_place import CLAIM, settled
from storage.places import lake_store, open_lake
from storage.push_cli import push
from storage.rebuild_cli import rebuild
from storage.recovery_cli import recover
from storage.union.cli import merge
from storage.verify_cli import verify

DATA = Path(__file__).parents[1] / "data"
LATER_NS = time.time_ns() + 10 * DAY_NS


@pytest.fixture
def root(bucket: str, tmp_path: Path) -> Path:
    """A tape of four seconds whose lake was made at an address."""
    tape = tmp_path / "tape"
    with tarfile.open(DATA / "tape-0.1.0.tar.gz") as archive:
        archive.extractall(tape, filter="data")
    shutil.rmtree(tape / "lake")
    settled(tape, f"s3://{bucket}/desk")
    assert called(rebuild, tape).exit_code == 0
    return tape


def called(command: click.Command, *arguments: object) -> Result:
    return CliRunner().invoke(command, list(map(str, arguments)), catch_exceptions=False)


def files(server: BucketServer, bucket: str) -> dict[str, bytes]:
    found = {key.removeprefix("desk/"): data for key, data in server.objects(bucket).items()}
    return {name: data for name, data in found.items() if name != CLAIM}


def test_damage_is_found_and_made_again(server: BucketServer, bucket: str, root: Path) -> None:
    """What verify finds, by root or address, a rebuild puts right; the damaged bytes are kept under the root."""
    whole = files(server, bucket)
    missing, damaged = sorted(name for name in whole if name.startswith("messages/date="))[:2]
    server.remove(bucket, f"desk/{missing}")
    server.replace(bucket, f"desk/{damaged}", whole[damaged][:-9] + b"\0" * 9)

    found = [called(verify, place, "--format", "json") for place in (root, f"s3://{bucket}/desk")]
    done = called(rebuild, root)

    for it in found:
        assert it.exit_code == 3
        named = {json.loads(line)["where"] for line in it.stdout.splitlines() if line.startswith("{")}
        assert {missing, damaged} <= named
    assert (done.exit_code, "2 restored" in done.output) == (0, True), done.output
    assert files(server, bucket) == whole
    assert (root / "quarantine" / "lake" / damaged).read_bytes() == whole[damaged][:-9] + b"\0" * 9
    assert called(verify, root, "--rederive").exit_code == called(verify, f"s3://{bucket}/desk").exit_code == 0


def test_compaction_retention_and_vacuum_work_there(server: BucketServer, bucket: str, root: Path) -> None:
    """One file of the same rows, proven; then none, and what is old enough is deleted, inputs and all."""
    place, tables = lake_store(root), {"messages"}
    before = open_lake(root).files("messages")

    (outcome,) = compaction.compact(root, place, tables=tables, now_ns=LATER_NS, software="t")

    (file,) = open_lake(f"s3://{bucket}/desk").files("messages")
    assert (f"messages/{file.name}", outcome.kept) == (outcome.into, "")
    assert file.rows == outcome.rows == sum(it.rows for it in before)
    assert list((root / ".scratch").iterdir()) == []
    (retained,) = retention.retain(place, days=1, now_ns=LATER_NS, software="t", tables=tables)
    assert retained.rows == file.rows
    (early,) = vacuuming.vacuum(place, keep_ns=DAY_NS, now_ns=LATER_NS, tables=tables)
    (late,) = vacuuming.vacuum(place, keep_ns=DAY_NS, now_ns=LATER_NS + 2 * DAY_NS, tables=tables)
    assert (early.files, early.waiting, late.files) == (0, len(before) + 1, len(before) + 1)
    assert [name for name in files(server, bucket) if name.startswith("messages/date=")] == []


def test_commands_take_the_address_itself(bucket: str, root: Path) -> None:
    """Where there is nothing to do yet, each says so and ends well."""
    address = f"s3://{bucket}/desk"
    done = [
        called(compact, address, "--by", "day"),
        called(vacuum, address),
        called(retain, address, "--older-than", 9),
    ]

    assert [it.exit_code for it in done] == [0, 0, 0]
    assert [it.stderr for it in done] == ["nothing to compact\n", "nothing to remove\n", "no date is as old\n"]


def test_a_compacted_file_is_made_again(server: BucketServer, bucket: str, root: Path) -> None:
    """Of its inputs, which are copied here for it and back, with the bytes that its name states."""
    done = compaction.compact(root, lake_store(root), tables={"messages"}, now_ns=LATER_NS, software="t")
    (name, *_) = (it.into for it in done)
    whole = files(server, bucket)
    server.remove(bucket, f"desk/{name}")

    assert called(rebuild, root).exit_code == 0

    assert files(server, bucket) == whole


def test_segments_go_once_their_rows_are_proven_there(root: Path) -> None:
    """Trimming reads the files at the address again, and keeps a segment of which a file is damaged."""
    proven = called(trim, root, "--older-than", "0", "--dry-run")

    assert (proven.exit_code, "would be removed" in proven.output) == (0, True), proven.output


def test_a_recovery_by_hand_finds_the_lake(server: BucketServer, bucket: str, root: Path) -> None:
    """What an address lacks is made from the journal under the root."""
    whole = files(server, bucket)
    for name in whole:
        if not name.endswith("00000.json"):
            server.remove(bucket, f"desk/{name}")

    assert called(recover, root).exit_code == 0

    assert files(server, bucket) == whole


def test_what_cannot_be_done_is_refused(bucket: str, root: Path, tmp_path: Path) -> None:
    """In one line that says what stands there and what to do; nothing is written."""
    address, another = f"s3://{bucket}/desk", tmp_path / "another"
    shutil.copytree(root / "journal", another / "journal")
    assert called(rebuild, another).exit_code == 0
    refusals = {
        "a merge reads the disk; make one there for it": called(merge, root, another, "--into", tmp_path / "into"),
        f"{address}: it is the lake of {root} on ": called(push, another, address),
        f"s3://{bucket}/desk: it is the lake of ": called(rebuild, another, "--into", address),
    }

    for words, refused in refusals.items():
        assert (refused.exit_code != 0, words in refused.stderr) == (True, True), refused.output
