"""With FIXTAPE_FUZZ_SECONDS the generated tests of this folder run again and again for so long, each its share.

Every run draws anew, so that the time is spent on new examples; what fails is kept in `.hypothesis` and comes first the
next time. Without it each test runs once, as everywhere.
"""

import os
import time
from pathlib import Path

import pytest

HERE = Path(__file__).parent
FUZZ_SECONDS = float(os.environ.get("FIXTAPE_FUZZ_SECONDS", "0"))


def is_generated(item):
    """Whether a test of this folder draws its input."""
    return HERE in item.path.parents and hasattr(getattr(item, "obj", None), "hypothesis")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(session, config, items):
    """Leave what is generated, without the suite's limit of time."""
    if not FUZZ_SECONDS:
        return
    kept = [it for it in items if is_generated(it)]
    config.hook.pytest_deselected(items=[it for it in items if it not in kept])
    items[:] = kept
    for it in kept:
        it.add_marker(pytest.mark.timeout(0))
        it.user_properties.append(("fuzz_share_s", FUZZ_SECONDS / len(kept)))


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem):
    """Call a generated test until its share of the time is over."""
    share_s = dict(pyfuncitem.user_properties).get("fuzz_share_s")
    if share_s is None:
        return None
    arguments = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}
    until, runs = time.monotonic() + share_s, 0
    while time.monotonic() < until:
        pyfuncitem.obj(**arguments)
        runs += 1
    print(f"{pyfuncitem.name}: {runs} runs in {share_s:.0f} s")
    return True
