"""The wheel holds what a user needs, compiled where a compiler is, and nothing of the tests."""

import sys
import tarfile
import zipfile
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import pytest
from kernel_trees import KERNELS, QUICK, need_compiler, plant, run

ROOT = Path(__file__).parents[1]


def build(root, target, folder, *, check=True, **environment):
    """Build a wheel or an sdist of a source tree."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", target, "-d", str(folder)]
    return run(command, root, check=check, **QUICK | environment)


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """What an sdist unpacks to, with placeholder kernels."""
    folder = tmp_path_factory.mktemp("source")
    build(ROOT, "sdist", folder)
    (packed,) = folder.glob("*.tar.gz")
    with tarfile.open(packed) as archive:
        archive.extractall(folder, filter="data")
    (tree,) = (path for path in folder.iterdir() if path.is_dir())
    plant(tree)
    return tree


def contents(folder):
    """The name of the only wheel there, and the names within."""
    (built,) = folder.glob("*.whl")
    with zipfile.ZipFile(built) as archive:
        return built.name, set(archive.namelist())


@pytest.fixture(scope="module")
def pure(source, tmp_path_factory):
    """The wheel that a machine without a compiler builds."""
    folder = tmp_path_factory.mktemp("pure")
    done = build(source, "wheel", folder, CC="/bin/false")
    assert "fixtape: warning: kernels stay uncompiled" in done.stderr
    return contents(folder)


def test_it_needs_no_compiler(pure):
    """Without one it is built all the same, and then serves every platform and Python."""
    name, names = pure

    assert name.endswith("-py3-none-any.whl")
    assert not [it for it in names if it.endswith(".so")]


def test_it_carries_the_compiled_kernels(source, tmp_path):
    """With a compiler it holds both forms of each kernel, for one Python and one platform, and says so."""
    need_compiler()

    build(source, "wheel", tmp_path)

    name, names = contents(tmp_path)
    files = {it.replace(".", "/") for it in KERNELS}
    python = f"cp{sys.version_info.major}{sys.version_info.minor}"
    assert f"-{python}-{python}-" in name
    assert "-any" not in name
    assert {it for it in names if it.endswith(".so")} == {it + EXTENSION_SUFFIXES[0] for it in files}
    assert {it + suffix for it in files for suffix in (".py", ".pxd")} <= names


def test_a_wheel_to_ship_is_compiled_or_not_built(source, tmp_path):
    """Where kernels are required there is no quiet slow wheel."""
    for left in source.rglob("*.so"):
        left.unlink()

    done = build(source, "wheel", tmp_path, check=False, CC="/bin/false", FIXTAPE_REQUIRE_KERNELS="1")

    assert done.returncode == 1
    assert "fixtape: error: kernels stay uncompiled" in done.stderr
    assert not list(tmp_path.iterdir())


def test_it_holds_the_packages_and_their_data(pure):
    """Modules, type marks, SQL statements, and recordings with their licences are in it."""
    _, names = pure

    assert "fixtape.py" in names
    for package in ("capture", "storage", "queries"):
        assert f"{package}/py.typed" in names
    sources = {
        path.relative_to(ROOT).as_posix()
        for package in ("capture", "storage", "queries")
        for path in (ROOT / package).rglob("*")
        if path.suffix in {".py", ".pxd", ".sql", ".gz"} or path.name.startswith("LICENSE")
    }
    assert sources <= names
    assert any("licenses/LICENSE" in name for name in names)


def test_it_holds_no_tests(pure):
    """Tests, benchmarks and tools stay in the source."""
    _, names = pure

    outside = ("tests", "benchmarks", "deploy", "hatch_build")
    assert not [name for name in names if name.startswith(outside)]
