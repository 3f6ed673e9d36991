"""Each check finds what it is for, of the right symbol and in the right bounds, and nothing on a clean tape."""

from pathlib import Path

import pytest
from lake_maker import make_lake
from lake_rows import SECOND, add
from quality_tape import BTC, ETH, LEVELS, Play, alarmed, clean, report_of, told_by
from told import ns

from capture.columns import Flag, Side, Verdict
from queries.errors import EmptyWindow
from queries.quality.checks import CHECKS, latency
from queries.quality.checks.ghosts import STALE_NS
from queries.quality.findings import FINDINGS_LIMIT

UNMATCHED = 4  # AssetPairStatus(5032): post-only.


def test_nothing_above_info_on_a_clean_tape(tmp_path: Path) -> None:
    """No check finds anything to warn of, and each symbol is complete."""
    report = clean().stopped(99).report(tmp_path)

    assert alarmed(report) == set()
    assert [(it.symbol, it.condition.value, it.score) for it in report.conditions] == [
        (BTC, "complete", 1.0), (ETH, "complete", 1.0),
    ]  # fmt: skip
    assert report.passes(1.0)


def test_there_are_ten_checks_with_names_of_their_own() -> None:
    """Each with a title for people and a docstring that says what, how, by which thresholds and from where."""
    assert len({check.name for check in CHECKS}) == len({check.title for check in CHECKS}) == 10
    for check in CHECKS:
        for part in ("Says:", "Computed:", "Thresholds:", "Source:"):
            assert part in (check.__doc__ or ""), (check.name, part)


def test_gaps_tell_what_was_lost_from_what_came_again(tmp_path: Path) -> None:
    """From the last number before to where the numbers run on."""
    play = clean()
    play.seq += 3
    play.event(91, "gap", play.seq - 2, count=3).change(91.5).event(91.5, "gap_closed", play.seq)
    play.beat(92)
    play.seq += 2
    play.event(94, "gap", play.seq - 1, count=2).event(94.5, "gap_fill", play.seq - 1, count=2)
    play.event(94.5, "gap_closed", play.seq)

    report = play.stopped(99).report(tmp_path)

    assert told_by(report, "gaps", of="info") == [("info", None, 90.0, 91.5, 3)]
    assert told_by(report, "gaps") == [("warning", None, 92.0, 94.5, 2)]


def test_a_gap_that_was_never_closed_is_not_healed(tmp_path: Path) -> None:
    """It lasts to the end of its session."""
    play = clean().event(91, "gap", 999, count=3).lost(95)

    assert told_by(play.report(tmp_path), "gaps") == [("warning", None, 90.0, 95.0, 3)]


def test_mismatches_are_told_and_too_many_of_them_are_an_error(tmp_path: Path) -> None:
    """Of 61 messages one that disagrees is less than the pass rate wanted."""
    play = clean().mismatch(91, since=60)
    play.snapshot(92).event(92, "healed", play.seq, symbol=BTC, from_ns=60)

    report = play.stopped(99).report(tmp_path)

    assert told_by(report, "checksums") == [("error", BTC, 91.0, 91.0, 1), ("warning", BTC, 60.0, 91.0, 1)]
    assert [it.evidence for it in report.findings if it.check == "checksums"] == [None, "2026-11-22/seg @ 128"]
    assert not report.passes(0.0)


def test_refreshes_that_cannot_be_checked_are_told(tmp_path: Path) -> None:
    """Without a checksum nothing is bad, but a reader has to know."""
    play = clean()
    for at in range(5):
        play.judged(91 + at, ETH, verdict=Verdict.UNVERIFIED)

    assert told_by(play.stopped(99).report(tmp_path), "checksums") == [("warning", ETH, 91.0, 95.0, 5)]


def test_suspect_time_runs_from_the_last_good_message_to_the_snapshot(tmp_path: Path) -> None:
    """What a resend mended is worth knowing and nothing more."""
    play = clean().event(91, "suspect", 70, symbol=ETH, from_ns=60.5, text="a message could not be read")
    play.snapshot(93, ETH).event(93, "healed", play.seq, symbol=ETH, from_ns=60.5)
    for symbol in (BTC, ETH):
        play.event(94, "suspect", symbol=symbol, from_ns=93, text="MsgSeqNum 7 to 8 are missing")
        play.event(95, "healed", symbol=symbol, from_ns=93, text="by resend")

    report = play.stopped(99).report(tmp_path)

    assert told_by(report, "suspect") == [("warning", ETH, 60.5, 93.0, 1)]
    assert told_by(report, "suspect", of="info") == [("info", None, 93.0, 95.0, 2)]


