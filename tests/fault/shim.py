"""The shim of faults between a process and its file system: built once a run, and what its rules did."""

import functools
import struct
import subprocess
import tempfile
from pathlib import Path

SOURCE = Path(__file__).with_name("shim.c")
COUNTS_BYTES = 1024
BUILD_S = 60


@functools.cache
def built():
    """The library, compiled from its source."""
    library = Path(tempfile.mkdtemp(prefix="fixtape-shim-")) / "shim.so"
    command = ["cc", "-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-o", str(library), str(SOURCE), "-ldl"]
    subprocess.run(command, check=True, timeout=BUILD_S)
    return library


def rule(do, *, on="any", path="", name="", at=0, times=None, size=0, after=False, ms=0):
    """The text of one rule; see shim.c. times: 0 is for ever. size: of a write that is cut short."""
    parts = {"on": on, "path": path, "name": name, "do": do, "at": at or None, "times": times}
    parts |= {"bytes": size or None, "ms": ms or None}
    return ",".join(f"{key}={value}" for key, value in parts.items() if value not in ("", None)) + ",after=1" * after


class Counts:
    """The calls that each rule met and the faults that it made, told by the process at any time."""

    def __init__(self, path):
        self.path = path
        path.write_bytes(bytes(COUNTS_BYTES))

    def met(self, place=0):
        return self._pair(place)[0]

    def made(self, place=0):
        return self._pair(place)[1]

    def _pair(self, place):
        return struct.unpack_from("<QQ", self.path.read_bytes(), 16 * place)


def environment(rules, counts, base):
    """The environment of a command that runs under rules."""
    return {**base, "LD_PRELOAD": str(built()), "FIXTAPE_FAULT_RULES": rules, "FIXTAPE_FAULT_COUNTS": str(counts.path)}
