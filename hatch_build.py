"""Compiles the kernels in place: for an editable install, for a wheel, and alone as `make kernels`.

Layer: build; never installed. Which kernels there are, and how a compiled one says of what source it is, stands in
`capture/kernels.py`, which is loaded by its path because nothing is installed yet.
The C compiler is called directly and with the same options everywhere, because those that a Python was built with
name directories of the machine on which that was done.
Source: docs/decisions/0010-a-stale-kernel-runs-as-python.md.
"""

import importlib.util
import json
import os
import shlex
import subprocess
import sys
import sysconfig
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.metadata import version as installed_version
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import Any, Final

from hatchling.builders.config import BuilderConfig
from hatchling.builders.hooks.plugin.interface import BuildHookInterface

CHECKS: Final = "FIXTAPE_KERNEL_CHECKS"  # Environment: compile with bounds and zero divisors checked.
REQUIRE: Final = "FIXTAPE_REQUIRE_KERNELS"  # Environment: what would be a warning fails the build.

JOBS_LIMIT: Final = 4
COMPILER_S_LIMIT: Final = 600.0
LINES_SHOWN: Final = 12  # Of what a compiler says.

DIRECTIVES: Final = {
    "language_level": "3",
    "boundscheck": "False",
    "wraparound": "False",
    "cdivision": "True",
    "initializedcheck": "False",
    "embedsignature": "True",
}
# Wraparound stays off: a negative index is then an error instead of counting from the end.
CHECKED: Final = {"boundscheck": "True", "cdivision": "False", "initializedcheck": "True", "nonecheck": "True"}
FLAGS: Final = ("-O3", "-g0", "-fPIC", "-fwrapv", "-DNDEBUG", "-shared")


class BuildError(Exception):
    """A kernel cannot be compiled here: no compiler, no Python headers, or a mistake that a compiler found."""


@dataclass(frozen=True, slots=True)
class Tools:
    """The compilers and what they are told. CC and CFLAGS of the environment count, as usual."""

    cc: tuple[str, ...]
    flags: tuple[str, ...]
    directives: tuple[str, ...]

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> "Tools":
        """Return what an environment asks for."""
        directives = DIRECTIVES | (CHECKED if _is_set(environment, CHECKS) else {})
        return cls(
            cc=tuple(shlex.split(environment.get("CC") or sysconfig.get_config_var("CC") or "cc")),
            flags=(*FLAGS, *shlex.split(environment.get("CFLAGS", ""))),
            directives=tuple(f"{name}={value}" for name, value in directives.items()),
        )

    @property
    def options(self) -> tuple[str, ...]:
        """Return all that decides what comes out, beside the source."""
        return (f"cython={installed_version('cython')}", *self.directives, *self.flags)

    def try_cc(self) -> None:
        """Compile next to nothing. Errors: BuildError, before any time goes into kernels."""
        with TemporaryDirectory(prefix="fixtape-cc-") as folder:
            source = Path(folder, "nothing.c")
            source.write_text("#include <Python.h>\n")
            self.run_cc(source, source.with_suffix(".so"))

    def run_cython(self, name: str, source: Path, into: Path, root: Path) -> None:
        """Write the C of a kernel; its path is told from the root, as it will stand in tracebacks."""
        told = [it for directive in self.directives for it in ("--directive", directive)]
        command = [sys.executable, "-m", "cython", *told, "--module-name", name, "--output-file", str(into)]
        _run("cython", [*command, str(source.relative_to(root))], root)

    def run_cc(self, source: Path, into: Path) -> None:
        """Make a C file an extension module."""
        headers = f"-I{sysconfig.get_path('include')}"
        _run(shlex.join(self.cc), [*self.cc, *self.flags, headers, str(source), "-o", str(into)], source.parent)


def _is_set(environment: Mapping[str, str], variable: str) -> bool:
    return environment.get(variable, "0") not in {"", "0"}


def _run(tool: str, command: Sequence[str], folder: Path) -> None:
    """Run a compiler. Errors: BuildError with the end of what it said."""
    try:
        subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True, timeout=COMPILER_S_LIMIT)
    except OSError as error:
        raise BuildError(f"{tool}: {error.strerror}") from None
    except subprocess.TimeoutExpired:
        raise BuildError(f"{tool}: not done after {COMPILER_S_LIMIT:.0f} s") from None
    except subprocess.CalledProcessError as error:
        said = error.stderr.strip().splitlines()[-LINES_SHOWN:]
        raise BuildError("\n  ".join([f"{tool}: exit {error.returncode}", *said])) from None


