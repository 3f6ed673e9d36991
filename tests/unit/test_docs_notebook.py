"""docs/tour.ipynb: each cell shows what is stored with it."""

from pathlib import Path

import pytest
from notebooks import cells, show
from sample_tape import make_sample_tape

NOTEBOOK = Path(__file__).parents[2] / "docs" / "tour.ipynb"


def test_each_cell_shows_what_is_stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run in order in a directory with the sample tape, from the first cell to the last."""
    make_sample_tape(tmp_path / "tape")
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}

    run = [(source, show(source, names), stored) for kind, source, stored in cells(NOTEBOOK) if kind == "code"]

    assert len(run) >= 10
    for source, shown, stored in run:
        assert shown == stored, source
