"""The daily roll-over, from the window's arithmetic to the rows and requests of a recorder."""

import pytest
from desk import Desk, standing
from fix import SECOND, T0
from peer import Peer

from capture.session.rollover_window import KRAKEN_ROLLOVER, RolloverWindow
from capture.venue.recording import SHIPPED, load
from capture.wire.values import time_of_day_ns, timestamp_ns

MIDNIGHT = timestamp_ns(b"20260301-00:00:00")


def at(clock: bytes) -> int:
    """A time of the first of March."""
    return MIDNIGHT + time_of_day_ns(clock)


@pytest.mark.parametrize(
    ("clock", "inside"),
    [
        (b"21:59:49.999", False),
        (b"21:59:50.000", True),
        (b"22:00:00.000", True),
        (b"22:01:59.999", True),
        (b"22:02:00.000", False),
        (b"00:00:00.000", False),
    ],
)
def test_window_is_ten_seconds_before_to_two_minutes_after(clock: bytes, inside: bool) -> None:
    """Every time inside belongs to the moment of that day, every other to none."""
    assert KRAKEN_ROLLOVER.moment(at(clock)) == (at(b"22:00:00") if inside else None)


def test_window_may_lie_over_midnight() -> None:
    """A roll-over at midnight begins on the day before."""
    window = RolloverWindow(at_s=0)

    assert window.moment(MIDNIGHT - 5 * SECOND) == MIDNIGHT
    assert window.moment(MIDNIGHT + 119 * SECOND) == MIDNIGHT
    assert window.day(MIDNIGHT - 1) + 1 == window.day(MIDNIGHT)


def test_day_changes_at_the_moment_and_not_at_midnight() -> None:
    """A trading day runs from 22:00 to 22:00."""
    assert KRAKEN_ROLLOVER.day(at(b"21:59:59")) == KRAKEN_ROLLOVER.day(at(b"00:00:00"))
    assert KRAKEN_ROLLOVER.day(at(b"22:00:00")) == KRAKEN_ROLLOVER.day(at(b"21:59:59")) + 1


def in_window(desk: Desk, clock: bytes) -> Desk:
    """The same desk later, with a sign of life of the venue."""
    desk.after((at(clock) - desk.now_ns) / SECOND)
    desk.venue("35=0")
    desk.asked()
    return desk


def test_nothing_new_is_asked_for_before_the_roll_over() -> None:
    """From 21:59:50 on a suspect book is not subscribed again: its session is about to end."""
    desk = in_window(standing("BTC/USD"), b"21:59:51")

    desk.break_book(desk.feed.by_symbol["BTC/USD"].request.md_req_id)

    assert desk.pass_by(5) == []


def test_end_in_the_window_is_one_row_and_ends_every_book() -> None:
    """The row says in which form it showed; no violation, and the hole lasts to the next session's snapshot."""
    desk = in_window(standing("BTC/USD"), b"22:00:01")

    desk.venue("35=5 58=bye")
    desk.close()

    assert [row["text"] for row in desk.events("rollover")] == ["Logout of the other side"]
    assert desk.events("violation") == []
    assert desk.feed.by_symbol["BTC/USD"].book.state.name == "SUSPECT"


def test_reset_in_place_begins_with_the_list() -> None:
    """After a reset on the live connection the list is asked for, and every symbol under a new id."""
    desk = in_window(standing("BTC/USD"), b"22:00:01")

    desk._their_next = 1
    desk.venue("35=A 98=0 108=60 141=Y")

    asked = desk.asked()
    assert asked[0] == "A"
    assert [it.split()[0] for it in asked[1:]] == ["list", "status"]
    assert [row["text"] for row in desk.events("rollover")] == ["Logon with ResetSeqNumFlag(141)"]


def test_time_of_the_test_is_outside_the_window() -> None:
    """Noon is."""
    assert KRAKEN_ROLLOVER.moment(T0) is None


def test_venue_rolls_over_by_the_clock_it_is_given() -> None:
    """At 22:00:00 it logs its client out, for half a minute it refuses everybody, then it begins at 1."""
    source = load([SHIPPED / "ethusd-d25.fix.gz"])
    peer = Peer(source, at_ns=at(b"21:59:59"))
    assert [it.msg_type for it in peer.log] == [b"A"]

    before = peer.pass_by(0.9)
    (logout,) = peer.pass_by(0.1)
    peer.say("35=5")
    early, late = (Peer(source, at_ns=at(clock)) for clock in (b"22:00:29.900", b"22:00:30.000"))

    assert before == []
    assert (logout.msg_type, logout.get(58)) == (b"5", b"daily roll-over")
    assert peer.acceptor.session.close_reason == "logged out"
    assert [(it.msg_type, it.get(58)) for it in early.log] == [(b"5", b"daily roll-over, come back later")]
    assert early.acceptor.session.close_reason is not None
    assert [(it.msg_type, it.get(34)) for it in late.log] == [(b"A", b"1")]
