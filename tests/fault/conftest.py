"""What campaigns share."""

import pytest
from campaign import SEED
from rig import rig

RATE = 20_000


@pytest.fixture(scope="session")
def busy_rig(tmp_path_factory):
    """A venue of four symbols at 20,000 messages a second."""
    with rig(tmp_path_factory.mktemp("rig") / "busy", rate=RATE, seed=SEED) as it:
        yield it


@pytest.fixture(scope="session")
def quiet_rig(tmp_path_factory):
    """A venue of four symbols at 400 messages a second: enough to see whether it is recorded."""
    with rig(tmp_path_factory.mktemp("rig") / "quiet", rate=400, seed=SEED) as it:
        yield it


@pytest.fixture(scope="session")
def tape(quiet_rig, tmp_path_factory):
    """A tape of two batches or three, whole."""
    root = tmp_path_factory.mktemp("steps") / "tape"
    run = quiet_rig.start(root, seconds=2.2)
    assert run.wait(20) == 0, run.text()
    return root
