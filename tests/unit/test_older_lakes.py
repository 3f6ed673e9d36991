"""Tapes that earlier versions wrote stay readable, and are mended and verified as one's own."""

import tarfile
from pathlib import Path

import pytest
from crashed import SOFTWARE, recover, tree

import fixtape
from storage.lake import Lake
from storage.quarantine import Quarantine
from storage.rebuild import rebuild
from storage.rederive import rederive
from storage.restore import restore
from storage.verify import Checked, Scope, verify_lake
from storage.verify_rows import verify_books, verify_numbers

DATA = Path(__file__).parents[1] / "data"
TAPES = sorted(DATA.glob("tape-*.tar.gz"))  # One of each version that wrote otherwise than the one after it.


@pytest.fixture(params=TAPES, ids=[path.name.removesuffix(".tar.gz") for path in TAPES])
def tape(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    with tarfile.open(request.param) as archive:
        archive.extractall(tmp_path / "tape", filter="data")
    return tmp_path / "tape"


def findings(root: Path) -> list[str]:
    checked = Checked()
    found = [
        *verify_lake(root / "lake", Scope(), checked, lambda _: None),
        *verify_numbers(root / "lake", Scope(), checked),
        *verify_books(root / "lake", Scope(), checked),
    ]
    return [str(finding) for finding in found]


def counts(root: Path) -> tuple[int, int]:
    with fixtape.open(root) as tape:
        ((messages,),) = tape.sql("SELECT count(*) FROM messages").fetchall()
        ((changes,),) = tape.sql("SELECT count(*) FROM book_changes WHERE proof = 7").fetchall()
    return messages, changes


def test_an_older_tape_is_read_and_verified(tape: Path) -> None:
    """Its questions are answered, and nothing is found wrong with it, nor with it against its journal."""
    messages, changes = counts(tape)

    assert messages > 290
    assert changes > 290
    assert findings(tape) == []
    assert list(rederive(tape, Scope(), software=SOFTWARE, progress=lambda _: None)) == []


def test_an_older_tape_is_mended(tape: Path) -> None:
    """A log entry and a file of it are lost: the batch is made again, and the file has its rows again; once."""
    before = counts(tape)
    last = max((tape / "lake" / "messages" / "_delta_log").glob("*.json"))
    Lake.open(tape / "lake").files("book_changes")[0].path.unlink()
    last.write_bytes(last.read_bytes()[:60])

    recover(tape)
    restored = restore(tape, Quarantine(tape, software=SOFTWARE, at="now"))

    assert restored.failed == {}
    assert len(restored.restored) == 1
    assert counts(tape) == before
    assert findings(tape) == []
    mended = tree(tape)
    assert recover(tape).nothing_done
    assert tree(tape) == mended


def test_an_older_tape_is_completed_without_duplicates(tape: Path) -> None:
    """Its journal told again into its lake adds nothing."""
    before = counts(tape)

    report = rebuild(tape / "journal", tape / "lake", software=SOFTWARE)

    assert report.rows == 0
    assert counts(tape) == before
