"""Kernels are compiled in place where a compiler is, and run as Python everywhere else."""

import json

import pytest
from kernel_trees import make_tree, need_compiler, run_build, run_python

SHOW = """
import json
from capture import kernels
from capture.wire import running, sums
status = {it.name.rpartition(".")[2]: str(it) for it in kernels.status()}
print(json.dumps([running.running(b"abc", 1), running.form(), sums.form(), status]))
"""


@pytest.fixture(scope="module")
def compiled_once(tmp_path_factory):
    """A tree whose kernels are compiled."""
    need_compiler()
    tree = make_tree(tmp_path_factory.mktemp("compiled"))
    done = run_build(tree)
    assert len(done.stdout.splitlines()) == 2, done.stderr
    return tree


@pytest.fixture
def tree(compiled_once, tmp_path):
    """A tree of a test's own whose kernels are compiled."""
    copy = make_tree(tmp_path / "tree")
    for path in compiled_once.glob("capture/wire/*.so"):
        (copy / path.relative_to(compiled_once)).write_bytes(path.read_bytes())
    return copy


def show(tree, **environment):
    """The result of a kernel, the forms that run, and their status."""
    return json.loads(run_python(tree, SHOW, **environment).stdout)


def test_both_forms_give_the_same(tree):
    """The compiled kernels run, the Python ones run where they are wanted, and agree."""
    compiled = show(tree)
    python = show(tree, FIXTAPE_UNCOMPILED="1")

    assert compiled == [195, "compiled", "compiled", {"sums": "compiled", "running": "compiled"}]
    assert python[:3] == [195, "python", "python"]


def test_nothing_is_compiled_twice(tree):
    """What is up to date is left alone, and no compiler is asked for."""
    done = run_build(tree, CC="/bin/false")

    assert (done.stdout, done.stderr) == ("", "")


def test_only_what_changed_is_compiled_anew(tree):
    """An edit makes a kernel run as Python until it is compiled again."""
    path = tree / "capture/wire/running.py"
    path.write_text(path.read_text().replace("range(at + 1)", "range(at)"))

    before = show(tree)
    done = run_build(tree)
    after = show(tree)

    assert before[:2] == [97, "python"]
    assert [line.split("/")[-1].split(".")[0] for line in done.stdout.splitlines()] == ["running"]
    assert after[:2] == [97, "compiled"]


def test_a_mistake_is_told_and_spares_the_others(tree):
    """The warning shows what the compiler found, the build goes on, and the kernel runs as Python."""
    mistake = "\n\ndef mistaken(number: cython.int) -> int:\n    return number()\n"
    for name, added in (("sums", "\n"), ("running", mistake)):
        path = tree / f"capture/wire/{name}.py"
        path.write_text(path.read_text() + added)

    done = run_build(tree)

    assert "warning: kernels stay uncompiled" in done.stderr
    assert "capture/wire/running.py:" in done.stderr
    assert "sums" in done.stdout
    assert show(tree)[1] == "python"


def test_checks_are_compiled_in_on_request(tree):
    """A place past the end is an IndexError with checks; the kernels say that they have them."""
    run_build(tree, FIXTAPE_KERNEL_CHECKS="1")

    past_the_end = run_python(tree, "from capture.wire.running import running; running(b'abc', 3)", check=False)

    assert "IndexError" in past_the_end.stderr
    assert show(tree)[1:] == ["compiled", "compiled", dict.fromkeys(("sums", "running"), "compiled: with checks")]


@pytest.mark.parametrize("cc", ["/bin/false", "no-such-compiler"])
def test_no_compiler_is_one_warning(tmp_path, cc):
    """The build goes on, and the Python forms run."""
    tree = make_tree(tmp_path / "tree")

    done = run_build(tree, CC=cc)

    (line,) = done.stderr.splitlines()
    assert line.startswith("fixtape: warning: kernels stay uncompiled")
    assert cc in line
    assert show(tree)[:3] == [195, "python", "python"]


def test_where_kernels_are_required_no_compiler_is_an_error(tmp_path):
    """What builds wheels to ship wants them compiled or not at all."""
    done = run_build(make_tree(tmp_path / "tree"), CC="/bin/false", FIXTAPE_REQUIRE_KERNELS="1", check=False)

    assert done.returncode == 1
    assert done.stderr.startswith("fixtape: error: kernels stay uncompiled")


def test_no_litter_is_left(tree):
    """Beside each source lies what was compiled, and nothing between."""
    names = {path.name.split(".")[0] + path.suffix for path in (tree / "capture/wire").iterdir()}

    assert names - {"__pycache__"} == {
        *("__init__.py", "sums.py", "sums.pxd", "sums.so", "running.py", "running.pxd", "running.so")
    }
