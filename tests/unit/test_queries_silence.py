"""Which seconds were active, proven quiet, or unknown: by hand-made rows of one session after another."""

from pathlib import Path

import pytest
from click.testing import CliRunner
from lake_maker import make_lake
from lake_rows import SECOND
from told import DAY, Told, ns

from queries.cli import silence_command
from queries.errors import UnknownSymbol
from queries.tape import Tape


@pytest.fixture
def told() -> Told:
    """A session that is logged on at second 0."""
    return Told().open(0.0)


def runs(told: Told, tmp_path: Path, symbol: str | None = None, **bounds: int) -> list[tuple[str, int, int]]:
    """State, first second and the one after the last, of each run."""
    with Tape(make_lake(tmp_path, told.columns)) as tape:
        window = {name: ns(at) for name, at in bounds.items()}
        rows = tape.silence(symbol, **window).project("state, from_ns, to_ns, seconds, session_id").fetchall()
    assert all(seconds == (to_ns - from_ns) // SECOND for _, from_ns, to_ns, seconds, _ in rows)
    return [(state, (from_ns - DAY) // SECOND, (to_ns - DAY) // SECOND) for state, from_ns, to_ns, _, _ in rows]


def test_heartbeats_prove_silence(told: Told, tmp_path: Path) -> None:
    """Between two numbers nothing was sent, however long that took; what came makes its second active."""
    told.message(2.5, 2).event(30.0, "heartbeat", 3).message(31.5, 4).message(31.9, 5).event(60.2, "heartbeat", 6)
    told.event(60.3, "logout", 7).event(60.4, "disconnect")

    assert runs(told, tmp_path) == [
        ("quiet", 0, 2),
        ("active", 2, 3),
        ("quiet", 3, 31),
        ("active", 31, 32),
        ("quiet", 32, 61),
    ]


def test_what_follows_the_last_number_is_unknown(told: Told, tmp_path: Path) -> None:
    """A line that went dead said nothing more: from the last number to the end anything may be missing."""
    told.message(2.5, 2).event(144.0, "disconnect")

    assert runs(told, tmp_path) == [("quiet", 0, 2), ("unknown", 2, 145)]


def test_proof_before_the_logout_proves_the_tail(told: Told, tmp_path: Path) -> None:
    """Neither our own TestRequest nor a Logout that goes unanswered proves anything; the answers do."""
    told.event(10.0, "test_request").event(10.1, "heartbeat", 2).event(10.1, "proof", 2)
    told.event(12.2, "logout", None).event(22.3, "disconnect")

    assert runs(told, tmp_path) == [("quiet", 0, 10), ("unknown", 10, 23)]


def test_logout_that_came_too_high_proves_nothing(told: Told, tmp_path: Path) -> None:
    """It bears the number of the message before it, for those in between are lost."""
    told.message(2.5, 2).event(8.0, "logout", 2).event(8.1, "disconnect")

    assert runs(told, tmp_path) == [("quiet", 0, 2), ("unknown", 2, 9)]


def test_gap_that_is_filled_over_stays_unknown(told: Told, tmp_path: Path) -> None:
    """From the last number before it to its end nobody knows what was sent."""
    told.message(2.5, 2).event(6.5, "gap", 3, count=2).event(6.7, "gap_fill", 3, count=2)
    told.event(8.1, "gap_closed", 5).message(8.1, 5).event(20.0, "heartbeat", 6).event(20.1, "logout", 7)

    assert runs(told, tmp_path) == [("quiet", 0, 2), ("unknown", 2, 9), ("quiet", 9, 21)]


def test_gap_that_is_sent_again_is_known(told: Told, tmp_path: Path) -> None:
    """All of it is here, only not when it was first sent: its seconds are active ones."""
    told.message(2.5, 2).event(6.5, "gap", 3, count=2).message(8.1, 3).message(8.1, 4).message(8.1, 5)
    told.event(8.1, "gap_closed", 5).event(20.0, "heartbeat", 6).event(20.1, "logout", 7)

    assert runs(told, tmp_path) == [("quiet", 0, 2), ("active", 2, 9), ("quiet", 9, 21)]


def test_gap_that_is_never_closed_is_unknown_to_the_end(told: Told, tmp_path: Path) -> None:
    """What is kept behind it counts for nothing."""
    told.message(2.5, 2).event(6.5, "gap", 3, count=2).event(21.7, "logout", None).event(23.0, "disconnect")

    assert runs(told, tmp_path) == [("quiet", 0, 2), ("unknown", 2, 24)]


def test_gap_within_one_read_costs_its_second(told: Told, tmp_path: Path) -> None:
    """Found in the very read that brought the number before it, it is no less a gap."""
    told.message(2.5, 2).event(2.5, "gap", 3, count=1).event(2.5, "gap_fill", 3, count=1)
    told.event(2.5, "gap_closed", 3).event(9.0, "heartbeat", 5).event(9.0, "logout", 6)

    assert runs(told, tmp_path) == [("quiet", 0, 2), ("unknown", 2, 3), ("quiet", 3, 10)]


def test_reset_by_the_venue_is_unknown_from_the_number_before(told: Told, tmp_path: Path) -> None:
    """What lay between the numbers is lost."""
    told.message(2.5, 2).event(5.5, "sequence_reset", 2, expected="3", received="20").message(7.5, 20)
    told.event(9.5, "logout", 21)

    assert runs(told, tmp_path) == [
        ("quiet", 0, 2),
        ("unknown", 2, 6),
        ("quiet", 6, 7),
        ("active", 7, 8),
        ("quiet", 8, 10),
    ]


def test_sessions_are_judged_apart(told: Told, tmp_path: Path) -> None:
    """Between two sessions there is nothing to say; a number of one proves nothing of the other."""
    told.message(1.5, 2).event(4.0, "disconnect")
    told.session = "S2"
    told.open(9.0).event(12.0, "heartbeat", 2).event(12.0, "logout", 3)

    with Tape(make_lake(tmp_path, told.columns)) as tape:
        rows = (
            tape.silence()
            .project("session_id, state, (from_ns - 1795348500000000000) // 1000000000, seconds")
            .fetchall()
        )
        totals = tape.silence(totals=True).fetchall()

    assert rows == [("S1", "quiet", 0, 1), ("S1", "unknown", 1, 4), ("S2", "quiet", 9, 4)]
    assert totals == [("S1", None, "quiet", 1), ("S1", None, "unknown", 4), ("S2", None, "quiet", 4)]


def test_session_that_was_refused_has_no_seconds(tmp_path: Path) -> None:
    """Without a Logon there was nothing to hear."""
    told = Told().event(0.0, "connect").event(0.1, "logon_refused").event(0.2, "disconnect").message(9.0, 1)

    assert runs(told, tmp_path) == []


@pytest.mark.parametrize(
    ("bounds", "expected"),
    [
        ({"start": 3, "end": 6}, [("quiet", 3, 5), ("active", 5, 6)]),
        ({"start": 6, "end": 30}, [("quiet", 6, 30)]),
        ({"start": 150, "end": 160}, [("unknown", 150, 160)]),
        ({"end": 2}, [("quiet", 0, 2)]),
    ],
)
def test_window_is_judged_by_what_lies_around_it(
    told: Told, tmp_path: Path, bounds: dict[str, int], expected: list[tuple[str, int, int]]
) -> None:
    """A number behind the window proves what is in it; one before it proves nothing of a dead line."""
    told.message(5.5, 2).event(60.0, "heartbeat", 3).event(204.0, "disconnect")

    assert runs(told, tmp_path, **bounds) == expected


def test_window_is_judged_over_long_heartbeats(tmp_path: Path) -> None:
    """How far behind the window to look follows from the interval agreed."""
    told = Told().open(0.0, heartbeat_s=3600).message(4000.0, 2).event(4001.0, "logout", 3)

    assert runs(told, tmp_path, start=10, end=20) == [("quiet", 10, 20)]


# Of a symbol.


def test_quiet_of_a_symbol_needs_its_book(told: Told, tmp_path: Path) -> None:
    """Before its snapshot a symbol is unknown, afterwards its own messages make it active."""
    told.message(2.5, 2).event(2.5, "snapshot", 2, symbol="BTC/USD").message(4.5, 3, "ETH/USD").message(6.5, 4)
    told.event(9.0, "heartbeat", 5).event(9.0, "logout", 6)

    assert runs(told, tmp_path, "BTC/USD") == [
        ("unknown", 0, 3),
        ("quiet", 3, 6),
        ("active", 6, 7),
        ("quiet", 7, 10),
    ]
    with Tape(tmp_path) as tape:
        assert {row[0] for row in tape.silence("BTC/USD").project("symbol").fetchall()} == {"BTC/USD"}


def test_hole_of_a_symbol_is_unknown_to_its_end(told: Told, tmp_path: Path) -> None:
    """From its last good message to the new snapshot; the session goes on being heard."""
    told.message(1.5, 2).event(1.5, "snapshot", 2, symbol="BTC/USD").message(6.5, 3)
    told.event(6.5, "mismatch", 3, symbol="BTC/USD", from_ns=4.2, to_ns=6.5).event(
        6.6, "unsubscribe", 9, symbol="BTC/USD"
    )
    told.message(8.5, 4).event(8.5, "snapshot", 4, symbol="BTC/USD")
    told.event(8.5, "healed", 4, symbol="BTC/USD", from_ns=4.2, to_ns=8.5).event(12.0, "heartbeat", 5)
    told.event(12.0, "logout", 6)

    assert runs(told, tmp_path, "BTC/USD") == [("unknown", 0, 2), ("quiet", 2, 4), ("unknown", 4, 9), ("quiet", 9, 13)]
    assert runs(told, tmp_path / "again")[-1] == ("quiet", 9, 13)


def test_hole_that_was_sent_again_is_none(told: Told, tmp_path: Path) -> None:
    """A symbol of the gap is active there, one that nothing came of was quiet, and both stand."""
    for symbol in ("BTC/USD", "ETH/USD"):
        told.event(0.5, "snapshot", 2, symbol=symbol).message(0.5, 2, symbol)
        told.event(6.5, "suspect", None, symbol=symbol, from_ns=0.5, to_ns=6.5)
        told.event(7.5, "healed", None, symbol=symbol, from_ns=0.5, to_ns=7.5, text="by resend")
    told.event(5.0, "heartbeat", 3).event(6.5, "gap", 4, count=1).message(7.5, 4).event(7.5, "gap_closed", 5)
    told.event(9.0, "heartbeat", 6).event(9.0, "logout", 7)

    assert runs(told, tmp_path, "BTC/USD") == [("unknown", 0, 1), ("quiet", 1, 5), ("active", 5, 8), ("quiet", 8, 10)]
    assert runs(told, tmp_path / "again", "ETH/USD") == [("unknown", 0, 1), ("quiet", 1, 10)]


def test_symbol_that_was_stopped_is_unknown(told: Told, tmp_path: Path) -> None:
    """After its last subscription ended nothing would come."""
    told.message(0.5, 2).event(0.5, "snapshot", 2, symbol="BTC/USD").event(3.5, "unsubscribe", 4, symbol="BTC/USD")
    told.event(9.0, "heartbeat", 3).event(9.0, "logout", 4)

    assert runs(told, tmp_path, "BTC/USD") == [("unknown", 0, 1), ("quiet", 1, 3), ("unknown", 3, 10)]


def test_unknown_symbol_is_an_error(told: Told, tmp_path: Path) -> None:
    """Silence of what was never heard of is no answer."""
    told.message(0.5, 2)

    with Tape(make_lake(tmp_path, told.columns)) as tape, pytest.raises(UnknownSymbol):
        tape.silence("XMR/USD")


def test_command_prints_runs_and_totals(told: Told, tmp_path: Path) -> None:
    """A table of what a person reads, and sums on demand."""
    told.message(2.5, 2).event(9.0, "heartbeat", 3).event(9.0, "logout", 4)
    root = str(make_lake(tmp_path, told.columns))

    shown = CliRunner().invoke(silence_command, [root])
    sums = CliRunner().invoke(silence_command, [root, "--totals", "--format", "csv"])

    assert shown.output.splitlines()[0].split() == ["session_id", "symbol", "state", "from_time", "to_time", "seconds"]
    assert [line.split()[1] for line in shown.output.splitlines()[1:]] == ["quiet", "active", "quiet"]
    assert sums.output.splitlines() == ["session_id,symbol,state,seconds", "S1,,active,1", "S1,,quiet,9"]


def test_a_quiet_symbol_stays_quiet_up_to_a_gap(told: Told, tmp_path: Path) -> None:
    """Numbers prove that nothing was sent before it, however long ago the symbol's own last message came."""
    told.event(0.5, "snapshot", 2, symbol="BTC/USD").message(0.5, 2).event(20.0, "heartbeat", 3)
    told.event(21.0, "gap", 4, count=1).event(21.0, "suspect", None, symbol="BTC/USD", from_ns=0.5, to_ns=21.0)
    told.event(22.0, "gap_fill", 4, count=1).event(22.0, "gap_closed", 4)
    told.event(23.5, "snapshot", 5, symbol="BTC/USD").event(23.5, "healed", 5, symbol="BTC/USD", from_ns=0.5)
    told.event(25.0, "heartbeat", 6).event(25.0, "logout", 7)

    assert runs(told, tmp_path, "BTC/USD") == [
        ("unknown", 0, 1),
        ("quiet", 1, 20),
        ("unknown", 20, 24),
        ("quiet", 24, 26),
    ]
