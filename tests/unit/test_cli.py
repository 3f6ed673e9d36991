"""The command line: quick help, a worked example for each command, nothing heavy imported for it."""

import socket
import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

import fixtape
from capture import kernels
from capture.kernels import Kernel
from storage.cli import record

HEAVY = {"pyarrow", "duckdb", "deltalake", "uvloop", "rich", "simplefix", "msgspec"}


def commands():
    """Every command and subcommand, by the words that call it."""
    group = fixtape._group()
    context = click.Context(group)
    for name in fixtape.COMMANDS:
        command = group.get_command(context, name)
        yield name, command
        if isinstance(command, click.Group):
            for inner in command.list_commands(context):
                yield f"{name} {inner}", command.get_command(context, inner)


def test_help_imports_nothing_heavy():
    """`fixtape --help` is quick because it imports no command."""
    code = (
        "import sys, fixtape\n"
        "sys.argv = ['fixtape', '--help']\n"
        "try: fixtape.main()\n"
        "except SystemExit: pass\n"
        f"print(sorted({HEAVY!r} & set(sys.modules)))"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.splitlines()[-1] == "[]"
    assert all(name in done.stdout for name in fixtape.COMMANDS)


def test_the_front_door_imports_nothing_heavy():
    """`import fixtape` costs a notebook nothing until a tape is opened."""
    code = f"import sys, fixtape; print(sorted({HEAVY | {'click'}!r} & set(sys.modules)))"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(("name", "command"), list(commands()), ids=lambda it: it if isinstance(it, str) else "")
def test_every_command_has_an_example_and_every_option_help(name, command):
    """A person finds at least one line to copy, and no option without a word about it."""
    assert command.help
    options = [it for it in command.params if isinstance(it, click.Option)]
    assert all(it.help for it in options), [it.name for it in options if not it.help]
    if not isinstance(command, click.Group):
        assert f"fixtape {name}" in command.help


@pytest.mark.parametrize(("name", "command"), list(commands()), ids=lambda it: it if isinstance(it, str) else "")
def test_the_short_help_of_the_root_is_the_commands_own(name, command):
    """What `--help` says without importing a command is what the command says of itself."""
    if " " in name:
        return

    first_line = (command.help or "").strip().splitlines()[0]

    assert fixtape.COMMANDS[name][2] == first_line


def test_an_unknown_command_is_misuse():
    """An unknown command ends with 2 and names itself."""
    done = subprocess.run([sys.executable, "-m", "fixtape", "nonsense"], capture_output=True, text=True, check=False)

    assert done.returncode == 2
    assert "No such command 'nonsense'" in done.stderr


def test_a_recorder_says_once_that_kernels_run_uncompiled(monkeypatch, tmp_path):
    """A person who records at a tenth of the speed learns why from the first lines."""
    slow = Kernel("capture.clock", compiled=False, why="a reason", source_ok=None)
    monkeypatch.setattr(kernels, "status", lambda: [slow])
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        venue = ["--host", "127.0.0.1", "--port", str(closed.getsockname()[1]), "--sender", "C", "--symbol", "ETH/USD"]

        done = CliRunner().invoke(record, [*venue, "--root", str(tmp_path / "tape")])

    warnings = [line for line in done.stderr.splitlines() if "uncompiled" in line]
    assert len(warnings) == 1
    assert warnings[0].endswith("kernels run uncompiled, many times slower: capture.clock (a reason)")
    assert done.exit_code == 69
