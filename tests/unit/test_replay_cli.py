"""`fixtape replay`: formats, files, and the ladder that a terminal plays."""

import csv
import io
import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result
from lake_maker import make_lake
from lake_rows import SECOND, T0, add_change, add_snapshot
from rich.console import Console

from capture.columns import Columns, Side
from queries.books import Level
from queries.frames import Frame
from queries.replay_cli import replay_command
from queries.watch import KEYS, SPEED_MOST, WAIT_S_MOST, Player, keys, picture

START = "2026-11-22T11:55:00Z"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tape of a snapshot and a change two seconds later."""
    columns = Columns()
    add_snapshot(columns, seq=1, at=T0, levels=[(Side.BID, 280030, 48), (Side.OFFER, 280130, 96506)])
    add_change(columns, seq=2, at=T0 + 2 * SECOND, side=Side.BID, price=280040, size=5)
    return make_lake(tmp_path_factory.mktemp("tape"), columns)


def run(root: Path, *options: str, code: int = 0) -> Result:
    done = CliRunner().invoke(replay_command, [str(root), "--symbol", "BTC/USD", "--from", START, *options])
    assert done.exit_code == code, done.output
    return done


def test_a_table_shows_the_best_levels(root: Path) -> None:
    """Exact, one line an instant, empty where no book stands."""
    lines = run(root, "--to", "2026-11-22T11:55:04Z").stdout.splitlines()

    assert lines[0].split() == ["at_time", "msg_seq_num", "proven", "bid_size", "bid", "offer", "offer_size"]
    assert lines[1].split() == ["2026-11-22T11:55:00.000000000Z", "false"]
    assert lines[4].split()[1:] == ["2", "true", "0.00000005", "28004.0", "28013.0", "0.00096506"]
    assert len(lines) == 5


def test_csv_has_every_level_in_columns(root: Path) -> None:
    """As many columns as the depth asks for; levels that are not there are empty."""
    rows = list(csv.reader(io.StringIO(run(root, "--events", "--depth", "2", "--format", "csv").stdout)))

    assert rows[0][6:] == [f"{s}_{w}_{n}" for n in (1, 2) for s in ("bid", "offer") for w in ("price", "size")]
    assert rows[2][6:] == ["28004.0", "0.00000005", "28013.0", "0.00096506", "28003.0", "0.00000048", "", ""]
    assert len(rows) == 3


def test_json_has_sides_of_pairs(root: Path) -> None:
    """One object a book."""
    lines = run(root, "--events", "--format", "json", "--limit", "1").stdout.splitlines()

    (found,) = map(json.loads, lines)
    assert (found["bids"], found["offers"]) == ([[28003.0, 4.8e-7]], [[28013.0, 0.00096506]])
    assert (found["msg_seq_num"], found["proven"], found["suspect"]) == (1, True, False)


def test_parquet_and_arrow_hold_integers(root: Path, tmp_path: Path) -> None:
    """The same record batches in a file of each kind, and on standard output; nothing is left half written."""
    parquet, arrow = tmp_path / "books.parquet", tmp_path / "books.arrow"
    run(root, "--events", "--format", "parquet", "--out", str(parquet))
    run(root, "--events", "--format", "arrow", "--out", str(arrow))
    piped = run(root, "--events", "--format", "arrow").stdout_bytes

    tables = [pq.read_table(parquet), *(pa.ipc.open_stream(it).read_all() for it in (arrow.read_bytes(), piped))]

    assert [it["bid_prices"].to_pylist()[1][:2] for it in tables] == [[280040, 280030]] * 3
    assert sorted(it.name for it in tmp_path.iterdir()) == ["books.arrow", "books.parquet"]


def test_text_goes_to_a_file_too(root: Path, tmp_path: Path) -> None:
    """`--out` takes what would have been printed."""
    run(root, "--events", "--format", "csv", "--out", str(tmp_path / "books.csv"))

    assert (tmp_path / "books.csv").read_text() == run(root, "--events", "--format", "csv").stdout


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--format", "parquet"), "needs --out"),
        (("--watch",), "plays in a terminal"),
        (("--every", "1s", "--events"), "give either every"),
        (("--every", "soon"), "write a whole number above zero"),
    ],
)
def test_misuse_ends_with_2(root: Path, options: tuple[str, ...], said: str) -> None:
    """And says what to do."""
    assert said in run(root, *options, code=2).stderr


def frame(second: float) -> Frame:
    level = Level(Decimal("28003.0"), Decimal("0.5"))
    at_ns = T0 + int(second * SECOND)
    offers = (Level(Decimal("28013.0"), Decimal(1)),)
    return Frame(at_ns, "S1", T0, 7, proven=True, suspect=False, bids=(level,), offers=offers)


@pytest.fixture
def player() -> Player:
    """Ten frames a second apart, played twice as fast."""
    return Player((frame(second) for second in range(10)), 2.0)


def second(player: Player) -> float:
    assert player.frame is not None
    return (player.frame.at_ns - T0) / SECOND


def test_frames_are_shown_when_they_are_due(player: Player) -> None:
    """At twice the speed two seconds of tape pass in one; what is behind is passed over."""
    shown = []
    for now_s in (100.0, 100.4, 100.5, 102.1):
        player.due(now_s)
        shown.append(second(player))

    assert shown == [0, 0, 1, 4]
    assert player.wait_s(102.1) == pytest.approx(0.25)
    assert player.wait_s(102.4) == pytest.approx(0.1)


def test_a_pause_holds_and_a_step_goes_on_by_one(player: Player) -> None:
    """Time that passes in a pause is not caught up afterwards."""
    player.due(0.0)
    player.press("pause", 0.1)
    player.due(50.0)
    held = second(player)
    player.press("step", 60.0)
    stepped = second(player)
    player.press("pause", 70.0)
    player.due(70.4)

    assert (held, stepped, second(player)) == (0, 1, 1)
    player.due(70.5)
    assert second(player) == 2


def test_speed_changes_without_a_jump(player: Player) -> None:
    """From the frame shown on it goes at the other speed, within limits."""
    player.due(0.0)
    player.due(1.0)
    player.press("faster", 1.0)
    player.due(1.25)
    assert (player.speed, second(player)) == (4.0, 3)
    for _ in range(100):
        player.press("faster", 1.3)
    assert player.speed == SPEED_MOST


def test_the_end_stays_until_a_person_ends_it(player: Player) -> None:
    """The last frame is shown; q ends."""
    player.due(0.0)
    player.due(100.0)

    assert (second(player), player.at_end, player.over, player.wait_s(100.0)) == (9, True, False, WAIT_S_MOST)
    player.press("quit", 101.0)
    assert player.over


def test_keys_are_told_from_noise() -> None:
    """Arrow keys of both modes, several keys of one read, and bytes that mean nothing."""
    assert keys(b" n\x1b[Cx\x1bOC\x1b[A+-q") == ["pause", "step", "step", "step", "faster", "slower", "quit"]
    assert set(keys(b"".join(KEYS))) == set(KEYS.values())


def test_the_picture_is_a_ladder(player: Player) -> None:
    """Offers stand above bids, and the last line says how far the book can be believed."""

    def lines(it: Frame) -> Iterator[str]:
        console = Console(width=90, file=io.StringIO(), force_terminal=False)
        with console.capture() as captured:
            console.print(picture("BTC/USD", it, 2, player))
        return (line.strip() for line in captured.get().splitlines())

    found = list(lines(frame(0)))

    assert found[0] == "BTC/USD  2026-11-22T11:55:00.123456789Z  x2"
    assert found[3].split() == ["28013.0", "1", "█" * 16]
    assert found[4].split() == ["█" * 8, "0.5", "28003.0"]
    assert found[6] == "MsgSeqNum 7, 0 ms old, proven"
    assert "no book stands" in list(lines(Frame(T0, None, None, None, proven=False, suspect=False, bids=(), offers=())))