def test_a_book_that_nothing_mended_is_suspect_to_the_end(tmp_path: Path) -> None:
    """The end of its session, that is."""
    report = clean().mismatch(91, since=60).stopped(99).report(tmp_path)

    assert told_by(report, "suspect") == [("warning", BTC, 60.0, 99.0, 1)]
    assert [(it.symbol, it.condition.value) for it in report.conditions] == [(BTC, "suspect"), (ETH, "complete")]


def test_coverage_tells_which_seconds_are_unknown(tmp_path: Path) -> None:
    """A line that died is unknown from its last number on, for every symbol, until each has a book again."""
    play = clean().lost(150)
    play.session = "S2"
    play.started(160.0).beat(190).stopped(200)

    report = play.report(tmp_path)

    assert told_by(report, "coverage") == [
        ("warning", BTC, 90.0, 161.0, 71),
        ("warning", ETH, 90.0, 161.0, 71),
        ("warning", None, 150.0, 160.0, 1),
    ]
    assert [(it.active_s, it.quiet_s, it.unknown_s) for it in report.conditions] == [(60, 69, 71), (60, 69, 71)]


def test_crossed_books_are_told_up_to_the_next_that_is_not(tmp_path: Path) -> None:
    """A moment is a warning, a longer time an error; a suspect book is no finding, nor one that nothing can match."""
    play = clean().quote(91, 280130, 280130).quote(91.2, 280140, 280130).quote(91.5, 280120, 280130)
    play.quote(92, 280130, 280120, ETH).quote(95, 280110, 280120, ETH)
    play.quote(95.5, 280130, 280120, flags=Flag.SUSPECT_BOOK).quote(96, 280110, 280120)
    add(play.columns, "instruments", symbol=ETH, valid_from_ns=ns(96), receive_ns=ns(96), status=UNMATCHED)
    play.quote(96.5, 280130, 280120, ETH).quote(97, 280110, 280120, ETH)

    report = play.stopped(99).report(tmp_path)

    assert told_by(report, "crossed") == [("error", ETH, 92.0, 95.0, 1), ("warning", BTC, 91.0, 91.5, 2)]
    assert told_by(report, "crossed", of="info") == [("info", ETH, 96.5, 97.0, 1)]


def test_ghosts_are_old_levels_that_the_next_snapshot_does_not_know(tmp_path: Path) -> None:
    """In sight of it, and from when each was last heard of; the book changed until right before."""
    play = clean().change(91)
    assert 91 * SECOND > STALE_NS
    play.mismatch(92, since=91)
    gone = [it for it in LEVELS if it[1] != LEVELS[11][1] - 10]
    play.snapshot(93, levels=gone).event(93, "healed", play.seq, symbol=BTC, from_ns=91)

    assert told_by(play.stopped(99).report(tmp_path), "ghosts") == [("warning", BTC, 0.2, 93.0, 1)]


def test_levels_out_of_sight_or_deleted_are_no_ghosts(tmp_path: Path) -> None:
    """A snapshot of fewer levels says nothing of those beyond its last, and a level that went is no level."""
    play = clean().change(91, action=3, side=Side.OFFER, size=0).mismatch(92, since=91)
    play.snapshot(93, levels=[*LEVELS[:5], *LEVELS[12:]]).event(93, "healed", play.seq, symbol=BTC, from_ns=91)

    assert told_by(play.stopped(99).report(tmp_path), "ghosts", of="info warning error") == []


def test_trades_outside_the_book_are_told_together(tmp_path: Path) -> None:
    """Half a per cent beyond every best price of the seconds around it; what the book reached right after is inside."""
    play = clean().quote(91, 280030, 280130).trade(91.4, 290000).trade(91.6, 270000)
    play.trade(94, 290000, ETH, price_scale=1).quote(94.5, 280030, 290000, ETH)
    play.trade(97, 280500)

    assert told_by(play.stopped(99).report(tmp_path), "outside") == [("warning", BTC, 91.4, 91.6, 2)]


