"""Small source trees with two placeholder kernels, for tests of the build: `running` uses `sums` at C level."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
KERNELS = ("capture.wire.sums", "capture.wire.running")
QUICK = {"CFLAGS": "-O0"}  # Nothing here is measured.


def need_compiler():
    """Skip where no C compiler with Python's headers is; fail there in CI."""
    tried = run_build(ROOT, check=False, code="import hatch_build as it, os; it.Tools.of(os.environ).try_cc()")
    if tried.returncode and "CI" not in os.environ:
        pytest.skip("no C compiler")
    assert tried.returncode == 0, f"CI must have a C compiler and Python's headers: {tried.stderr}"


def plant(root):
    """Put the placeholders into a source tree, as its only kernels."""
    for path in (ROOT / "tests/data/kernels").iterdir():
        shutil.copy(path, root / "capture/wire" / path.name)
    listing = root / "capture/kernels.py"
    text, count = re.subn(
        r"^(KERNELS: Final\[.*\] = )\([^)]*\)", rf"\g<1>{KERNELS!r}", listing.read_text(), flags=re.MULTILINE
    )
    assert count == 1
    listing.write_text(text)


def make_tree(root):
    """Make the smallest tree that the build and an import need."""
    (root / "capture/wire").mkdir(parents=True)
    for name in ("capture/__init__.py", "capture/kernels.py", "capture/wire/__init__.py", "hatch_build.py"):
        shutil.copy(ROOT / name, root / name)
    plant(root)
    return root


def run_build(root, *, check=True, code="import hatch_build; hatch_build.main()", **environment):
    """Compile what is due in a tree."""
    return run_python(root, code, check=check, **QUICK | environment)


def run_python(root, code, *, check=True, **environment):
    """Run code with a tree before everything installed."""
    return run([sys.executable, "-c", code], root, check=check, PYTHONPATH=str(root), **environment)


def run(command, root, *, check=True, **environment):
    """Run a command in a tree, with no settings of ours but those given."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("FIXTAPE_")}
    return subprocess.run(command, cwd=root, env=inherited | environment, check=check, capture_output=True, text=True)
