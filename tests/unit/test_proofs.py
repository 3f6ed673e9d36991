"""A TestRequest's numbered answer proves the tail: of a day, of a session, of a run."""

import pytest
from feeds import FeedPlay, standing
from fix import SECOND

from capture.proofs import STOP_NS, Proofs, moments
from capture.session import events
from capture.session.rollover_window import KRAKEN_ROLLOVER
from capture.session.states import State
from capture.wire.values import time_of_day_ns, timestamp_ns

MIDNIGHT = timestamp_ns(b"20260301-00:00:00")


def at(clock: bytes) -> int:
    """A time of the first of March."""
    return MIDNIGHT + time_of_day_ns(clock)


class Keeper:
    """A standing feed whose proofs are kept as a client keeps them: ten looks at the clock a second."""

    def __init__(self) -> None:
        self.play = standing()
        self.proofs = Proofs(self.play.session)

    def pass_by(self, seconds: float, *, step: float = 0.1) -> list[str]:
        """Time passes; return the TestReqIDs and Logouts that go out meanwhile."""
        said = []
        for _ in range(round(seconds / step)):
            self.play.after(step)
            self.proofs.tick(self.play.mono_ns, self.play.now_ns)
            said += self.said()
        return said

    def until(self, clock: bytes) -> None:
        """The clock is set, and the venue gives a sign of life; no look at the clock in between."""
        self.play.after((at(clock) - self.play.now_ns) / SECOND)
        self.play.venue("35=0")

    def said(self) -> list[str]:
        """Send what is due; return the TestReqIDs and Logouts among it."""
        sent = self.play.flush()
        return [it.text(112) or f"logout {it.text(58)}".rstrip() for it in sent if it.msg_type in {b"1", b"5"}]

    def answer(self, test_req_id: str) -> None:
        """The venue answers, and the client looks at what was found."""
        self.play.venue(f"35=0 112={test_req_id}")
        self.proofs.handle(self.play.findings)


@pytest.fixture
def keeper() -> Keeper:
    """A recorder at noon."""
    return Keeper()


def test_end_of_a_run_waits_for_its_proof(keeper: Keeper) -> None:
    """At stop a TestRequest goes out; the Logout follows its answer, whose number is the proof's."""
    keeper.proofs.stop(keeper.play.mono_ns)

    assert keeper.said() == ["PROOF-STOP-1"]
    keeper.play.after(0.5)
    keeper.answer("PROOF-STOP-1")
    assert keeper.said() == ["logout"]
    (row,) = keeper.play.events("proof")
    assert (row["msg_seq_num"], row["text"], row["receive_ns"]) == (4, "PROOF-STOP-1", keeper.play.now_ns)


def test_end_of_a_run_does_not_wait_for_ever(keeper: Keeper) -> None:
    """Without an answer it logs out after the limit, and the Logout says so, in the journal too."""
    keeper.proofs.stop(keeper.play.mono_ns)
    keeper.said()

    assert keeper.pass_by(STOP_NS / SECOND - 0.2) == []
    keeper.answer("T7")
    assert keeper.pass_by(0.3) == ["logout TestRequest PROOF-STOP-1 was not answered within 3 s"]
    assert keeper.pass_by(5) == [], "once"
    assert keeper.play.events("proof") == []
    assert "was not answered" in keeper.play.events("logout")[0]["text"]


def test_proof_of_a_run_s_end_waits_for_the_gap(keeper: Keeper) -> None:
    """An answer behind a gap proves nothing until what is missing has come."""
    keeper.proofs.stop(keeper.play.mono_ns)
    keeper.said()
    keeper.play.venue("35=0 112=PROOF-STOP-1", seq=6)
    keeper.proofs.handle(keeper.play.findings)

    assert keeper.said() == []
    keeper.play.venue("35=4 43=Y 123=Y 36=6", seq=4)
    keeper.proofs.handle(keeper.play.findings)

    assert keeper.said() == ["logout"]
    assert [row["msg_seq_num"] for row in keeper.play.events("proof")] == [6]


def test_nobody_is_asked_where_nobody_would_answer(keeper: Keeper) -> None:
    """On a session that is over, or about to be, the run ends at once."""
    keeper.until(b"21:59:55")

    keeper.proofs.stop(keeper.play.mono_ns)

    assert keeper.said() == ["logout"]


def test_stop_before_the_logon_closes() -> None:
    """Where no session is established there is nothing to prove."""
    play = FeedPlay()

    Proofs(play.session).stop(0)

    assert play.session.state is State.DISCONNECTED
    assert play.flush() == []


def test_day_closes_and_opens_with_a_proof(keeper: Keeper) -> None:
    """One TestRequest five seconds before midnight, one right after it."""
    keeper.until(b"23:59:54")

    asked = keeper.pass_by(1.1)
    keeper.answer(asked[0])
    later = keeper.pass_by(8)
    keeper.answer(later[0])

    assert (asked, later) == (["PROOF-DAY-END-1"], ["PROOF-DAY-BEGIN-2"])
    end, begin = keeper.play.events("proof")
    assert (end["text"], begin["text"]) == ("PROOF-DAY-END-1", "PROOF-DAY-BEGIN-2")
    midnight = at(b"00:00:00") + 86_400 * SECOND
    assert end["receive_ns"] < midnight <= begin["receive_ns"] < midnight + SECOND * 10


def test_roll_over_is_preceded_by_a_proof(keeper: Keeper) -> None:
    """It is asked for before the window in which nothing new is."""
    keeper.until(b"21:59:44")

    asked = keeper.pass_by(5)

    assert asked == ["PROOF-ROLLOVER-1"]
    assert keeper.pass_by(10) == []


def test_moment_long_past_is_let_go(keeper: Keeper) -> None:
    """A clock that jumps, or a process that stood still, makes no proof of another time."""
    keeper.pass_by(0.2)
    keeper.until(b"22:30:00")
    assert keeper.pass_by(0.1) == []

    keeper.until(b"23:59:59.500")
    assert keeper.pass_by(0.1) == []


def test_answer_to_another_request_is_no_proof(keeper: Keeper) -> None:
    """Only what was asked for proves anything; a name that the venue makes up does not."""
    keeper.play.venue("35=0 112=PROOF-STOP-1")
    keeper.proofs.stop(keeper.play.mono_ns)
    keeper.said()
    keeper.answer("PROOF-STOP-9")

    assert keeper.said() == []
    assert keeper.play.events("proof") == []
    assert keeper.play.found(events.Proven) == []


def test_answer_after_the_numbers_began_anew_is_no_proof(keeper: Keeper) -> None:
    """The numbers that it was to prove are gone."""
    keeper.proofs.stop(keeper.play.mono_ns)
    keeper.said()
    keeper.play._their_next = 1
    keeper.play.venue("35=A 98=0 108=60 141=Y")
    keeper.answer("PROOF-STOP-1")

    assert keeper.play.events("proof") == []


def test_moments_without_a_roll_over_are_those_of_midnight() -> None:
    """A venue without one still has days."""
    assert moments(None) == ((86_395, "DAY-END"), (0, "DAY-BEGIN"))
    assert moments(KRAKEN_ROLLOVER)[2] == (21 * 3600 + 59 * 60 + 45, "ROLLOVER")
