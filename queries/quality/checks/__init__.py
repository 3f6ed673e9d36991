"""The checks, in the order in which a report has them."""

from typing import Final

from queries.quality.checks import (
    checksums,
    coverage,
    crossed,
    files,
    gaps,
    ghosts,
    latency,
    outside,
    requests,
    suspect,
)
from queries.quality.findings import Check

# Files first: one that turns out damaged is left out of what the others read.
CHECKS: Final[tuple[Check, ...]] = (
    files,
    gaps,
    checksums,
    suspect,
    coverage,
    crossed,
    ghosts,
    outside,
    latency,
    requests,
)
