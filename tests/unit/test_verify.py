"""What a verification finds, and that it finds nothing where nothing is."""

import json
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from crashed import SOFTWARE, make_tapes, tree
from lake_maker import make_lake
from lake_rows import T0, add, add_change, add_snapshot

from capture.columns import Action, Columns, Side
from storage import verify
from storage.commits import TableLog
from storage.lake import Lake
from storage.rederive import rederive
from storage.stores import LocalStore
from storage.verify import Checked, Finding, Scope, verify_lake
from storage.verify_rows import verify_books, verify_numbers

FIXTAPE = str(Path(sys.executable).with_name("fixtape"))
FLIPS = 100  # Five thousand of each kind of file: make test-faults LONG=1.


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tapes(tmp_path_factory.mktemp("tapes"))[0]


@pytest.fixture
def tape(recorded: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(recorded, tmp_path / "tape"))


def found(root: Path, scope: Scope = Scope()) -> list[Finding]:  # noqa: B008 - it is frozen
    checked = Checked()
    findings = list(verify_lake(root / "lake", scope, checked, lambda _: None))
    return [*findings, *verify_numbers(root / "lake", scope, checked), *verify_books(root / "lake", scope, checked)]


def test_a_recording_is_found_in_order(tape: Path) -> None:
    """Of a tape as recorded there is no finding, quick, full or rederived; books were looked at, nothing is changed."""
    before = tree(tape)

    quick = subprocess.run([FIXTAPE, "verify", str(tape), "--quick"], capture_output=True, text=True, check=False)
    full = subprocess.run([FIXTAPE, "verify", str(tape), "--rederive"], capture_output=True, text=True, check=False)

    assert (quick.returncode, full.returncode) == (0, 0), quick.stdout + full.stdout + full.stderr
    assert "0 findings" in full.stdout
    assert " 0 key frames" not in full.stdout
    assert tree(tape) == before


def victims(lake: Path) -> list[Path]:
    """Every file of a lake that a log names, and every file of the logs."""
    return [path for path in sorted(lake.rglob("*")) if path.is_file()]


def with_checkpoint(lake: Path) -> None:
    """Commit until there is a checkpoint of one table."""
    log = TableLog.open(lake / "trades", "trades")
    assert log is not None
    for version in range(1, 101):
        log.commit([], app_id="test", version=version, at_ns=T0, metadata={})


def test_every_flipped_bit_is_found(tape: Path) -> None:
    """A bit flipped anywhere in a Parquet file, an entry, a checkpoint or what points to it is a finding."""
    with_checkpoint(tape / "lake")
    assert found(tape) == []
    chosen = random.Random(20_261_126)  # noqa: S311 - to be repeated
    paths = victims(tape / "lake")
    special = [path for path in paths if "checkpoint" in path.name]
    assert len(special) == 3

    for count in range(FLIPS):
        path = chosen.choice(special if count % 5 == 0 else paths)
        data = bytearray(path.read_bytes())
        at, bit = chosen.randrange(len(data)), chosen.randrange(8)
        data[at] ^= 1 << bit
        path.write_bytes(data)

        table = path.relative_to(tape / "lake").parts[0]
        findings = list(verify_table(tape / "lake", table))

        data[at] ^= 1 << bit
        path.write_bytes(data)
        assert findings, f"bit {bit} of byte {at} of {path}"


def verify_table(lake: Path, table: str):
    """Findings of one table, so that a flip is looked for where it is."""
    story = verify.LogStory()
    store = LocalStore(lake / table)
    yield from verify._verify_log(store, table, story, Checked())
    for one in story.live.values():
        yield from verify._verify_file(store, table, one, Scope(), Checked())


def test_a_lost_file_and_a_lost_entry_are_named(tape: Path) -> None:
    """What is missing is a finding with its path, in words that say what to do, as text and as JSON; exit 3."""
    file = Lake.open(tape / "lake").files("messages")[0].path
    file.unlink()
    (tape / "lake" / "quotes" / "_delta_log" / f"{1:020}.json").unlink()

    text = subprocess.run([FIXTAPE, "verify", str(tape), "--quick"], capture_output=True, text=True, check=False)
    done = subprocess.run(
        [FIXTAPE, "verify", str(tape), "--quick", "--format", "json"], capture_output=True, text=True, check=False
    )

    assert (text.returncode, done.returncode) == (3, 3)
    assert f"messages/{file.parent.name}/{file.name}: file that the log names: expected " in text.stdout
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert {"entries run on by one", "file that the log names"} <= {row["what"] for row in rows}
    assert all(row["remedy"] for row in rows)


def test_a_date_limits_what_is_read(tape: Path) -> None:
    """Files of other dates are not looked at."""
    Lake.open(tape / "lake").files("messages")[0].path.unlink()

    assert found(tape, Scope(date="1999-01")) == []
    assert found(tape)[0].what == "file that the log names"


def test_numbers_in_no_row_are_found_unless_an_event_tells_them(tmp_path: Path) -> None:
    """A hole in a session's numbers is a finding; one that a gap event tells is none."""
    columns = Columns()
    for seq in (1, 2, 5, 6, 10):
        add(columns, "messages", msg_seq_num=seq, receive_ns=T0 + seq)
    add(columns, "events", kind="gap", msg_seq_num=7, count=3, session_id="S1", receive_ns=T0 + 9)
    root = make_lake(tmp_path, columns)

    findings = found(root)

    assert [(finding.where, finding.received) for finding in findings] == [("session S1", "3 to 4 in none")]


def changes(*, last_price: int) -> Columns:
    """A snapshot, two changes, and the key frame that follows from them if the last one is at 280130."""
    columns = Columns()
    levels = [(Side.BID, 280030, 100000), (Side.OFFER, 280140, 5)]
    add_snapshot(columns, seq=1, at=T0, levels=levels)
    add_change(columns, seq=2, at=T0 + 1, side=Side.OFFER, price=280140, size=0, action=Action.DELETE)
    add_change(columns, seq=3, at=T0 + 2, side=Side.OFFER, price=last_price, size=96506)
    add(columns, "books", msg_seq_num=3, receive_ns=T0 + 2)
    return columns


def test_a_key_frame_is_the_book_that_its_changes_make(tmp_path: Path) -> None:
    """A level that the changes make otherwise is a finding at the key frame's number."""
    right = make_lake(tmp_path / "right", changes(last_price=280130))
    wrong = make_lake(tmp_path / "wrong", changes(last_price=280131))

    assert found(right) == []
    (finding,) = found(wrong)
    assert finding.what == "book at MsgSeqNum 3"
    assert finding.where == "session S1, BTC/USD"


def test_a_lake_that_its_journal_does_not_give_is_found(tape: Path) -> None:
    """Rows added by a stranger are counted against the journal, table by table."""
    columns = Columns()
    add(columns, "events", receive_ns=T0)
    lake = Lake.open(tape / "lake")
    lake.write_batch(columns, label="b", version=1, app_id="stranger", at_ns=T0, metadata={})

    findings = list(rederive(tape, Scope(), software=SOFTWARE, progress=lambda _: None))

    assert [(finding.where, finding.received) for finding in findings] == [("events/date=2026-11-22", "1")]
    assert not (tape / ".scratch" / "rederive").exists()
