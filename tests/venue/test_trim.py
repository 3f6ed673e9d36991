"""Segments go from the journal only where the lake is proven to hold what was made of them."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from venues import SOFTWARE, record_until, recordings, settings_for, venue_thread

import fixtape
from capture.sinks import Position
from storage import trim as trim_module
from storage.journal.blocks import segment_bytes
from storage.journal.cli import journal
from storage.journal.compress import compress_segment
from storage.journal.format import SEAL_BYTES
from storage.journal.segments import plain_paths, segment_name, segment_paths
from storage.journal.trimmed import FILE_NAME, read_trimmed
from storage.journal.verify import verify_journal
from storage.journal.writer import JournalWriter
from storage.lake import Lake
from storage.rebuild import rebuild
from storage.trim import trim

pytestmark = pytest.mark.venue

LATER_NS = 2**62
MESSAGES = 4269
CUT_BYTES = 350_000  # Of 1.3 million.
NOW_NS = 1_900_000_000_000_000_000


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a tape of four segments of one connection, messages in each of them, all of it in the lake."""
    received = JournalWriter.received

    def cut_by_bytes(self: JournalWriter, at_ns: int, data: bytes) -> list[tuple[Position, bytes]]:
        self._at_limit = self.received_bytes // CUT_BYTES < (self.received_bytes + len(data)) // CUT_BYTES
        return received(self, at_ns, data)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(JournalWriter, "received", cut_by_bytes)
        tape = record(tmp_path_factory.mktemp("recorded"))
    assert len(segment_paths(tape)) == 4
    return tape


def record(base: Path) -> Path:
    """Record all that there is."""
    with venue_thread(recordings("spot10-d1000")) as (server, credentials):
        settings = settings_for(server, credentials.write_ca(base / "ca.pem"), base / "tape", batch_s=1)
        summary, _ = record_until(settings, lambda it: it.counters.market_data >= MESSAGES)
    assert summary.books_proven == 10
    return base / "tape"


@pytest.fixture
def tape(recorded: Path, tmp_path: Path) -> Path:
    """Return a copy of it."""
    return Path(shutil.copytree(recorded, tmp_path / "tape"))


def outcomes(tape: Path, **options):
    """What a trim of everything comes to."""
    options = {"before_ns": LATER_NS, "now_ns": NOW_NS, **options}
    return list(trim(tape, Lake.open(tape / "lake"), **options))


def rows(tape: Path) -> int:
    with fixtape.open(tape) as it:
        return it.sql("SELECT count(*) FROM messages").fetchall()[0][0]


def test_what_is_proven_goes_and_is_noted(tape: Path) -> None:
    """Each segment is noted with what was counted, and every message of the lake is of one of them."""
    compress_segment(segment_paths(tape)[0])
    names = [segment_name(path) for path in segment_paths(tape)]
    sizes = [segment_bytes(path) for path in segment_paths(tape)]

    found = outcomes(tape)

    assert [it.segment for it in found] == names
    assert [it.kept for it in found] == [""] * len(names)
    assert segment_paths(tape) == []
    assert [path.name for path in (tape / "journal").iterdir()] == [FILE_NAME]
    noted = read_trimmed(tape)
    assert [(it.segment, it.bytes, it.messages) for it in noted] == [
        (it.segment, size, it.messages) for it, size in zip(found, sizes, strict=True)
    ]
    assert sum(it.messages for it in noted) == rows(tape)
    assert [bool(it.sha256) for it in noted] == [True] + [False] * (len(names) - 1)
    assert {it.at_ns for it in noted} == {NOW_NS}
    assert list(verify_journal(tape)) == []


