"""What is found wrong at a start, and that it is put in order, told, and put in order once."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from crashed import AT_NS, SOFTWARE, files_of, make_tapes, recover, tree

from capture.sinks import Connection
from storage.commits import TableLog
from storage.errors import JournalDamaged, JournalTooNew, LakeDamaged
from storage.journal.blocks import Source, walk
from storage.journal.compress import compress_segment
from storage.journal.format import section_block
from storage.journal.reader import read_journal
from storage.journal.segments import segment_paths
from storage.journal.verify import SegmentState, verify_segment
from storage.journal.writer import JournalWriter
from storage.lake import Lake
from storage.rebuild import rebuild
from storage.schemas import TABLES
from storage.tape_layout import WHOLE_RUNS

CONNECTION = Connection("fix.example", "10.0.0.2", 41000, "192.0.2.7", 4000, "CLIENT", "KRAKEN-MD", "TLSv1.3")
START_NS = 1_795_000_000_123_456_789


@pytest.fixture(scope="module")
def tapes(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return make_tapes(tmp_path_factory.mktemp("tapes"))


@pytest.fixture
def whole(tapes: tuple[Path, Path], tmp_path: Path) -> Path:
    return Path(shutil.copytree(tapes[0], tmp_path / "whole"))


@pytest.fixture
def crashed(tapes: tuple[Path, Path], tmp_path: Path) -> Path:
    return Path(shutil.copytree(tapes[1], tmp_path / "crashed"))


def segment(root: Path) -> Path:
    """The only segment of a tape."""
    (path,) = segment_paths(root)
    return path


def kinds(report) -> list[str]:
    return [kind for kind, _ in report.done]


def entries(root: Path, table: str) -> list[Path]:
    return sorted((root / "lake" / table / "_delta_log").glob("*.json"))


def assert_recovered(root: Path, scratch: Path) -> None:
    """The lake holds what the journal gives, no more, and recovering again changes nothing."""
    before = tree(root)
    again = recover(root)
    assert again.nothing_done, again
    assert tree(root) == before
    rebuild(root / "journal", scratch, software=SOFTWARE)
    assert files_of(root / "lake") == files_of(scratch)


def test_a_tape_in_order_is_left_as_it_is(whole: Path, tmp_path: Path) -> None:
    """Of a recorder that ended in order nothing is changed, nothing told, and no run told again."""
    report = recover(whole)

    assert report.nothing_done
    assert report.runs == 0
    assert_recovered(whole, tmp_path / "again")


def test_what_a_kill_took_from_the_lake_is_made(crashed: Path, tmp_path: Path) -> None:
    """The batches that the lake lacks are made, and the segment that nobody closed is sealed."""
    records = len(list(read_journal(crashed)))

    report = recover(crashed)

    assert kinds(report)[-1] == "batches"
    assert "sealed" in kinds(report)
    assert verify_segment(segment(crashed)).state is SegmentState.SEALED
    assert len(list(read_journal(crashed))) == records
    assert_recovered(crashed, tmp_path / "again")


def cut_to_records(path: Path, records: int) -> int:
    """Cut a segment after so many of its records; returns its size then."""
    with Source(path) as source:
        ends = [step.offset + step.size for step in walk(source)]
    with path.open("r+b") as file:
        file.truncate(ends[records + 1])
    return ends[records + 1]


@pytest.mark.parametrize(
    "tail",
    [b"\x06", b"\x06\0\0\0\x90\1\0\0\0\0\0\0" + b"x" * 50, bytes(4096), b"\xa5" * 333],
    ids=["a byte", "a beginning", "zeros", "noise"],
)
def test_a_tail_that_is_no_block_is_cut_and_kept(crashed: Path, tmp_path: Path, tail: bytes) -> None:
    """Bytes after the last whole block are moved to quarantine with their reason, and told with their number."""
    path = segment(crashed)
    size = cut_to_records(path, 100)
    with path.open("ab") as file:
        file.write(tail)

    report = recover(crashed)

    assert len(list(read_journal(crashed))) == 100
    (kept,) = (crashed / "quarantine" / "journal").rglob(f"*.from-{size}")
    assert kept.read_bytes() == tail
    reason = json.loads(kept.with_name(f"{kept.name}.reason.json").read_text())
    assert (reason["bytes"], reason["offset"], reason["by"]) == (len(tail), size, SOFTWARE)
    assert any(f"{len(tail)} bytes cut after byte {size}" in text for _, text in report.done)
    assert verify_segment(path).state is SegmentState.SEALED


def test_a_tail_of_an_older_segment_invents_no_record(crashed: Path) -> None:
    """Whole blocks of another segment behind the last block of ours are set aside, none of them read."""
    path = segment(crashed)
    older = path.read_bytes()[:3000]
    size = cut_to_records(path, 100)
    with path.open("ab") as file:
        file.write(older)

    report = recover(crashed)

    assert len(list(read_journal(crashed))) == 100
    assert "damage" in kinds(report)
    (kept,) = (crashed / "quarantine" / "journal").rglob(f"*.from-{size}")
    assert kept.read_bytes() == older


def flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 4
    path.write_bytes(data)


def test_damage_inside_is_kept_and_read_past(crashed: Path, tmp_path: Path) -> None:
    """By `archive` a copy is kept, every whole record stays readable, and the lake tells the hole as a gap."""
    shutil.rmtree(crashed / "lake")
    path = segment(crashed)
    with Source(path) as source:
        steps = list(walk(source))
    offset = steps[120].offset
    flip(path, offset + 60)
    damaged = path.read_bytes()

    report = recover(crashed)

    assert "damage" in kinds(report)
    assert report.damaged
    (kept,) = (crashed / "quarantine" / "journal").rglob("*.pcapng")
    assert kept.read_bytes() == damaged
    findings: list[object] = []
    assert len(list(read_journal(crashed, findings.append))) == len(steps) - 3
    assert len(findings) == 1
    events = {row["kind"]: row for row in rows(crashed, "events")}
    assert events["gap"]["count"] >= 1
    assert events["gap_fill"]["count"] == events["gap"]["count"]
    assert any(row["expected"] == "journal damage" for row in rows(crashed, "events"))
    before = tree(crashed)
    assert recover(crashed).nothing_done
    assert tree(crashed) == before


def rows(root: Path, table: str) -> list[dict[str, object]]:
    files = Lake.open(root / "lake").files(table)
    return [row for file in files for row in pq.ParquetFile(file.path).read().to_pylist()]


def test_damage_inside_stops_by_abort(crashed: Path) -> None:
    """By `abort` nothing is changed and the error names segment, offset and remedy."""
    path = segment(crashed)
    with Source(path) as source:
        offset = list(walk(source))[50].offset
    flip(path, offset + 60)
    before = tree(crashed)

    with pytest.raises(JournalDamaged, match=f"block at {offset}: ") as caught:
        recover(crashed, policy="abort")

    assert caught.value.exit_code == 3
    after = tree(crashed)
    after.pop(".lock")
    before.pop(".lock", None)
    assert after == before


def test_damage_inside_is_cut_off_by_truncate(crashed: Path) -> None:
    """By `truncate` the segment ends before the damage, and what stood from there on is kept."""
    path = segment(crashed)
    whole = path.read_bytes()
    with Source(path) as source:
        offset = list(walk(source))[50].offset
    flip(path, offset + 60)

    recover(crashed, policy="truncate")

    assert len(list(read_journal(crashed))) == 48
    (kept,) = (crashed / "quarantine" / "journal").rglob(f"*.from-{offset}")
    assert len(kept.read_bytes()) == len(whole) - offset
    assert verify_segment(path).state is SegmentState.SEALED


@pytest.mark.parametrize("table", [name for name in TABLES if name != "order_changes"])
@pytest.mark.parametrize("torn", ["empty", "half", "zeros"])
def test_a_torn_log_entry_is_set_aside_and_its_batch_made_again(
    whole: Path, tmp_path: Path, table: str, torn: str
) -> None:
    """Whatever a power cut left of the last entry of a table, the table has its rows again, once."""
    before = files_of(whole / "lake")
    last = entries(whole, table)[-1]
    data = last.read_bytes()
    last.write_bytes({"empty": b"", "half": data[: len(data) // 2], "zeros": bytes(len(data))}[torn])

    report = recover(whole)

    assert kinds(report)[0] == "torn log entry"
    assert files_of(whole / "lake") == before
    assert (whole / "quarantine" / last.relative_to(whole)).exists()
    assert_recovered(whole, tmp_path / "again")


def test_a_log_damaged_inside_is_cut_there(whole: Path, tmp_path: Path) -> None:
    """An entry that fails with good ones after it: all from it on are set aside and made from the journal."""
    middle = entries(whole, "messages")[2]
    middle.write_bytes(middle.read_bytes()[:-20])

    report = recover(whole)

    assert "damage" in kinds(report)
    assert_recovered(whole, tmp_path / "again")


def test_a_damaged_log_is_left_alone_where_the_journal_cannot_make_it_again(whole: Path) -> None:
    """Without the journal of what stands after it, a damaged entry is an error and nothing is moved."""
    middle = entries(whole, "messages")[2]
    middle.write_bytes(middle.read_bytes()[:-20])
    shutil.rmtree(whole / "journal")

    with pytest.raises(LakeDamaged, match="the journal has not all of fixtape/"):
        recover(whole)

    assert not (whole / "quarantine").exists()


def test_a_batch_that_was_never_committed_is_adopted(whole: Path, tmp_path: Path) -> None:
    """A file whose commit a kill prevented is no orphan: the batch made again has the same name, and is committed."""
    for table in ("messages", "events"):
        entries(whole, table)[-1].unlink()

    report = recover(whole)

    assert kinds(report) == ["batches"]
    assert_recovered(whole, tmp_path / "again")


def test_an_entry_that_a_checkpoint_stands_for_is_mended_by_hand(whole: Path, tmp_path: Path) -> None:
    """A start of a recorder does not read it; by hand it goes with what stands after it, and all is made again."""
    names, logs = files_of(whole / "lake"), [path.read_bytes() for path in entries(whole, "messages")]
    log = TableLog.open(whole / "lake" / "messages", "messages")
    assert log is not None
    log.checkpoint(log.listing().version)
    damaged = entries(whole, "messages")[1]
    damaged.write_bytes(damaged.read_bytes().replace(b"add", b"abd", 1))

    at_start = recover(whole)
    by_hand = recover(whole, every_entry=True)

    assert at_start.nothing_done
    assert kinds(by_hand)[0] == "damage"
    assert (files_of(whole / "lake"), [path.read_bytes() for path in entries(whole, "messages")]) == (names, logs)
    assert not list((whole / "lake" / "messages" / "_delta_log").glob("*checkpoint*"))
    assert_recovered(whole, tmp_path / "again")


def test_files_that_no_log_names_are_set_aside(whole: Path, tmp_path: Path) -> None:
    """A stranger goes to quarantine with its bytes; a temporary that was never a file goes, and is counted."""
    (day,) = (whole / "lake" / "messages").glob("date=*")
    (day / "stranger.parquet").write_bytes(b"PAR1 what is this")
    os.utime(day / "stranger.parquet", (0, 0))
    (day / ".20261122T115500Z.tmp").write_bytes(b"half a batch")

    report = recover(whole)

    assert sorted(kinds(report)) == ["orphan", "removed"]
    (kept,) = (whole / "quarantine").rglob("stranger.parquet")
    assert kept.read_bytes() == b"PAR1 what is this"
    assert not list(day.glob(".*"))
    assert_recovered(whole, tmp_path / "again")


def test_a_temporary_goes_with_the_process_that_wrote_it(whole: Path) -> None:
    """What a process that ended left of a log entry is nobody's; what one that lives is writing is left to it."""
    with subprocess.Popen(["true"]) as ended:
        pass
    log = whole / "lake" / "messages" / "_delta_log"
    dead, live = (log / f".{7:020}.json.{process}-0a1b2c3d.tmp" for process in (ended.pid, os.getppid()))
    for path in (dead, live):
        path.write_bytes(b"half an entry")
        os.utime(path, ns=(AT_NS, AT_NS))

    report = recover(whole)

    assert kinds(report) == ["removed"]
    assert (dead.exists(), live.exists()) == (False, True)