def load_kernels(root: Path) -> Any:
    """Return the module `capture.kernels` of a source tree, without importing its package."""
    spec = importlib.util.spec_from_file_location("_fixtape_kernels", root / "capture" / "kernels.py")
    assert spec is not None
    assert spec.loader is not None
    module: ModuleType = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # Where dataclasses look for it.
    spec.loader.exec_module(module)
    return module


@dataclass(frozen=True, slots=True)
class Built:
    """What a build came to: the files that are up to date, those made for it, and why others are neither."""

    ready: tuple[Path, ...]
    made: tuple[Path, ...]
    problems: tuple[str, ...]

    @property
    def warning(self) -> str:
        """Return what a person should be told; nothing if every kernel is compiled."""
        if not self.problems:
            return ""
        return "kernels stay uncompiled, which works and is many times slower: " + "\n".join(self.problems)


def build(root: Path, tools: Tools) -> Built:
    """Compile each kernel under a root that is not up to date, beside its source."""
    kernels = load_kernels(root)
    marks = {name: kernels.Mark(kernels.FINDER.source_hash(name), tools.options) for name in kernels.KERNELS}
    paths: dict[str, Path] = {name: kernels.FINDER.compiled(name) for name in kernels.KERNELS}

    def is_ready(name: str) -> bool:
        return paths[name].exists() and kernels.Mark.read(paths[name]) == marks[name]

    def make(name: str) -> str:
        """Compile one kernel and put it in place at once; return what went wrong, if anything."""
        with TemporaryDirectory(prefix="fixtape-kernel-", dir=paths[name].parent) as folder:
            c, extension = Path(folder, "kernel.c"), Path(folder, "kernel.so")
            try:
                tools.run_cython(name, kernels.FINDER.source(name), c, root)
                with c.open("a", encoding="utf-8") as file:
                    text = json.dumps(str(marks[name]))
                    file.write(f"\n__attribute__((used)) static const char fixtape_mark[] = {text};\n")
                tools.run_cc(c, extension)
            except BuildError as error:
                return f"{name}: {error}"
            extension.replace(paths[name])
            return ""

    due = [name for name in kernels.KERNELS if not is_ready(name)]
    if not due:
        return Built(ready=tuple(paths.values()), made=(), problems=())
    try:
        tools.try_cc()
    except BuildError as error:
        problems = [f"no working C compiler with Python's headers (Debian: gcc python3-dev): {error}"]
    else:
        with ThreadPoolExecutor(min(JOBS_LIMIT, os.cpu_count() or 1)) as pool:
            problems = [it for it in pool.map(make, due) if it]
    ready = [name for name in kernels.KERNELS if is_ready(name)]
    return Built(
        ready=tuple(paths[name] for name in ready),
        made=tuple(paths[name] for name in ready if name in due),
        problems=tuple(problems),
    )


def build_or_warn(root: Path) -> Built:
    """Compile by this process's environment; a warning goes to standard error, or ends it where none is allowed."""
    built = build(root, Tools.of(os.environ))
    if built.warning:
        print(f"fixtape: {'error' if _is_set(os.environ, REQUIRE) else 'warning'}: {built.warning}", file=sys.stderr)
        if _is_set(os.environ, REQUIRE):
            sys.exit(1)
    return built


class KernelHook(BuildHookInterface[BuilderConfig]):
    """Hatchling's side of it: a wheel carries what is compiled, and is then for one Python and platform."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile, and name the result. An editable install finds the files where they are made."""
        root = Path(self.root)
        built = build_or_warn(root)
        if built.ready and version != "editable":
            build_data["artifacts"] += [f"/{path.relative_to(root).as_posix()}" for path in built.ready]
            build_data["pure_python"] = False
            build_data["infer_tag"] = True


def main() -> None:
    """Compile in the tree where this file stands, and say what was made."""
    root = Path(__file__).resolve().parent
    for path in build_or_warn(root).made:
        print(f"compiled {path.relative_to(root)}")


if __name__ == "__main__":
    main()
