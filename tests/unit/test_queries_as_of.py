"""What was known then: a tape as of a time or a version, with late batches, compaction and several writers."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner
from lake_rows import SECOND, T0, add_change, add_snapshot

from capture.columns import Columns, Side
from queries.cli import book_command
from queries.tape import Tape
from storage.errors import AsOfUnknown
from storage.lake import Lake

BTC = "BTC/USD"


def batch(seq: int) -> Columns:
    """A snapshot first, then a bid at the price of its number."""
    columns = Columns()
    at = T0 + seq * SECOND
    if seq == 1:
        add_snapshot(columns, seq=1, at=at, levels=[(Side.BID, 1, 1)])
    else:
        add_change(columns, seq=seq, at=at, side=Side.BID, price=seq, size=1)
    return columns


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Batches 1 to 4 of one run; 3 was made by a recovery, after 4, and of another run came one between."""
    root = tmp_path_factory.mktemp("tape")
    lake = Lake.create_or_open(root / "lake")
    for seq, version, app in ((1, 1, "a"), (2, 2, "a"), (9, 1, "b"), (4, 4, "c"), (3, 3, "d")):
        lake.write_batch(
            batch(seq), label=f"b{seq}", version=version, app_id=app, at_ns=T0 + (seq + 1) * SECOND, metadata={}
        )
    return root


def bids(root: Path, as_of: object) -> list[int]:
    with Tape(root, as_of=as_of) as tape:
        return sorted(int(level.price * 10) for level in tape.book(BTC, T0 + 99 * SECOND, 20).bids)


def test_a_version_is_what_its_last_batch_left(root: Path) -> None:
    """Version 0 is before the first batch; each further one has a batch more, in the order they were committed."""
    assert [bids(root, version) for version in (1, 2, 3, 4, 5)] == [
        [1],
        [1, 2],
        [1, 2, 9],
        [1, 2, 4, 9],
        [1, 2, 3, 4, 9],
    ]
    with Tape(root, as_of=0) as tape:
        assert tape.tables()["rows"].to_pylist() == [0] * 8


def test_a_time_ends_before_the_first_later_entry(root: Path) -> None:
    """A batch that was made belatedly bears an early time, and was not known then for all that."""
    second = [datetime.fromtimestamp(T0 // SECOND + seq + 1, UTC).replace(microsecond=999_999) for seq in range(10)]

    assert bids(root, second[1]) == [1]
    assert bids(root, second[2]) == [1, 2]
    assert bids(root, second[8]) == [1, 2]
    assert bids(root, "2026-11-22T12:00:00Z") == [1, 2, 3, 4, 9]


def test_a_version_that_never_was_is_refused(root: Path) -> None:
    """With the versions that there are."""
    for version in (-1, 6):
        with pytest.raises(AsOfUnknown, match=rf"lake version {version} is not there; it has 0 to 5"):
            Tape(root, as_of=version)


def test_a_tape_as_of_then_does_not_move(tmp_path: Path) -> None:
    """A refresh takes nothing in."""
    lake = Lake.create_or_open(tmp_path / "lake")
    lake.write_batch(batch(1), label="b1", version=1, app_id="a", at_ns=T0, metadata={})
    with Tape(tmp_path, as_of=1) as tape:
        lake.write_batch(batch(2), label="b2", version=2, app_id="a", at_ns=T0, metadata={})
        tape.refresh()

        assert len(tape.book(BTC).bids) == 1


def test_commands_take_it(root: Path) -> None:
    """As a number or a time; what is neither is a misuse."""

    def run(as_of: str, code: int = 0) -> str:
        done = CliRunner().invoke(book_command, [str(root), "--symbol", BTC, "--as-of", as_of, "--format", "csv"])
        assert done.exit_code == code, done.output
        return done.stdout

    assert run("2").splitlines()[1:] == ["bid,1,0.2,0.00000001", "bid,2,0.1,0.00000001"]
    assert len(run("2026-11-22T12:00:00Z").splitlines()) == 6
    assert run("yesterday", 2) == ""
    assert run("77", 2) == ""
