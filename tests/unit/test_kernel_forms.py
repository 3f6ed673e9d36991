"""Which form of a kernel is imported, and what is said of it. What is compiled here is a file that bears a mark."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

import capture
from capture import kernels
from capture.kernels import SUFFIX, UNCOMPILED, Kernel, KernelFinder, Mark

ROOT = Path(capture.__file__).parents[1]
A, B = "pack.a", "pack.b"


@pytest.fixture
def finder(tmp_path, monkeypatch):
    """A finder of two kernels that are not compiled."""
    monkeypatch.delenv(UNCOMPILED, raising=False)
    (tmp_path / "pack").mkdir()
    for name in ("a", "b"):
        (tmp_path / "pack" / f"{name}.py").write_text(f'NAME = "{name}"\n')
    return KernelFinder(tmp_path, (A, B))


def compile_it(finder, name, *, options=("language_level=3",)):
    """Put a file in place that says it is of the present source."""
    mark = Mark(finder.source_hash(name), options)
    finder.compiled(name).write_bytes(b"\x7fELF\0" + str(mark).encode() + b"\0")


def status_of(finder, name):
    """What a finder says of one kernel."""
    return next(it for it in finder.status() if it.name == name)


def test_a_kernel_without_a_compiled_form_is_python(finder):
    """Nothing compiled is no error: the source is what runs."""
    spec = finder.find_spec(A, None)

    assert spec.origin == str(finder.source(A))
    assert status_of(finder, A).source_ok is None


def test_a_compiled_kernel_of_its_source_is_taken(finder):
    """The compiled form runs where it is of the source beside it."""
    compile_it(finder, A)

    spec = finder.find_spec(A, None)

    assert spec.origin == str(finder.compiled(A))
    assert status_of(finder, A) == Kernel(A, compiled=True, why="", source_ok=True)


def test_a_stale_kernel_is_refused(finder):
    """After an edit the compiled form is of another source, and the source runs."""
    compile_it(finder, A)
    finder.source(A).write_text('NAME = "edited"\n')

    module = importlib.util.module_from_spec(spec := finder.find_spec(A, None))
    spec.loader.exec_module(module)

    assert module.NAME == "edited"
    assert status_of(finder, A).source_ok is False
    assert f"a{SUFFIX} is of another source" in str(status_of(finder, A))


def test_a_compiled_file_without_a_mark_is_refused(finder):
    """What another tool compiled here is of no known source."""
    finder.compiled(A).write_bytes(b"\x7fELF")

    assert status_of(finder, A).source_ok is False
    assert not status_of(finder, A).compiled


def test_a_change_of_a_pxd_makes_every_kernel_stale(finder):
    """C layouts of one are compiled into the others."""
    finder.source(B).with_suffix(".pxd").write_text("cdef class B:\n    cdef int x\n")
    compile_it(finder, A)
    compile_it(finder, B)
    assert all(it.compiled for it in finder.status())

    finder.source(B).with_suffix(".pxd").write_text("cdef class B:\n    cdef long long x\n")

    assert [it.source_ok for it in finder.status()] == [False, False]


def test_a_kernel_is_not_compiled_alone_if_another_shares_c_types(finder):
    """A compiled kernel cannot use C types of one that runs as Python."""
    finder.source(B).with_suffix(".pxd").write_text("cdef class B:\n    cdef int x\n")
    compile_it(finder, A)

    assert not status_of(finder, A).compiled
    assert B in status_of(finder, A).why


@pytest.mark.parametrize(("value", "compiled"), [("1", False), ("0", True), ("", True)])
def test_the_environment_forces_the_python_form(finder, monkeypatch, value, compiled):
    """FIXTAPE_UNCOMPILED runs the source where a good compiled form is there too."""
    compile_it(finder, A)
    monkeypatch.setenv(UNCOMPILED, value)

    assert status_of(finder, A).compiled is compiled
    assert status_of(finder, A).source_ok


def test_a_status_tells_what_was_imported(finder):
    """A kernel compiled after its import still runs as Python in this process."""
    finder.find_spec(A, None)
    compile_it(finder, A)
    compile_it(finder, B)

    assert [it.compiled for it in finder.status()] == [False, True]


def test_other_modules_are_left_to_python(finder):
    """The finder answers for kernels only."""
    assert finder.find_spec("pack", None) is None
    assert finder.find_spec("json", None) is None


def test_a_mark_says_the_same_when_read(tmp_path):
    """Source and options survive the way through a file."""
    mark = Mark("0123456789abcdef" * 4, ("boundscheck=True", "-DX='a \"b\"'"))
    (tmp_path / "x.so").write_bytes(bytes(range(256)) + str(mark).encode() + bytes(range(256)))

    assert Mark.read(tmp_path / "x.so") == mark


def test_checks_are_told(finder):
    """A kernel that was compiled with checks, and so is slow, says so."""
    compile_it(finder, A, options=("boundscheck=True",))

    assert str(status_of(finder, A)) == "compiled: with checks"


def test_a_warning_names_kernels_and_reasons():
    """One line; none where all are compiled."""
    good = Kernel("x", compiled=True, why="", source_ok=True)
    slow = [Kernel(name, compiled=False, why="no reason", source_ok=None) for name in ("y", "z")]

    assert kernels.warning([good]) is None
    assert kernels.warning([good, *slow]) == "kernels run uncompiled, many times slower: y, z (no reason)"


def test_the_finder_is_asked_before_any_kernel_is_imported():
    """Importing anything of capture installs it, ahead of Python's own."""
    code = "import sys, capture.clock, capture.kernels as it; print(sys.meta_path.index(it.FINDER))"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "0"


def test_cython_is_imported_by_the_kernels_and_by_nothing_else():
    """The list of kernels is exact, both ways."""
    importing = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for package in ("capture", "storage", "queries")
        for path in (ROOT / package).rglob("*.py")
        if re.search(r"^\s*(import|from) cython\b", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    }

    assert importing == set(kernels.KERNELS)
