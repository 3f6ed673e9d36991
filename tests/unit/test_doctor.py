"""What `fixtape doctor` prints and ends with."""

import pytest
from click.testing import CliRunner

from capture import doctor, kernels
from capture.kernels import Kernel


def test_it_prints_the_versions_that_count():
    """Each version and kernel has a line, and all of it works."""
    done = CliRunner().invoke(doctor.doctor)

    told = [line.split()[0] for line in done.stdout.splitlines()]
    assert told == ["python", "fixtape", *doctor.PACKAGES, "OpenSSL", *kernels.KERNELS]
    assert "unusable" not in done.stdout
    assert done.exit_code == 0


@pytest.mark.parametrize("compiled", [True, False])
def test_a_kernel_that_runs_uncompiled_is_told_and_no_fault(monkeypatch, compiled):
    """Slow is not broken."""
    kernel = Kernel("capture.clock", compiled=compiled, why="a reason", source_ok=None)
    monkeypatch.setattr(kernels, "status", lambda: [kernel])

    done = CliRunner().invoke(doctor.doctor)

    assert done.stdout.splitlines()[-1].split(maxsplit=1) == ["capture.clock", str(kernel)]
    assert done.exit_code == 0


def test_what_cannot_be_imported_is_a_fault(monkeypatch):
    """It names the package and the reason, goes on with the others, and ends with 1."""
    monkeypatch.setattr(doctor, "PACKAGES", ("no_such_package", "uvloop"))

    done = CliRunner().invoke(doctor.doctor)

    told = dict(line.split(maxsplit=1) for line in done.stdout.splitlines())
    assert told["no_such_package"] == "unusable: ModuleNotFoundError: No module named 'no_such_package'"
    assert "uvloop" in told
    assert done.exit_code == 1
