"""Settings: what is read, what is refused, and in which words."""

from pathlib import Path

import pytest

from capture.config import ConfigUnreadable, Settings, check, read
from capture.errors import SettingInvalid
from storage.cli import effective

GOOD = """
[venue]
host = "venue.example"

[session]
sender_comp_id = "CLIENT"

[market]
symbols = ["BTC/USD"]
depth = 100
"""


def settings(tmp_path: Path, text: str) -> Settings:
    """The settings of a file with this text."""
    path = tmp_path / "capture.toml"
    path.write_text(text)
    return read(path)


def test_what_a_file_does_not_say_is_the_default(tmp_path: Path) -> None:
    """A file names what differs; all else stands as documented."""
    it = settings(tmp_path, GOOD)

    assert (it.venue.host, it.venue.port) == ("venue.example", 4000)
    assert (it.session.target_comp_id, it.session.heartbeat_s) == ("KRAKEN-MD", 60)
    assert (it.market.symbols, it.market.depth) == (("BTC/USD",), 100)
    assert (it.storage.batch_s, it.storage.fsync_ms, it.storage.segment_mib) == (60, 200, 256)
    assert (it.storage.compress, it.storage.compress_level) == (True, 9)
    assert check(it, where="capture.toml") is it


def test_empty_file_is_all_defaults(tmp_path: Path) -> None:
    """A file may be empty; what must be set is then missing, and said so by the check."""
    it = settings(tmp_path, "")

    assert it == Settings()
    with pytest.raises(SettingInvalid, match=r"capture\.toml: venue\.host is not set"):
        check(it, where="capture.toml")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[venue]\nhost_name = 'x'", "unknown key `venue.host_name`; did you mean `host`"),
        ("[market]\nqqqqqq = 1", "unknown key `market.qqqqqq`; known: symbols, depth"),
        ("[markets]\n", "unknown key `markets`; did you mean `market`"),
        ("[zzz]\n", "unknown key `zzz`; known: venue, session, market, storage"),
        ("[venue]\nport = 'four thousand'", "port"),
        ("[market]\nsymbols = 'BTC/USD'", "symbols"),
        ("[market\n", "no TOML"),
    ],
)
def test_unreadable_file_is_told_with_the_remedy(tmp_path: Path, text: str, words: str) -> None:
    """The error names the file, the key, and a near name where there is one."""
    with pytest.raises(ConfigUnreadable, match=r"capture\.toml: ") as raised:
        settings(tmp_path, text)

    assert words in str(raised.value)


def test_missing_file_is_told(tmp_path: Path) -> None:
    """A file that is not there is named."""
    with pytest.raises(ConfigUnreadable, match=r"nowhere\.toml: No such file or directory; name a readable TOML file"):
        read(tmp_path / "nowhere.toml")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("venue.port = 0", "venue.port is 0; use 1 to 65535"),
        ("venue.port = 65536", "venue.port is 65536; use 1 to 65535"),
        ("session.sender_comp_id = ''", "session.sender_comp_id is not set"),
        ("session.sender_comp_id = 'Ä'", "session.sender_comp_id is 'Ä'; use printable ASCII"),
        ('session.sender_comp_id = "A\\u0001B"', "session.sender_comp_id is 'A\\x01B'; use printable ASCII"),
        ("session.target_comp_id = ''", "session.target_comp_id is not set"),
        ("session.heartbeat_s = 0", "session.heartbeat_s is 0; use 1 to 3600"),
        ("session.heartbeat_s = 3601", "session.heartbeat_s is 3601; use 1 to 3600"),
        ("market.symbols = []", "market.symbols is empty"),
        ("market.symbols = ['']", "market.symbols: '' is no symbol; use a name"),
        ("market.symbols = ['*/USD:20']", "market.symbols: the depth of '*/USD:20' is 20; use one of 10, 25"),
        ("market.symbols = ['!*/JPY']", "market.symbols is exclusions alone; use `all` before them"),
        ("market.depth = 20", "market.depth is 20; use one of 10, 25, 100, 500 or 1000"),
        ("market.depth = 1", "market.depth is 1; use one of 10"),
        ("market.level = 1", "market.level is 1; use 2 (price levels) or 3 (single orders)"),
        ("storage.lake = '/srv/lake'", "storage.lake is '/srv/lake'; use s3://BUCKET/PREFIX"),
        ("storage.batch_s = 7", "storage.batch_s is 7; use a divisor of 86400"),
        ("storage.batch_s = 0", "storage.batch_s is 0"),
        ("storage.fsync_ms = 0", "storage.fsync_ms is 0; use 1 to 60000"),
        ("storage.segment_mib = 0", "storage.segment_mib is 0; use 1 to 65536"),
    ],
)
def test_setting_that_cannot_be_meant_is_refused(tmp_path: Path, line: str, words: str) -> None:
    """The error says where, what was received, and what to use instead."""
    section, _, rest = line.partition(".")
    key = rest.partition(" ")[0]
    kept = [it for it in GOOD.splitlines() if not it.startswith(f"{key} ")]
    heading = f"[{section}]"
    lines = [*kept, heading] if heading not in kept else kept
    at = lines.index(heading)
    text = "\n".join([*lines[: at + 1], rest, *lines[at + 1 :]])

    with pytest.raises(SettingInvalid) as raised:
        check(settings(tmp_path, text), where="capture.toml")

    assert str(raised.value).startswith(f"capture.toml: {words}")


@pytest.mark.parametrize("depth", [0, 10, 25, 100, 500, 1000])
def test_depths_of_the_venue_are_allowed(tmp_path: Path, depth: int) -> None:
    """Every depth that can be proven is a setting, 0 being the full book."""
    it = settings(tmp_path, GOOD.replace("depth = 100", f"depth = {depth}"))

    assert check(it, where="x").market.depth == depth


def test_level_3_is_asked_for_and_never_the_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the file, FIXTAPE_MARKET_LEVEL or the option says 3; depths are those of Level 2."""
    path = tmp_path / "capture.toml"
    path.write_text(GOOD)
    assert effective(path, {}).market.level == 2
    assert effective(path, {"level": 3, "depth": 0}).market.level == 3
    monkeypatch.setenv("FIXTAPE_MARKET_LEVEL", "3")

    assert effective(path, {}).market.level == 3
    assert effective(path, {"level": 2}).market.level == 2
    with pytest.raises(SettingInvalid, match=r"market\.depth is 20; use one of .*\(0 is no cut\)"):
        effective(path, {"depth": 20})


def test_patterns_of_a_variable_stand_between_commas(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """FIXTAPE_MARKET_SYMBOLS takes what the file takes and goes before it; an option goes before both."""
    path = tmp_path / "capture.toml"
    path.write_text(GOOD)
    monkeypatch.setenv("FIXTAPE_MARKET_SYMBOLS", "*/USD:100, !DOGE/USD,BTC/EUR")

    assert effective(path, {}).market.symbols == ("*/USD:100", "!DOGE/USD", "BTC/EUR")
    assert effective(path, {"symbols": ("all",)}).market.symbols == ("all",)


def test_settings_are_frozen(tmp_path: Path) -> None:
    """A setting does not change under whoever holds it."""
    it = settings(tmp_path, GOOD)

    with pytest.raises(AttributeError):
        it.market.depth = 10  # type: ignore[misc]
