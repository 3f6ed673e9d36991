"""The two clocks, read in one place.

Layer: beside the client. Nothing of the core imports it: time is an argument there.
"""

import time
from typing import NamedTuple


class Now(NamedTuple):
    """One reading of both clocks: wall for what is written down, monotonic for timers."""

    wall_ns: int
    mono_ns: int


def read() -> Now:
    """Return both clocks, in nanoseconds: UTC since the epoch, and since an arbitrary start."""
    return Now(time.time_ns(), time.monotonic_ns())