def test_what_another_process_may_be_about_to_name_is_left_alone(whole: Path) -> None:
    """A file of today that no batch has made may be compaction's, which runs beside a recorder."""
    (day,) = (whole / "lake" / "messages").glob("date=*")
    (day / "hour-11.parquet").write_bytes(b"PAR1 not committed yet")
    os.utime(day / "hour-11.parquet", ns=(AT_NS, AT_NS))

    assert recover(whole).nothing_done
    assert (day / "hour-11.parquet").exists()


@pytest.mark.parametrize("policy", ["archive", "truncate"])
def test_a_compressed_segment_that_is_damaged_is_kept_and_never_cut(whole: Path, policy: str) -> None:
    """Its copy goes to quarantine, and the file stays as long as it is."""
    compress_segment(segment(whole))
    (whole / WHOLE_RUNS).unlink()
    path = segment(whole)
    flip(path, path.stat().st_size // 2)
    damaged = path.read_bytes()

    report = recover(whole, policy=policy)

    assert report.damaged
    assert segment(whole).read_bytes() == damaged
    (kept,) = (whole / "quarantine").rglob("*.zst")
    assert kept.read_bytes() == damaged


@pytest.mark.parametrize("data", [b"", section_block("x", b"{}")[:40]], ids=["empty", "half a header"])
def test_a_segment_without_a_record_is_set_aside(whole: Path, tmp_path: Path, data: bytes) -> None:
    """A segment whose writer was stopped right after making it tells nothing, and goes to quarantine."""
    path = segment(whole)
    later = path.with_name("20991231T000000.000000000Z.pcapng")
    later.write_bytes(data)

    report = recover(whole)

    assert not later.exists()
    assert [kind for kind, text in report.done if later.name in text] == ["set aside"]
    assert_recovered(whole, tmp_path / "again")


def test_a_newer_journal_is_refused(whole: Path) -> None:
    """A segment of a later version is not touched, and the error says to upgrade."""
    text = b'{"fixtape":"segment","run":"r","software":"fixtape 9","schema":99,"batch_s":60}'
    segment(whole).with_name("20991231T000000.000000000Z.pcapng").write_bytes(section_block("fixtape 9", text))

    with pytest.raises(JournalTooNew) as caught:
        recover(whole)

    assert caught.value.exit_code == 78
    assert not (whole / "quarantine").exists()


def test_the_list_of_whole_runs_is_not_believed_against_a_log(whole: Path, tmp_path: Path) -> None:
    """A table that lost its last entries is completed though its run is written down as whole."""
    assert (whole / WHOLE_RUNS).exists()
    for path in entries(whole, "quotes")[-2:]:
        path.unlink()

    report = recover(whole)

    assert kinds(report) == ["batches"]
    assert_recovered(whole, tmp_path / "again")


@pytest.mark.parametrize("content", [b"", b"{", b'{"schema":7,"runs":{}}', b"\0" * 30])
def test_without_a_list_of_whole_runs_all_are_checked(whole: Path, tmp_path: Path, content: bytes) -> None:
    """A list that is torn counts as none: every run is told again, and nothing is made twice."""
    (whole / WHOLE_RUNS).write_bytes(content)

    report = recover(whole)

    assert (report.runs, report.batches) == (1, 0)
    assert_recovered(whole, tmp_path / "again")


def test_a_run_whose_beginning_is_gone_is_not_counted_anew(tmp_path: Path) -> None:
    """A run whose first segment is missing is named, and no batch of it gets a number it does not have."""
    writer = JournalWriter(
        tmp_path / "journal", run="20261118T110640.123456789Z", software="x", segment_bytes_limit=1000
    )
    writer.opened(START_NS, CONNECTION)
    for second in range(10):
        writer.received(START_NS + second * 10**9, b"8=FIX.4.4\x019=5\x0135=0\x0110=161\x01" * 5)
    writer.close()
    segment_paths(tmp_path)[0].unlink()

    report = recover(tmp_path)

    assert len(report.failed) == 1
    assert "goes on from one that is not there" in report.failed[0]
    assert Lake.open(tmp_path / "lake").files("events") == []
    assert report.batches == 0
