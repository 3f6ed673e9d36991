"""The story of a window: every kind of line, in order, with its place in the journal."""

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from lake_maker import make_lake
from lake_rows import SECOND, add
from told import Told, ns

from capture.columns import Flag, Verdict
from queries.errors import EmptyWindow, UnknownSymbol
from queries.tape import Tape
from queries.why_cli import why_command

BTC = "BTC/USD"


def message(told: Told, at: float, seq: int, offset: int, **values: Any) -> None:
    row = {"session_id": told.session, "receive_ns": ns(at), "sending_ms": ns(at) // 10**6 - 7, "msg_seq_num": seq}
    add(told.columns, "messages", **{**row, "segment_offset": offset, "segment": told.session, **values})


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A mismatch that is healed, then a line that goes dead, and a session after it."""
    told = Told().open(0.0).event(0.5, "snapshot", 2, symbol=BTC)
    message(told, 0.5, 2, 100, msg_type="W", verdict=Verdict.UNVERIFIED)
    message(told, 1.0, 3, 200, verdict=Verdict.VERIFIED)
    message(told, 1.1, 4, 300, symbol="ETH/USD")
    message(told, 1.2, 5, 400)
    message(told, 2.0, 6, 500, verdict=Verdict.MISMATCH, flags=Flag.SUSPECT_BOOK)
    told.event(2.0, "mismatch", 6, symbol=BTC, from_ns=1.2, expected="17", received="4711")
    told.event(2.1, "mismatch", 7, symbol="ETH/USD")
    message(told, 3.0, 8, 600, msg_type="W", verdict=Verdict.UNVERIFIED, flags=Flag.SNAPSHOT)
    told.event(3.0, "healed", 8, symbol=BTC, from_ns=1.2, text="new snapshot")
    told.event(50.0, "heartbeat", 9).event(90.0, "disconnect", text="no answer to a TestRequest")
    told.session = "S2"
    told.open(100.0).event(100.5, "snapshot", 2, symbol=BTC)
    message(told, 100.5, 2, 100, msg_type="W", verdict=Verdict.UNVERIFIED)
    message(told, 100.4, 3, 200, flags=Flag.BAD_TIME, sending_ms=ns(101.0) // 10**6)
    told.event(130.0, "heartbeat", 4)
    return make_lake(tmp_path_factory.mktemp("tape"), told.columns)


def story(root: Path, start: float, end: float) -> list[tuple[float, str, str | None, int | None]]:
    """When, what, in which words, and where in the journal."""
    with Tape(root) as tape:
        rows = tape.why(BTC, ns(start), ns(end)).project("at_ns, what, says, segment_offset").fetchall()
    return [((at - ns(0)) / SECOND, *rest) for at, *rest in rows]


def test_a_hole_is_told_from_its_beginning_to_its_end(root: Path) -> None:
    """What came, what did not agree, since when, and what mended it; nothing of other symbols."""
    since = "since 2026-11-22T11:55:01.200000000Z"

    assert story(root, 1, 5) == [
        (1.0, "unknown", None, 200),
        (1.0, "clock", "received 7 to 7 ms after sending, median 7 ms", 200),
        (1.0, "messages", "verified, to MsgSeqNum 5", 200),
        (2.0, "mismatch", f"{since}; expected 17; received 4711", 500),
        (2.0, "messages", "mismatch, suspect book", 500),
        (3.0, "healed", f"{since}; new snapshot", 600),
        (3.0, "messages", "snapshot", 600),
    ]


def test_a_dead_line_is_told(root: Path) -> None:
    """Quiet as far as it is proven, unknown after the last number, and nothing recorded until the next session."""
    told = story(root, 40, 101)

    assert [line[:2] for line in told] == [
        (40.0, "quiet"),
        (50.0, "unknown"),
        (50.0, "heartbeat"),
        (90.0, "disconnect"),
        (91.0, "unrecorded"),
        (100.0, "unknown"),
        (100.0, "connect"),
        (100.0, "logon"),
        (100.4, "clock"),
        (100.4, "messages"),
        (100.5, "snapshot"),
        (100.5, "messages"),
    ]
    assert [line[2] for line in told if line[1] in ("disconnect", "unrecorded")] == [
        "no answer to a TestRequest",
        "no session",
    ]


def test_clocks_that_do_not_agree_show(root: Path) -> None:
    """A receive time that went back, and a sending time that cannot be."""
    (clock,) = (line for line in story(root, 100, 102) if line[1] == "clock")

    assert clock[2] == (
        "received -600 to 7 ms after sending, median -600 ms; receive time went back 1 times; 1 with a bad time"
    )


def test_what_lasted_into_a_window_belongs_to_it(root: Path) -> None:
    """A hole that began before it and is mended in it, or after it, is part of its story."""
    assert "healed" in [what for _, what, *_ in story(root, 2.5, 2.9)]
    assert "mismatch" not in [what for _, what, *_ in story(root, 2.5, 2.9)]


def test_a_line_without_a_message_has_the_place_before_it(root: Path) -> None:
    """A disconnect is in the journal after the last message that came."""
    with Tape(root) as tape:
        rows = tape.why(BTC, ns(40), ns(95)).project("what, segment, segment_offset, journal_place").fetchall()
        mended = tape.why(BTC, ns(1), ns(5)).filter("what = 'healed'").project("journal_place").fetchall()

    assert rows[3] == ("disconnect", "S1", 600, "the message before")
    assert mended == [("its message",)]


def test_a_number_of_ours_is_no_message_of_theirs(tmp_path: Path) -> None:
    """A subscription bears the number of the request that went out; a message that came has the same by chance."""
    told = Told().open(0.0)
    message(told, 1.0, 2, 100)
    message(told, 9.0, 3, 200)
    told.event(9.5, "subscribe", 2, symbol=BTC)

    (line,) = (line for line in story(make_lake(tmp_path, told.columns), 9, 10) if line[1] == "subscribe")

    assert line[3] == 200


def test_windows_outside_and_unknown_symbols_are_errors(root: Path) -> None:
    """As of every question about a symbol."""
    with Tape(root) as tape:
        with pytest.raises(UnknownSymbol):
            tape.why("'; DROP VIEW events; --")
        with pytest.raises(EmptyWindow):
            tape.why(BTC, 0, 1)


def test_the_command_prints_the_story(root: Path) -> None:
    """Without a window it is that of the whole tape."""
    result = CliRunner().invoke(why_command, [str(root), "--symbol", BTC])

    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.splitlines()[0].split() == [
        "at_time", "what", "symbol", "says", "count", "seconds", "msg_seq_num", "segment_offset",
    ]  # fmt: skip
    assert "no answer to a TestRequest" in result.stdout
