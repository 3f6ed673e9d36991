"""What counts as a hole and what does not: stops, roll-overs, starts, symbols that nobody asks for any more."""

from pathlib import Path

from lake_maker import make_lake
from quality_tape import BTC, ETH, alarmed, clean, report_of, told_by
from told import ns

from queries.quality.report import Report
from queries.quality.sessions import ROLLOVER_NS_LIMIT, Ending
from queries.tape import Tape


def seconds(report: Report) -> dict[str, tuple[int, int]]:
    """Expected and unknown seconds of each symbol."""
    return {it.symbol: (it.expected_s, it.unknown_s) for it in report.coverage}


def test_a_recorder_that_did_not_run_leaves_no_hole(tmp_path: Path) -> None:
    """It was stopped in order and started again an hour later: nothing is missing of what was meant to be had."""
    play = clean().stopped(99)
    play.session = "S2"
    report = play.started(3700.0).stopped(3800).report(tmp_path)

    assert alarmed(report) == set()
    assert ("info", None, 99.0, 3700.0, 1) in told_by(report, "coverage", of="info")
    assert seconds(report) == {BTC: (199, 0), ETH: (199, 0)}


def test_the_daily_rollover_is_planned(tmp_path: Path) -> None:
    """The session ends, the books with it, and the next begins half a minute later."""
    play = clean().event(120, "rollover", 300, text="Logout")
    for symbol in (BTC, ETH):
        play.event(120, "suspect", symbol=symbol, from_ns=60, text="daily roll-over: Logout")
    play.event(120, "logout", 301, expected="by the venue").lost(120.5)
    play.session = "S2"
    play.started(151.0)
    for symbol in (BTC, ETH):
        play.event(151.2, "healed", 3, symbol=symbol, from_ns=60)

    report = play.beat(160).stopped(170).report(tmp_path)

    assert alarmed(report) == set()
    assert {unknown for _, unknown in seconds(report).values()} == {0}
    assert [it.ending for it in report.sessions] == [Ending.ROLLOVER, Ending.STOPPED]


def test_a_rollover_that_nothing_follows_soon_is_a_hole(tmp_path: Path) -> None:
    """Half a minute is planned, not the rest of the evening."""
    play = clean().event(120, "rollover", 300, text="Logout").lost(120.5)
    play.session = "S2"
    late = 120.5 + ROLLOVER_NS_LIMIT / 1e9 + 1
    report = play.started(late).stopped(late + 10).report(tmp_path)

    assert ("warning", None, 120.5, late, 1) in told_by(report, "coverage")


def test_a_recorder_that_died_leaves_a_hole(tmp_path: Path) -> None:
    """Nothing tells of its end, and a later session shows that there was one."""
    play = clean()
    play.session = "S2"
    report = play.started(200.0).stopped(250).report(tmp_path)

    assert [it.ending for it in report.sessions] == [Ending.LOST, Ending.STOPPED]
    assert seconds(report) == {BTC: (250, 111), ETH: (250, 111)}


def test_a_recorder_at_work_is_no_hole(tmp_path: Path) -> None:
    """Its last session has no end yet."""
    report = clean().report(tmp_path)

    assert alarmed(report) == set()
    assert seconds(report) == {BTC: (90, 0), ETH: (90, 0)}


def test_a_symbol_that_is_not_asked_for_any_more_counts_no_longer(tmp_path: Path) -> None:
    """It was delisted: what comes after is not missing."""
    report = clean().event(91, "unsubscribe", 9, symbol=ETH).stopped(99).report(tmp_path)

    assert seconds(report)[ETH][0] == 91


def test_a_symbol_without_a_snapshot_is_missing(tmp_path: Path) -> None:
    """It was asked for, and nothing came; a start may take a minute."""
    play = clean().event(0.3, "subscribe", 5, symbol="XMR/USD")
    report = play.stopped(99).report(tmp_path)

    assert (report.conditions[0].symbol, report.conditions[0].condition.value) == ("XMR/USD", "missing")
    assert seconds(report)["XMR/USD"] == (40, 40)


def test_unknown_seconds_are_those_that_silence_tells(tmp_path: Path) -> None:
    """Inside a session whose start counts, both say the same of each second."""
    play = clean().lost(120)
    play.session = "S2"
    play.started(130.0).change(135).mismatch(140.3, since=135.0)
    play.snapshot(143.8).event(143.8, "healed", play.seq, symbol=BTC, from_ns=135.0)
    play.seq += 4
    play.event(150.5, "gap", play.seq - 3, count=4).event(151.5, "gap_fill", play.seq - 3, count=4)
    for symbol in (BTC, ETH):
        play.event(150.5, "suspect", symbol=symbol, from_ns=130.2, text="MsgSeqNum 9 to 12 are missing")
        play.snapshot(152.5, symbol).event(152.5, "healed", play.seq, symbol=symbol, from_ns=130.2)
    root = make_lake(tmp_path, play.event(151.5, "gap_closed", play.seq).stopped(170).columns)

    with Tape(root) as tape:
        told = {
            symbol: tape.silence(symbol, ns(130)).filter("state = 'unknown'").project("from_ns, to_ns").fetchall()
            for symbol in (BTC, ETH)
        }
    report = report_of(root)

    for it in report.coverage:
        later = [(begin, end) for begin, end in it.unknown if begin > ns(131) // 10**9]
        assert later == [(begin // 10**9, end // 10**9) for begin, end in told[it.symbol] if begin > ns(131)]
    assert told[BTC] == [(ns(130), ns(131)), (ns(135), ns(153))]
    assert told[ETH] == [(ns(130), ns(131)), (ns(143), ns(153))]


def test_hours_add_up(tmp_path: Path) -> None:
    """A cell has the seconds of its hour, and none of another."""
    play = clean()
    for at in range(100, 700, 50):
        play.beat(at)
    report = play.stopped(700).report(tmp_path)  # The tape begins at 11:55.

    (cells, _) = (it.cells for it in report.coverage)
    assert {it.hour: (it.active, it.quiet, it.unknown) for it in cells if it.expected} == {
        11: (60, 239, 0), 12: (0, 401, 0),
    }  # fmt: skip


def test_messages_without_a_session_to_judge_them_by_are_told(tmp_path: Path) -> None:
    """A tape that was merged says nothing of its seconds, which is no good day."""
    play = clean().stopped(99)
    play.session = "S2"
    play.change(120, "XMR/USD").event(125, "merged")

    assert [(it[0], it[1], it[4]) for it in told_by(play.report(tmp_path), "coverage")] == [("warning", None, 1)]
