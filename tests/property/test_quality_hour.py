"""An hour of a synthetic market: nothing to warn of where nothing was wrong, else each of ten faults where it was."""

from pathlib import Path

import pytest
from lake_maker import make_lake
from market_hour import AWAY_S, BACK_NS, GHOSTS, HOUR_S, REFUSED, ROUND_S, Fault, MarketHour, ten_faults
from quality_tape import alarmed, report_of

from queries.quality.checks import CHECKS
from queries.quality.findings import Finding
from queries.quality.report import Report

DATE = "2026-03-01"
SECOND = 10**9
APART_NS = 30 * SECOND  # Two messages of the symbols asked about come no further apart.


@pytest.fixture(scope="module")
def damaged(tmp_path_factory: pytest.TempPathFactory) -> tuple[Report, dict[str, Fault], str]:
    """The report of an hour with ten faults, what was done when, and the file that was damaged."""
    faults = ten_faults()
    root = make_lake(tmp_path_factory.mktemp("faulty"), *MarketHour(faults).run())
    (file,) = (root / "lake" / "books").glob("date=*/*.parquet")
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 4
    file.write_bytes(data)
    return report_of(root, DATE), faults, f"books/{file.parent.name}/{file.name}"


def found(report: Report, check: str, symbol: str | None) -> list[Finding]:
    """What a check says above info of a symbol, or of none."""
    return [it for it in report.findings if (it.check, it.symbol) == (check, symbol) and it.severity.value != "info"]


def test_nothing_above_info_in_an_hour_without_a_fault(tmp_path: Path) -> None:
    """Every symbol is complete, and nearly every second of it counts."""
    report = report_of(make_lake(tmp_path, *MarketHour().run()), DATE)

    assert alarmed(report) == set()
    assert {it.condition.value for it in report.conditions} == {"complete"}
    assert all(it.expected_s > HOUR_S - 2 * ROUND_S and it.unknown_s == 0 for it in report.conditions)


def test_each_check_finds_its_fault(damaged: tuple[Report, dict[str, Fault], str]) -> None:
    """Ten faults, ten checks."""
    report, faults, _ = damaged

    assert all(fault.at_ns for fault in faults.values())
    assert alarmed(report) == {check.name for check in CHECKS}


@pytest.mark.parametrize(
    ("check", "symbol"), [("requests", REFUSED), ("crossed", "ETH/USD"), ("outside", "BTC/USD"), ("coverage", None)]
)
def test_bounds_are_exactly_those_of_the_fault(
    damaged: tuple[Report, dict[str, Fault], str], check: str, symbol: str | None
) -> None:
    """Of one symbol, or of a session that ended; and there is no other."""
    report, faults, _ = damaged
    fault = faults["away" if check == "coverage" else check]

    (it,) = found(report, check, symbol)

    assert (it.from_ns, it.to_ns) == (fault.at_ns, fault.until_ns)


def test_a_lost_number_lies_between_the_numbers_around_it(damaged: tuple[Report, dict[str, Fault], str]) -> None:
    """From the last message before to where the numbers run on."""
    report, faults, _ = damaged
    at_ns = faults["gaps"].at_ns

    (it,) = found(report, "gaps", None)

    assert at_ns - 2 * ROUND_S * SECOND < it.from_ns < at_ns <= it.to_ns < at_ns + 2 * ROUND_S * SECOND
    assert it.count == 1


@pytest.mark.parametrize(("check", "symbol"), [("checksums", "ETH/USD"), ("suspect", "BTC/USD")])
def test_doubt_begins_with_the_last_good_message(
    damaged: tuple[Report, dict[str, Fault], str], check: str, symbol: str
) -> None:
    """It lasts to the message that showed it, or to the snapshot that mended it."""
    report, faults, _ = damaged
    at_ns = faults[check].at_ns

    (it,) = (
        it for it in found(report, check, symbol) if it.severity.value == "warning" and it.to_ns < faults["away"].at_ns
    )

    assert at_ns - APART_NS < it.from_ns < at_ns <= it.to_ns <= at_ns + 2 * ROUND_S * SECOND


def test_ghosts_stand_from_when_they_came_to_the_snapshot(damaged: tuple[Report, dict[str, Fault], str]) -> None:
    """As many as were made, and since when."""
    report, faults, _ = damaged

    (it,) = found(report, "ghosts", "BTC/USD")

    assert (it.from_ns, it.to_ns, it.count) == (faults["ghosts"].at_ns, faults["replaced"].until_ns, GHOSTS)


def test_a_clock_that_stepped_back_is_told_from_where_to_where(
    damaged: tuple[Report, dict[str, Fault], str],
) -> None:
    """From the time it stepped to, to the last time before it."""
    report, faults, _ = damaged

    (it,) = found(report, "latency", None)

    assert it.from_ns == faults["latency"].at_ns
    assert 0 < it.to_ns - it.from_ns <= BACK_NS


def test_the_file_that_was_damaged_is_named(damaged: tuple[Report, dict[str, Fault], str]) -> None:
    """It is an error, so that the day does not pass whatever is asked of it."""
    report, _, file = damaged

    (it,) = found(report, "files", None)

    assert (it.severity.value, it.evidence) == ("error", file)
    assert not report.passes(0.0)


def test_what_nobody_listened_to_is_unknown_of_every_symbol(
    damaged: tuple[Report, dict[str, Fault], str],
) -> None:
    """The two minutes of the lost connection, and seconds around each doubt."""
    report, _, _ = damaged

    assert {it.symbol for it in report.coverage if it.unknown_s >= AWAY_S} == {it.symbol for it in report.coverage}
    (refused,) = (it for it in report.conditions if it.symbol == REFUSED)
    assert (refused.condition.value, refused.unknown_s) == ("suspect", 1260)
