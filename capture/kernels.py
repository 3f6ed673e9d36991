"""Kernels: which modules are compiled where a compiler is, and which form of each is imported.

Layer: below all of capture, whose `__init__` installs the finder before any module of capture can be imported.
A kernel is a Python file in Cython's pure-Python mode. `hatch_build.py` compiles it in place, and writes into what it
makes the SHA-256 of the source. Python by itself takes a compiled file before a .py in the same folder, whatever it
was compiled from; `KernelFinder` is asked first, and takes it only if it is of the source beside it.
Source: design section 3, "The fast lane"; docs/decisions/0010-a-stale-kernel-runs-as-python.md.
Left to others: compiling. The build loads this file by its path: nothing but the standard library here.
"""

import hashlib
import importlib.machinery
import importlib.util
import json
import os
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.abc import MetaPathFinder
from pathlib import Path
from types import ModuleType
from typing import Final, Self

# The only list of them; the build, the tests and `fixtape doctor` read it here.
KERNELS: Final[tuple[str, ...]] = (
    "capture.book.levels",
    "capture.book.kernel",
    "capture.book.replay",
    "capture.market.kernel",
    "capture.wire.kernel",
    "storage.union.kernel",
)

UNCOMPILED: Final = "FIXTAPE_UNCOMPILED"  # Environment: run every kernel as Python.
SUFFIX: Final = importlib.machinery.EXTENSION_SUFFIXES[0]  # Names the Python and the platform.
CHECKED: Final = "boundscheck=True"  # Among the options of a kernel compiled with FIXTAPE_KERNEL_CHECKS.

_MARK: Final = re.compile(rb'fixtape-kernel source=([0-9a-f]{64}) options=(\["[ -~]*?"\])')


@dataclass(frozen=True, slots=True)
class Mark:
    """What a compiled kernel says of itself: a constant in its file, read without running any of it."""

    source: str
    options: tuple[str, ...]

    def __str__(self) -> str:
        """Return the constant."""
        text = f"fixtape-kernel source={self.source} options={json.dumps(self.options)}"
        assert _MARK.fullmatch(text.encode("ascii")), text
        return text

    @classmethod
    def read(cls, path: Path) -> Self | None:
        """Return the mark within a compiled file; None where it has none."""
        found = _MARK.search(path.read_bytes())
        return cls(found[1].decode(), tuple(json.loads(found[2]))) if found else None


@dataclass(frozen=True, slots=True)
class Kernel:
    """One kernel: which form of it runs, and why."""

    name: str
    compiled: bool
    why: str
    source_ok: bool | None  # Whether what is compiled is of the source beside it; None where nothing is compiled.

    def __str__(self) -> str:
        """Return the form in words."""
        return ("compiled" if self.compiled else "uncompiled") + (f": {self.why}" if self.why else "")


class KernelFinder(MetaPathFinder):
    """Chooses the form of each kernel at its import. Names are dotted and lie under one root."""

    def __init__(self, root: Path, names: Sequence[str]) -> None:
        self.root = root
        self.names = tuple(names)
        self._chosen: dict[str, Kernel] = {}

    def source(self, name: str) -> Path:
        """Return the path of a kernel's Python form."""
        return self.root.joinpath(*name.split(".")).with_suffix(".py")

    def compiled(self, name: str) -> Path:
        """Return the path of a kernel's compiled form for this Python, there or not."""
        return self.source(name).with_suffix(SUFFIX)

    def shared(self) -> list[str]:
        """Return the kernels with a .pxd beside them, whose C types and functions the others may use."""
        return [name for name in self.names if self.source(name).with_suffix(".pxd").exists()]

    def source_hash(self, name: str) -> str:
        """Return the SHA-256 of a kernel's source: its .py, then every kernel's .pxd, as C layouts depend on them."""
        digest = hashlib.sha256(self.source(name).read_bytes())
        for other in self.shared():
            digest.update(f"\0{other}\0".encode() + self.source(other).with_suffix(".pxd").read_bytes())
        return digest.hexdigest()

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Return where the chosen form of a kernel is; None for every other module."""
        del path, target
        if fullname not in self.names:
            return None
        kernel = self._chosen[fullname] = self._examine(fullname)
        return importlib.util.spec_from_file_location(
            fullname, self.compiled(fullname) if kernel.compiled else self.source(fullname)
        )

    def status(self) -> list[Kernel]:
        """Return each kernel as it was imported, or as it would be if it was not yet."""
        return [self._chosen.get(name) or self._examine(name) for name in self.names]

    def _examine(self, name: str) -> Kernel:
        kernel = self._examine_alone(name)
        if kernel.compiled:
            for other in self.shared():
                if other != name and not self._examine_alone(other).compiled:
                    return Kernel(name, compiled=False, why=f"{other} is, whose C types it may use", source_ok=True)
        return kernel

    def _examine_alone(self, name: str) -> Kernel:
        path = self.compiled(name)
        mark = Mark.read(path) if path.exists() else None
        source_ok = mark is not None and mark.source == self.source_hash(name) if path.exists() else None
        if os.environ.get(UNCOMPILED, "0") not in {"", "0"}:
            why = f"{UNCOMPILED} is set"
        elif source_ok is None:
            why = "nothing compiled for this Python; install with a C compiler, or `make kernels`"
        elif not source_ok:
            why = f"{path.name} is of another source; compile it anew, `make kernels`"
        else:
            assert mark is not None, "a hash that agrees was read from a mark"
            return Kernel(name, compiled=True, why="with checks" if CHECKED in mark.options else "", source_ok=True)
        return Kernel(name, compiled=False, why=why, source_ok=source_ok)


FINDER: Final = KernelFinder(Path(__file__).resolve().parents[1], KERNELS)


def install() -> None:
    """Let the finder be asked first; once."""
    if FINDER not in sys.meta_path:
        sys.meta_path.insert(0, FINDER)


def status() -> list[Kernel]:
    """Return each kernel: which form of it runs, and why."""
    return FINDER.status()


def warning(kernels: Sequence[Kernel]) -> str | None:
    """Return one line about the kernels that run uncompiled; None if none does."""
    by_why: dict[str, list[str]] = {}
    for it in kernels:
        if not it.compiled:
            by_why.setdefault(it.why, []).append(it.name)
    if not by_why:
        return None
    return "kernels run uncompiled, many times slower: " + "; ".join(
        f"{', '.join(names)} ({why})" for why, names in by_why.items()
    )
