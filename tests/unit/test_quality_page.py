"""The page of a day: everything is on it, text of the venue is text, and a browser asks nobody for anything."""

import json
import os
import re
import shutil
import subprocess
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from click.testing import CliRunner
from lake_maker import make_lake
from quality_tape import BTC, DATE, ETH, Play, clean, report_of

from queries.quality import page as page_module
from queries.quality.checks import CHECKS
from queries.quality.page import SLICES, Axis, page
from queries.quality_cli import quality_command

HOSTILE = "<script>alert(1)</script>\"'><img src=http://x.invalid/y.png onerror=alert(2)>\x1b[31m\u202e"


def eventful() -> Play:
    """A day with a lost connection, a roll-over, a mismatch, and a venue that writes HTML."""
    play = clean().mismatch(91, since=60).event(92, "reject", 70, text=HOSTILE).lost(150, text=HOSTILE)
    play.session = "S2"
    play.started(160.0, BTC, ETH, HOSTILE).beat(220).event(230, "rollover", 9, text="Logout").lost(231)
    play.session = "S3"
    return play.started(260.0).beat(280).stopped(300)


@pytest.fixture(scope="module")
def html(tmp_path_factory: pytest.TempPathFactory) -> str:
    return page(report_of(make_lake(tmp_path_factory.mktemp("tape"), eventful().columns)), 0.99)


def test_every_check_symbol_and_session_is_on_the_page(html: str) -> None:
    """With what each check says, and by which thresholds, with their values."""
    for check in CHECKS:
        assert f"<b>{check.title}</b>" in html
    for text in (BTC, ETH, "S1", "S2", "S3", "PASS_RATE_LEAST (0.999)", "CROSSED_NS_LIMIT (1 s)", "does not pass"):
        assert text in html


def test_ends_of_sessions_are_drawn(html: str) -> None:
    """One that was not planned, and the roll-over."""
    assert len(re.findall(r'<rect class="f-hole"', html)) == 1
    assert len(re.findall(r'<rect class="f-rollover"', html)) == 1


def test_text_of_the_venue_is_no_markup(html: str) -> None:
    """Neither its tags nor its quotes nor what a terminal or a reader's eye might obey."""
    assert "<script" not in html
    assert "<img" not in html
    assert "&lt;script&gt;" in html
    assert "\x1b" not in html
    assert "\u202e" not in html


def test_the_page_names_nothing_to_load(html: str) -> None:
    """No address anywhere but in text, and a policy that forbids to load any."""
    assert "default-src 'none'" in html
    assert set(re.findall(r"url\(([^)]*)\)", html)) == {"#hatch"}
    assert re.findall(r'(?:src|href)="([^"]*)"', html) == ["data:,"]


def test_a_page_is_no_larger_for_a_session_of_many_changes(tmp_path: Path) -> None:
    """Seconds are drawn in slices of the axis."""
    play = Play().started()
    for second in range(2, 3000, 2):
        play.change(second)
    report = play.stopped(3001).report(tmp_path)

    text = page(report, 0.99)

    assert 1 < len(re.findall(r'<rect class="f-(?:active|quiet|unknown)"', text)) <= SLICES


def test_the_axis_fits_the_tape(tmp_path: Path) -> None:
    """A tape of minutes is not drawn as one of hours; every tick lies on it."""
    axis = Axis(clean().stopped(99).report(tmp_path))

    assert (axis.end_ns - axis.begin_ns) == 2 * 60 * 10**9
    assert [text for _, text in axis.ticks()][::6] == ["11:55:00", "11:56:00", "11:57:00"]
    assert [x for x, _ in axis.ticks()] == sorted(x for x, _ in axis.ticks())


def test_symbols_beyond_the_limit_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The worst are shown."""
    monkeypatch.setattr(page_module, "ROWS_LIMIT", 1)
    report = clean().mismatch(91, since=60).stopped(99).report(tmp_path)

    text = page(report, 0.99)

    assert "1 more, none worse than these" in text
    assert f"<b>{BTC}</b>" in text
    assert f"<b>{ETH}</b>" not in text


def test_the_command_prints_tables_json_and_the_page(tmp_path: Path) -> None:
    """Exit 0 for a good day, 3 for one below the threshold, 2 for a file that is asked for in vain."""
    good = str(make_lake(tmp_path / "good", clean().stopped(99).columns))
    bad = str(make_lake(tmp_path / "bad", eventful().columns))
    file = tmp_path / "page.html"

    table = CliRunner().invoke(quality_command, [good, "--date", DATE])
    told = CliRunner().invoke(quality_command, [good, "--date", DATE, "--format", "json", "--quick"])
    written = CliRunner().invoke(quality_command, [bad, "--date", DATE, "--format", "html", "--output", str(file)])
    misused = CliRunner().invoke(quality_command, [good, "--date", DATE, "--output", str(file)])
    inside = CliRunner().invoke(quality_command, [good, "--date", DATE, "--format", "html", "--output", f"{good}/p"])

    assert (table.exit_code, written.exit_code, misused.exit_code, inside.exit_code) == (0, 3, 2, 2)
    assert table.output.splitlines()[2].split()[:3] == ["symbol", "condition", "score"]
    assert [it["condition"] for it in json.loads(told.output)["conditions"]] == ["complete", "complete"]
    assert file.read_text().startswith("<!doctype html>")


@pytest.fixture
def chromium() -> str:
    found = shutil.which("chromium")
    if found is None and not os.environ.get("CI"):
        pytest.skip("chromium is not installed")
    assert found is not None, "CI must have chromium: apt-get install chromium"
    return found


def loaded(chromium: str, folder: Path, name: str) -> tuple[list[str], list[str]]:
    """What the console says of a page, and what is asked of its server."""
    asked: list[str] = []

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            asked.append(self.path)

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder))) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        command = [chromium, "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--dump-dom"]
        profile = f"--user-data-dir={folder / 'profile'}"
        address = f"http://127.0.0.1:{server.server_port}/{name}"
        done = subprocess.run([*command, profile, address], capture_output=True, text=True, check=True, timeout=90)
        server.shutdown()
    assert "</html>" in done.stdout
    return [line for line in done.stderr.splitlines() if "CONSOLE" in line], asked


@pytest.mark.chromium
def test_a_browser_finds_no_error_and_asks_for_nothing(chromium: str, html: str, tmp_path: Path) -> None:
    """What would be an error is told of another page, so that silence means something."""
    (tmp_path / "page.html").write_text(html, encoding="utf-8")
    (tmp_path / "other.html").write_text(html.replace("<main>", '<main><img src="/x.png">', 1), encoding="utf-8")

    assert loaded(chromium, tmp_path, "page.html") == ([], ["/page.html"])
    errors, _ = loaded(chromium, tmp_path, "other.html")
    assert any("Content Security Policy" in line for line in errors)
