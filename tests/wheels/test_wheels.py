"""Each wheel in dist/ works, compiled, in an environment of its own where no compiler is found.

`make wheels` builds them, `make test-wheels` runs this and says for which Pythons.
"""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PYTHONS = os.environ.get("FIXTAPE_WHEEL_PYTHONS", "python3.11 python3.12 python3.13").split()
IMPORT_EACH = """
import importlib
from capture.kernels import KERNELS, SUFFIX
for name in KERNELS:
    assert importlib.import_module(name).__file__.endswith(SUFFIX), name
print(len(KERNELS))
"""

pytestmark = [pytest.mark.wheels, pytest.mark.timeout(600)]


@pytest.fixture(scope="module", params=PYTHONS)
def clean(request, tmp_path_factory):
    """Runs a command of an environment that holds the wheel for one Python, and on whose PATH nothing else is."""
    python = shutil.which(request.param)
    assert python is not None, f"{request.param} is not on the PATH; name others: make WHEEL_PYTHONS=… test-wheels"
    folder = tmp_path_factory.mktemp("clean")
    subprocess.run([python, "-m", "venv", folder / "venv"], check=True)
    scripts = folder / "venv/bin"
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("FIXTAPE_", "PYTHON"))}
    environment = inherited | {"PATH": str(scripts), "CC": "/bin/false"}
    assert shutil.which("gcc", path=environment["PATH"]) is None

    def run(command, *arguments):
        return subprocess.run(
            [scripts / command, *arguments],
            cwd=folder,
            env=environment,
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        ).stdout

    tag = run("python", "-c", "import sys; print('cp%d%d' % sys.version_info[:2])").strip()
    wheels = list((ROOT / "dist").glob(f"fixtape-*-{tag}-{tag}-*.whl"))
    assert len(wheels) == 1, f"make wheels makes one for {tag}; dist holds {[it.name for it in wheels]}"
    run("python", "-m", "pip", "install", "--quiet", "--only-binary", ":all:", wheels[0])
    return run


def test_the_command_runs(clean):
    """`fixtape --version` is the first thing that a person tries."""
    assert clean("fixtape", "--version").startswith("fixtape ")


def test_every_kernel_is_compiled(clean):
    """`fixtape doctor` says so of each, and nothing is unusable."""
    told = clean("fixtape", "doctor")

    kernels = [line.split(maxsplit=1) for line in told.splitlines() if line.startswith("capture.")]
    assert len(kernels) == int(clean("python", "-I", "-c", IMPORT_EACH))
    assert {form for _, form in kernels} <= {"compiled"}
