"""The wheel holds what a user needs, and nothing of the tests."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The names within the wheel that a build makes."""
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (built,) = folder.glob("*.whl")
    with zipfile.ZipFile(built) as archive:
        return built.name, set(archive.namelist())


def test_it_needs_no_compiler(wheel):
    """One wheel serves every platform and Python."""
    name, _ = wheel

    assert name.endswith("-py3-none-any.whl")


def test_it_holds_the_packages_and_their_data(wheel):
    """Modules, type marks, SQL statements, and recordings with their licences are in it."""
    _, names = wheel

    assert "fixtape.py" in names
    for package in ("capture", "storage", "queries"):
        assert f"{package}/py.typed" in names
    sources = {
        path.relative_to(ROOT).as_posix()
        for package in ("capture", "storage", "queries")
        for path in (ROOT / package).rglob("*")
        if path.suffix in {".py", ".sql", ".gz"} or path.name.startswith("LICENSE")
    }
    assert sources <= names
    assert any("licenses/LICENSE" in name for name in names)


def test_it_holds_no_tests(wheel):
    """Tests, benchmarks and tools stay in the source."""
    _, names = wheel

    assert not [name for name in names if name.startswith(("tests", "benchmarks", "deploy"))]