def test_clocks_that_go_back_or_are_off_are_told(tmp_path: Path) -> None:
    """Between which times a clock stepped, and where a SendingTime cannot be."""
    play = clean().change(92).change(91.25, ETH)
    play.judged(93, flags=1 | Flag.BAD_TIME, sending_ms=ns(9000) // 10**6)

    report = play.stopped(99).report(tmp_path)

    assert told_by(report, "latency") == [("warning", None, 91.25, 92.0, 1), ("warning", None, 93.0, 93.0, 1)]


def test_a_step_between_two_lots_of_numbers_is_seen_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Messages are put in order so many at a time, and each lot begins with the end of the one before."""
    monkeypatch.setattr(latency, "NUMBERS", 7)
    play = clean()
    for step in range(8):
        play.change(91 + step % 2 / 2 + step / 100)

    steps = told_by(play.stopped(99).report(tmp_path), "latency")

    assert [(begin, end) for _, _, begin, end, _ in steps] == [(91.02, 91.51), (91.04, 91.53), (91.06, 91.55)]


def test_a_trade_right_after_a_border_is_judged_by_the_quote_before_it(tmp_path: Path) -> None:
    """The day is looked at in parts; 300 s into the tape one begins."""
    play = clean().quote(295, 280030, 280130).trade(300.5, 280130).trade(300.6, 290000)

    assert told_by(play.stopped(310).report(tmp_path), "outside") == [("warning", BTC, 300.6, 300.6, 1)]


def test_latency_that_is_too_long_is_told(tmp_path: Path) -> None:
    """The median of a session beyond a second: a clock is off, or the recorder lags."""
    play = clean()
    for step in range(200):
        play.judged(91 + step / 100, sending_ms=ns(89 + step / 100) // 10**6)

    assert told_by(play.stopped(99).report(tmp_path), "latency") == [("warning", None, 0.2, 92.99, 322)]


def test_resubscriptions_and_rejects_are_told(tmp_path: Path) -> None:
    """Some resubscriptions are as it should be, many are not, and a refusal never is."""
    play = clean().event(91, "unsubscribe", 3, symbol=BTC).event(91, "subscribe", 4, symbol=BTC)
    play.snapshot(91)
    for step in range(11):
        at = 92 + step / 10
        play.event(at, "unsubscribe", 5 + step, symbol=ETH).event(at, "subscribe", 6 + step, symbol=ETH)
    play.snapshot(93.5, ETH).event(94, "subscription_rejected", 99, symbol="XMR/USD", text="Unknown symbol")
    play.event(95, "reject", 100, text="Required tag missing")

    report = play.stopped(99).report(tmp_path)

    assert told_by(report, "requests", of="info") == [("info", BTC, 91.0, 91.0, 1)]
    assert told_by(report, "requests") == [
        ("warning", ETH, 92.0, 93.0, 11),
        ("warning", "XMR/USD", 94.0, 94.0, 1),
        ("warning", None, 95.0, 95.0, 1),
    ]


def test_a_flipped_byte_in_a_file_is_an_error(tmp_path: Path) -> None:
    """It is told with its file, and every symbol is suspect for it."""
    root = make_lake(tmp_path, clean().stopped(99).columns)
    (file,) = (root / "lake" / "trades").glob("date=*/*.parquet")
    data = bytearray(file.read_bytes())
    data[len(data) // 3] ^= 1
    file.write_bytes(data)

    report = report_of(root)

    assert [it.evidence for it in report.findings if it.check == "files"] == [f"trades/{file.parent.name}/{file.name}"]
    assert {it.condition.value for it in report.conditions} == {"suspect"}
    assert not report.passes(0.0)


def test_a_check_that_cannot_be_run_is_an_error_and_the_others_run(tmp_path: Path) -> None:
    """A file of quotes that is gone takes two checks with it."""
    root = make_lake(tmp_path, clean().mismatch(91, since=60).stopped(99).columns)
    (file,) = (root / "lake" / "quotes").glob("date=*/*.parquet")
    file.unlink()

    report = report_of(root)

    failed = {it.check for it in report.findings if "could not be run" in it.text}
    assert failed == {"crossed", "outside"}
    assert "checksums" in alarmed(report)


def test_findings_beyond_the_limit_are_counted(tmp_path: Path) -> None:
    """The first are told one by one, the others as a number."""
    play = clean()
    for step in range(FINDINGS_LIMIT + 7):
        play.event(91 + step / 1000, "malformed", 500 + step, symbol=BTC, text="garbage")

    (check,) = (it for it in play.stopped(99).report(tmp_path).checks if it.name == "checksums")

    assert (len(check.findings), check.findings[-1].count) == (FINDINGS_LIMIT + 1, 7)


def test_a_date_without_a_row_is_an_error(tmp_path: Path) -> None:
    """There is nothing to say of it, and that is not a good day."""
    root = make_lake(tmp_path, Play().started().stopped(9).columns)

    with pytest.raises(EmptyWindow):
        report_of(root, "2026-11-23")
