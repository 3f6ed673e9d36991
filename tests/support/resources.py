"""What this process holds, as Linux counts it."""

import statistics
from pathlib import Path


def resident_kib():
    """Memory of this process."""
    fields = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(fields["VmRSS"].split()[0])


def descriptors():
    """How many files and sockets this process holds."""
    return len(list(Path("/proc/self/fd").iterdir()))


def quarters(samples, total):
    """Medians of the second and the last quarter of a soak, from (how far it was, measured) pairs.

    A single look shows what happens to be on its way at that moment, and what allocators have yet to give back.
    """
    second = [it for done, it in samples if total // 4 < done <= total // 2]
    last = [it for done, it in samples if total * 3 // 4 < done]
    return int(statistics.median(second)), int(statistics.median(last))
