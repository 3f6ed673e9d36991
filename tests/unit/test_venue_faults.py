"""Faults as values: names, their schedule, and what becomes of a message; no socket."""

import re
from pathlib import Path

import pytest
from fix import frame
from peer import Peer

from capture.errors import SettingInvalid
from capture.venue import recording
from capture.venue.fault_line import FaultLine
from capture.venue.faults import (
    ANY,
    FAULTS,
    SEEDED,
    WHOLE,
    Fault,
    FaultPlan,
    Write,
    describe_faults,
    parse_faults,
)
from capture.wire.framer import Frame, Framer, Skipped

X = frame("35=X 55=ETH/USD 262=M1 268=1 279=1 269=0 278=B1.0 270=1.0 271=2.0 273=00:00:00.000 5041=77", seq=9)
W = frame("35=W 55=ETH/USD 262=M1 268=0", seq=8)


@pytest.fixture
def session():
    """A session of a client logged on."""
    return Peer(recording.load([recording.SHIPPED / "ethusd-d25.fix.gz"])).acceptor.session


def through(session, *frames, faults, seed=1):
    """What becomes of frames, one by one."""
    plan = FaultPlan(parse_faults(faults), seed=seed)
    line = FaultLine(plan)
    actions = []
    for it in frames:
        actions += line.hit(it, session) if line.until_next() == 0 else [Write(line.passed([it], market=True))]
    return actions, plan


def items(actions):
    """What a client's framer makes of what was written."""
    return list(Framer().feed(b"".join(it.data for it in actions if isinstance(it, Write))))


@pytest.mark.parametrize("name", sorted(set(FAULTS) - {"large", "endless"}))
def test_a_fault_happens_once_and_each_time_the_same(name, session):
    """At its number, or at the next message that it fits; the same seed gives the same bytes."""
    frames = [X, W, X, X, W, X]

    first, plan = through(session, *frames, faults=[f"{name}@2"])
    session.next_out -= 10 if name == "jump" else 0
    second, _ = through(session, *frames, faults=[f"{name}@2"])

    assert len(plan.happened) == 1
    assert plan.count == len(frames)
    assert first == second
    assert first != [Write(it) for it in frames]


@pytest.mark.parametrize("name", ["corrupt", "checksum", "length"])
def test_a_garbled_message_is_skipped_and_the_next_one_is_not(name, session):
    """The framer passes over it alone."""
    actions, _ = through(session, X, X, X, faults=[f"{name}@2"])

    found = items(actions)

    assert [type(it) for it in found] == [Frame, Skipped, Frame]


@pytest.mark.parametrize("name", ["book-checksum", "jump", "low", "empty-snapshot", "skew"])
def test_a_lie_is_well_formed(name, session):
    """What is wrong is what it says, never how it is framed."""
    actions, _ = through(session, X, X, X, faults=[f"{name}@2"])

    found = items(actions)

    assert [type(it) for it in found] == [Frame, Frame, Frame]
    assert found[1].data != X


def test_a_snapshot_comes_after_an_update_with_its_numbers_in_order(session):
    """The messages change places, their numbers do not."""
    later = X.replace(b"\x0134=9\x01", b"\x0134=9\x01")

    actions, _ = through(session, W, later, faults=["update-first@1"])

    kinds = [(b"35=W" in it.data, it.data.split(b"\x0134=")[1][:1]) for it in items(actions)]
    assert kinds == [(False, b"8"), (True, b"9")]


def test_a_fault_passes_untouched_what_it_does_not_fit(session):
    """An empty snapshot waits for a refresh; a snapshot before it goes out as it is."""
    actions, plan = through(session, W, X, faults=["empty-snapshot@1"])

    assert actions[0] == Write(W)
    assert "at market message 2, MsgSeqNum 9" in plan.happened[0]


def test_faults_at_random_are_drawn_from_the_seed():
    """The same seed draws the same faults at the same numbers, and only such as end in a moment."""

    def drawn(seed):
        plan, found = FaultPlan([Fault(ANY, 100)], seed=seed), []
        for _ in range(50):
            assert plan.next is not None
            found.append(plan.next)
            plan.count = plan.next.at
            plan.done("")
        return found

    assert drawn(1) == drawn(1) != drawn(2)
    assert {it.name for it in drawn(1)} <= set(SEEDED)
    assert 50 < drawn(1)[-1].at / 50 < 200


def test_every_fault_has_a_deed_and_a_line():
    """No name without something that it does, or without a word about it."""
    line = FaultLine(FaultPlan())

    assert set(line._does) == set(FAULTS)
    assert len(describe_faults()) == len(FAULTS) + len(WHOLE) + 1


def test_every_fault_is_documented():
    """`docs/venue.md` lists each fault, and no other."""
    page = (Path(__file__).parents[2] / "docs" / "venue.md").read_text(encoding="utf-8")
    table = page.partition("<!-- faults: begin -->")[2].partition("<!-- faults: end -->")[0]

    assert set(re.findall(r"^\| `([\w.-]+?)(?:@N)?` \|", table, flags=re.MULTILINE)) == {*FAULTS, *WHOLE}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("dropp@5", "--fault is 'dropp', which is none; use drop@5"),
        ("drop", "--fault drop is at ''; use drop@N"),
        ("drop@0", "--fault drop is at '0'"),
        ("drop@x", "--fault drop is at 'x'"),
    ],
)
def test_wrong_faults(text, said):
    """The message names what can be said instead."""
    with pytest.raises(SettingInvalid, match=said):
        parse_faults([text])
