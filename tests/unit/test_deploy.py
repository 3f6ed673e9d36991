"""What stands in deploy/ is true: the example is read, its defaults are the defaults, the unit is well formed."""

import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import msgspec
import pytest

from capture.config import Settings, check, read

DEPLOY = Path(__file__).parents[2] / "deploy"
EXAMPLE = DEPLOY / "config.example.toml"


def test_the_example_configuration_is_read():
    """It passes the checks that a recorder makes before it starts."""
    settings = check(read(EXAMPLE), where=EXAMPLE.name)

    assert settings.market.symbols == ("BTC/USD", "ETH/USD")


def test_the_example_shows_every_key_at_its_default():
    """Each key is there, and one that is commented out says the default."""
    text = re.sub(r"^# (?=\w+ = )", "", EXAMPLE.read_text(), flags=re.MULTILINE)
    set_by_hand = {"host", "sender_comp_id", "symbols", "root"}

    shown = tomllib.loads(text)

    defaults = msgspec.to_builtins(Settings())
    assert {name: set(section) for name, section in shown.items()} == {
        name: set(section) for name, section in defaults.items()
    }
    for name, section in shown.items():
        for key, value in section.items():
            if key not in set_by_hand:
                assert value == defaults[name][key], key


def test_the_unit_passes_systemd_analyze(tmp_path):
    """The service unit is one that systemd accepts."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    unit = tmp_path / "fixtape.service"
    text = (DEPLOY / "fixtape.service").read_text()
    unit.write_text(re.sub(r"^ExecStart=\S+", "ExecStart=/bin/true", text, flags=re.MULTILINE))

    done = subprocess.run(["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, check=False)

    complaints = [line for line in done.stderr.splitlines() if unit.name in line]
    assert complaints == []


def test_the_unit_does_not_restart_what_trying_again_cannot_mend():
    """Exit codes of settings, certificates and refused Logons end it for good."""
    line = next(it for it in (DEPLOY / "fixtape.service").read_text().splitlines() if "RestartPrevent" in it)

    assert {"77", "78"} <= set(line.partition("=")[2].split())
