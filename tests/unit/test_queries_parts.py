"""Questions in parts: whoever does them, the answer is that of one process."""

from pathlib import Path

import pyarrow as pa
import pytest
from sample_tape import make_sample_tape

from queries.parts import replay_windows
from queries.tape import Tape
from queries.times import Window
from storage.executors import Processes

HOUR_NS = 3600 * 10**9


@pytest.fixture(scope="module")
def tape(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("parts") / "tape"
    make_sample_tape(root)
    return root


@pytest.mark.parametrize("asked", [{"every": "1s"}, {"events": True}], ids=["every", "events"])
def test_a_replay_in_parts_has_the_same_rows(
    tape: Path, asked: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cut wherever it is cut, each part begins with the book as it stood."""
    monkeypatch.setattr("queries.parts.PART_NS", 7 * 10**9)
    with Tape(tape) as it, Processes(2) as executor:
        whole = it.replay("BTC/USD", depth=5, **asked).to_arrow()  # type: ignore[arg-type]
        parts = it.replay_by(executor, "BTC/USD", depth=5, **asked)  # type: ignore[arg-type]
        split = pa.Table.from_batches(parts, schema=parts.schema)

    assert split.num_rows > 50
    assert split.equals(whole)


def test_an_export_in_parts_writes_the_same_files(tape: Path, tmp_path: Path) -> None:
    """Byte for byte; what is there already is left alone by either."""
    with Tape(tape) as it, Processes(2) as executor:
        alone = it.export("tardis-incremental", tmp_path / "alone")
        parts = it.export("tardis-incremental", tmp_path / "parts", executor=executor)
        again = it.export("tardis-incremental", tmp_path / "alone", executor=executor)

    assert len(alone.written) == len(parts.written) == again.skipped == 2
    assert {path.name: path.read_bytes() for path in (tmp_path / "alone").glob("*.csv*")} == {
        path.name: path.read_bytes() for path in (tmp_path / "parts").glob("*.csv*")
    }


def test_a_day_checked_in_parts_has_the_same_report(tape: Path) -> None:
    """Findings and figures of all ten checks, and the conditions that follow."""
    with Tape(tape) as it, Processes(2) as executor:
        alone = it.quality("2026-03-01")
        parts = it.quality("2026-03-01", executor=executor)

    assert len(parts.checks) == 10
    assert parts.findings
    assert parts == alone


def test_parts_of_a_replay_begin_on_its_instants() -> None:
    """An hour or so each, fewer where an hour has very many instants."""
    bounds = Window(7, 7 + 3 * HOUR_NS)

    hours = list(replay_windows(bounds, 1_000_000_007))
    short = list(replay_windows(bounds, 1_000_000))

    assert [it.start_ns for it in hours] == [7 + number * 3599 * 1_000_000_007 for number in range(4)]
    assert all((it.start_ns - 7) % 1_000_000 == 0 for it in short)
    assert len(short) == 108
    for windows in (hours, short):
        assert [it.end_ns for it in windows] == [*(it.start_ns for it in windows[1:]), bounds.end_ns]