def test_a_segment_after_which_no_message_came_goes_as_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The end of the run, in a later segment, shows that the batch of its last record is there."""
    sent = JournalWriter.sent

    def in_a_segment_of_its_own(self: JournalWriter, at_ns: int, data: bytes) -> Position:
        self._at_limit = self._at_limit or b"\x0135=1\x01" in data  # The end begins with a TestRequest.
        return sent(self, at_ns, data)

    monkeypatch.setattr(JournalWriter, "sent", in_a_segment_of_its_own)
    tape = record(tmp_path)

    found = outcomes(tape)

    assert [it.kept for it in found] == [""] * len(found)
    assert found[-1].messages == 0 < found[-2].messages


def test_a_dry_run_removes_nothing(tape: Path) -> None:
    """It proves and counts the same, and leaves no trace."""
    before = segment_paths(tape)

    found = outcomes(tape, dry_run=True)

    assert segment_paths(tape) == before
    assert read_trimmed(tape) == []
    assert found == outcomes(tape)


def test_only_what_is_old_enough_goes(tape: Path) -> None:
    """A segment whose last record is not before the time is not looked at; what is left still verifies and reads."""
    first, second, *_ = verify_journal(tape)
    assert second.first_ns is not None

    (found,) = outcomes(tape, before_ns=second.first_ns)

    assert found.segment == segment_name(first.path)
    assert segment_name(segment_paths(tape)[0]) == segment_name(second.path)
    assert [report.findings for report in verify_journal(tape)] == [()] * len(segment_paths(tape))
    assert all(not it.kept for it in outcomes(tape))  # What begins in the middle of a connection is counted as well.


def test_a_hole_that_was_trimmed_is_no_damage(tape: Path) -> None:
    """A segment that went from between two others is a finding, unless it was noted."""
    paths = segment_paths(tape)
    (tape / "journal" / FILE_NAME).write_text("")
    shutil.move(paths[1], tape / "elsewhere.pcapng")
    assert sum(len(report.findings) for report in verify_journal(tape)) == 1

    (tape / "journal" / FILE_NAME).write_bytes(
        json.dumps(dict.fromkeys(("first_ns", "last_ns", "records", "bytes", "messages", "files", "at_ns"), 0)
                   | {"segment": segment_name(paths[1]), "run": "r", "sha256": ""}).encode() + b"\n"
    )  # fmt: skip

    assert [report.findings for report in verify_journal(tape)] == [()] * (len(paths) - 1)


def kept(tape: Path) -> list[str]:
    """The reasons for which segments are kept, after a trim that keeps them all."""
    before = segment_paths(tape)
    found = outcomes(tape)
    assert segment_paths(tape) == before
    assert read_trimmed(tape) == []
    return [it.kept for it in found]


@pytest.mark.parametrize("table", ["messages", "book_changes", "events"])
def test_a_flipped_bit_in_any_table_keeps_them(tape: Path, table: str) -> None:
    """A file that is not as it was written is found by its hash, whichever table it is of."""
    for path in (tape / "lake" / table).rglob("*.parquet"):
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(data)

    reasons = [it.kept for it in outcomes(tape)]

    if table == "events":  # Over the time of a short segment there may be none, and so no file that is damaged.
        reasons = [reason for reason in reasons if reason]
    assert reasons
    assert all("expected SHA-256" in reason and f"{table}/date=" in reason for reason in reasons)


def test_a_file_that_is_missing_keeps_them(tape: Path) -> None:
    """What the log lists has to be there."""
    for path in (tape / "lake" / "quotes").rglob("*.parquet"):
        path.unlink()

    assert all("cannot be read again" in reason for reason in kept(tape))


def test_a_segment_that_was_not_sealed_stays(tape: Path) -> None:
    """Without its seal a segment may still be written to."""
    for path in segment_paths(tape):
        os.truncate(path, path.stat().st_size - 80)

    assert set(kept(tape)) == {"it was not closed in order"}


def test_rows_that_are_not_there_keep_them(tape: Path) -> None:
    """A lake of another journal, and one that a crash left without its last batches, hold too little."""
    shutil.rmtree(tape / "lake")
    Lake.create_or_open(tape / "lake")
    assert all("the lake has no batch of run" in reason for reason in kept(tape))

    whole = {path: path.read_bytes() for path in segment_paths(tape)}
    last = max(whole)
    last.unlink()
    rebuild(tape / "journal", tape / "lake", software=SOFTWARE)
    last.write_bytes(whole[last])

    found = outcomes(tape)

    assert [bool(it.kept) for it in found][-1]
    assert "missing" in found[-1].kept or "is not committed" in found[-1].kept


def test_a_message_that_has_no_row_keeps_its_segment(tape: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One row less in one block is enough."""
    rows_of = trim_module._LakeProof.rows_of

    def one_less(self, segment, begin_ns, end_ns):
        found = rows_of(self, segment, begin_ns, end_ns)
        found[min(found)] -= 1
        return found

    monkeypatch.setattr(trim_module._LakeProof, "rows_of", one_less)

    assert all(reason.endswith("1 missing, 0 more") for reason in kept(tape))


@pytest.mark.parametrize("step", ["note_trimmed", "sync_directory"])
def test_killed_between_note_and_removal_it_goes_on(tape: Path, step: str) -> None:
    """What was noted and is still there is proven again and removed; it is noted once."""
    names = [segment_name(path) for path in segment_paths(tape)]
    code = f"""
import os, sys
from pathlib import Path
from storage import trim
from storage.lake import Lake
real = trim.{step}
def dying(*arguments):
    real(*arguments)
    os._exit(9)
trim.{step} = dying
root = Path(sys.argv[1])
list(trim.trim(root, Lake.open(root / "lake"), before_ns={LATER_NS}, now_ns={NOW_NS}))
"""
    done = subprocess.run([sys.executable, "-c", code, str(tape)], check=False, timeout=60)
    assert done.returncode == 9
    assert [it.segment for it in read_trimmed(tape)] == names[:1]

    assert all(not it.kept for it in outcomes(tape))

    assert [it.segment for it in read_trimmed(tape)] == names
    assert segment_paths(tape) == []


def test_a_torn_note_is_forgotten(tape: Path) -> None:
    """A line that a crash cut was of a segment that is still there."""
    path = tape / "journal" / FILE_NAME
    path.write_bytes(b'{"segment":"2026')

    assert read_trimmed(tape) == []
    assert all(not it.kept for it in outcomes(tape))
    assert len(read_trimmed(tape)) == path.read_bytes().count(b"\n") > 1


def test_the_command_says_what_goes_and_what_stays(tape: Path) -> None:
    """One line a segment, reasons on standard error, and the exit code of findings where anything was kept."""
    run = lambda *options: CliRunner().invoke(journal, ["trim", str(tape), *options])  # noqa: E731
    names = [segment_name(path) for path in plain_paths(tape)]
    os.truncate(plain_paths(tape)[-1], plain_paths(tape)[-1].stat().st_size - SEAL_BYTES)

    dry = run("--before", "2100-01-01T00:00:00Z", "--dry-run")
    young = run("--older-than", "1")
    done = run("--older-than", "0")

    assert [line.partition(": ")[0] for line in dry.stdout.splitlines()] == names[:-1]
    assert all(": would be removed: " in line for line in dry.stdout.splitlines())
    assert (young.exit_code, young.stdout) == (0, "")
    assert done.exit_code == 3
    assert f"{names[-1]}: kept: it was not closed in order" in done.stderr
    assert [segment_name(path) for path in segment_paths(tape)] == names[-1:]
    assert run().exit_code == run("--older-than", "1", "--before", "2100-01-01T00:00:00Z").exit_code == 2
