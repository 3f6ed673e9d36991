"""Switches of the venue's sessions: what each value looks like on the wire; numbers, resends, refusals, silence."""

import pytest
from fix import CLIENT, VENUE, frame
from peer import Peer, told

from capture.session.session import Session
from capture.venue import recording
from capture.venue.garbled import GARBLED_BYTES_LIMIT, RejectingIntake
from capture.venue.register import Register
from capture.venue.settings import VenueSettings

SUBSCRIBE = "35=V 146=1 55=ETH/USD 262=M1 263=1 264=25 265=1 267=2 269=0 269=1"


@pytest.fixture(scope="module")
def source():
    """One recording."""
    return recording.load([recording.SHIPPED / "ethusd-d25.fix.gz"])


def told_all(messages, *tags):
    """MsgType and chosen fields, message by message."""
    return [tuple(it.text(tag) for tag in (35, *tags)) for it in messages]


# Rows 1 and 2: the roll-over.


@pytest.mark.parametrize(("number", "numbers"), [("1", ["1", "2"]), ("0", ["0", "1"])])
def test_numbers_after_a_roll_over(source, number, numbers):
    """The answer to the first Logon bears 1, or 0; the second Logon of that client is an ordinary one."""
    settings = VenueSettings(rollover_number=number)
    register = Register(settings)
    before = Peer(source, settings=settings, register=register)
    register.roll_over()

    first = Peer(source, settings=settings, register=register)
    second = Peer(source, settings=settings, register=register)

    assert [it.text(34) for it in (*first.log, *first.say("35=x 320=L1 559=4"))] == numbers
    assert before.log[0].text(34) == second.log[0].text(34) == "1"


@pytest.mark.parametrize(
    ("how", "said", "reason"),
    [
        ("logout", [("5", "3", "", "daily roll-over")], None),
        ("close", [], "daily roll-over"),
        ("reset", [("A", "1", "Y", "")], None),
    ],
)
def test_how_a_roll_over_shows(source, how, said, reason):
    """By a Logout, by a close without a word, or by a Logon that resets both numbers in place."""
    peer = Peer(source, rollover=how)
    peer.say("35=x 320=L1 559=4")

    peer.acceptor.roll_over(peer.now_ns, peer.mono_ns)

    assert told_all(peer.pushed(), 34, 141, 58) == said
    assert peer.acceptor.session.close_reason == reason


def test_a_session_that_was_reset_begins_anew(source):
    """The client's Logon is the answer, its numbers follow, and nothing that it had asked for before still comes."""
    peer = Peer(source, rollover="reset")
    peer.say(SUBSCRIBE)
    assert peer.play(3)
    peer.acceptor.roll_over(peer.now_ns, peer.mono_ns)
    peer.pushed()

    peer.seq = 0
    answered = peer.say("35=A 98=0 108=60 141=Y")
    silent = peer.play(3)
    peer.say(SUBSCRIBE)

    assert (answered, silent) == ([], [])
    assert told_all(peer.play(2), 34) == [("W", "2"), ("X", "3")]


# Row 4: resends of market data.


def resent(source, request, **switches):
    """What comes of a ResendRequest after nine messages of market data (2 to 10), and these."""
    peer = Peer(source, **switches)
    peer.say(SUBSCRIBE)
    played = {it.text(34): it for it in peer.play(9)}
    return peer.say(request), played, peer


def test_market_data_is_filled_over_by_default(source):
    """One gap fill over the range."""
    answers, _, _ = resent(source, "35=2 7=5 16=8")

    assert told_all(answers, 34, 43, 123, 36) == [("4", "5", "Y", "Y", "9")]


@pytest.mark.parametrize("field_order", [0, 5])
def test_market_data_is_replayed_under_a_switch(source, field_order):
    """The same messages with 43=Y and 122; nothing else of them differs but SendingTime and the framing."""
    answers, played, peer = resent(source, "35=2 7=2 16=0", resend="replay", field_order=field_order)

    assert [it.text(34) for it in answers] == list(played)
    for again in answers:
        first = played[again.text(34)]
        assert (again.get(43), again.get(122)) == (b"Y", first.get(52))
        framing = {9, 10, 43, 52, 122}
        assert sorted(it for it in again.fields if it[0] not in framing) == sorted(
            it for it in first.fields if it[0] not in framing
        )
    assert peer.play(1)[0].text(34) == "11"


def test_what_is_no_longer_kept_is_filled_over(source):
    """The oldest messages past the limit, by one gap fill before the others."""
    answers, _, _ = resent(source, "35=2 7=1 16=0", resend="replay", resend_limit=3)

    assert told_all(answers, 34, 36) == [("4", "1", "8"), ("X", "8", ""), ("X", "9", ""), ("X", "10", "")]


# Row 20: what a refusal says.


@pytest.mark.parametrize(
    ("reject_tags", "said"),
    [
        (True, "35=3 45=2 58=Missing mandatory field: InstrumentReqID (320) 371=320 372=x 373=1"),
        (False, "35=3 45=2 58=Missing mandatory field: InstrumentReqID (320)"),
    ],
)
def test_a_reject_with_and_without_its_tags(source, reject_tags, said):
    """As in the newer example, or as in the older capture."""
    peer = Peer(source, reject_tags=reject_tags)

    assert [told(it) for it in peer.say("35=x 559=4")] == [said]


def test_the_session_core_rejects_in_the_same_manner(source):
    """A Reject that the session itself has to say loses its tags too."""
    peer = Peer(source, reject_tags=False)

    assert [told(it) for it in peer.say("35=1")] == ["35=3 45=2 58=Required tag missing"]


@pytest.mark.parametrize(("business_ref", "number"), [("zero", "0"), ("number", "2")])
def test_the_number_in_a_business_reject(source, business_ref, number):
    """0 as captured, or what is refused."""
    peer = Peer(source, business_ref=business_ref)

    assert told_all(peer.say("35=D 11=1"), 45, 380) == [("j", number, "3")]


# Row 21: garbled messages.


def garble(data, fault):
    """A message with a wrong sum, a wrong length, or a field that is none; or without its number."""
    match fault:
        case "sum":
            return data[:-4] + b"%03d\x01" % ((int(data[-4:-1]) + 1) % 256)
        case "length":
            return data.replace(b"\x019=", b"\x019=1", 1)
        case "number":
            return garble(data.replace(b"\x0134=2\x01", b"\x0134=\x01"), "sum")
    raise AssertionError(fault)


@pytest.mark.parametrize(
    ("garbled", "fault", "said"),
    [
        ("ignored", "sum", []),
        ("ignored", "length", []),
        ("rejected", "sum", [("3", "2", "x", "99")]),
        ("rejected", "length", [("3", "2", "x", "99")]),
        ("rejected", "number", []),
    ],
)
def test_a_garbled_message(source, garbled, fault, said):
    """It never counts, so the next one opens a gap; under a switch it is rejected as well, where it has a number."""
    peer = Peer(source, garbled=garbled)
    data = garble(peer.frame("35=x 320=L1 559=4"), fault)

    peer.acceptor.received(data[:20], peer.now_ns, peer.mono_ns)
    peer.acceptor.received(data[20:], peer.now_ns, peer.mono_ns)
    answers = peer.say("35=0")

    assert told_all(answers, 45, 372, 373) == [*said, ("2", "", "", "")]
    assert answers[-1].text(7) == "2"


def test_a_reject_that_is_garbled_is_not_rejected(source):
    """Nor is anything before the Logon: two engines could go on for ever."""
    peer = Peer(source, garbled="rejected")
    peer.acceptor.received(garble(peer.frame("35=3 45=1"), "sum"), peer.now_ns, peer.mono_ns)
    early = Peer(source, garbled="rejected", log_on=False)
    early.acceptor.received(garble(early.frame("35=x 320=L1 559=4"), "sum"), early.now_ns, early.mono_ns)

    assert told_all(peer.say("35=0")) == [("2",)]
    assert told_all(early.say("35=A 98=0 108=60 141=Y 34=1")) == [("A",)]


def test_noise_without_end_is_held_in_bounds(source):
    """What is looked into is so much and no more, in whatever pieces it comes."""
    session = Session(VenueSettings().session(VENUE.encode()))
    intake = RejectingIntake(session)
    session.opened(0)
    for _ in range(8):
        assert list(intake.messages(b"x" * GARBLED_BYTES_LIMIT, 0)) == []

    assert len(intake._held) == GARBLED_BYTES_LIMIT
    logon = frame("35=A 98=0 108=60", sender=CLIENT, target=VENUE)
    assert [it.msg_type for it in intake.messages(logon, 0)] == [b"A"]
    assert intake._held == b""


# Row 24: a second Logon of one name.


@pytest.mark.parametrize(
    ("second_logon", "answered", "first_ends"),
    [("allow", True, False), ("refuse", False, False), ("evict", True, True)],
)
def test_a_second_logon_of_one_name(source, second_logon, answered, first_ends):
    """Both are served, the newcomer is dropped, or it takes the other's place."""
    settings = VenueSettings(second_logon=second_logon)
    register = Register(settings, second_logon)
    first = Peer(source, settings=settings, register=register)

    second = Peer(source, settings=settings, register=register)

    assert told_all(second.log) == ([("A",)] if answered else [])
    assert bool(second.acceptor.session.close_reason) != answered
    assert bool(first.acceptor.session.close_reason) == first_ends


def test_a_name_is_free_again_after_its_session(source):
    """It is sessions that count: one that logged out, or ended, is in nobody's way."""
    settings = VenueSettings(second_logon="refuse", logon_failure="logout")
    register = Register(settings, "refuse")
    first = Peer(source, settings=settings, register=register)
    (refused,) = Peer(source, settings=settings, register=register).log
    first.say("35=5")

    assert told(refused) == "35=5 58=Logon refused: SenderCompID(49) is logged on already"
    assert told_all(Peer(source, settings=settings, register=register).log) == [("A",)]


# Row 25: silence.


@pytest.mark.parametrize(
    ("switches", "asks_at", "ends_at"),
    [({}, 72, 120), ({"test_request_percent": 50, "silence_percent": 300}, 30, 180)],
)
def test_how_much_silence_is_taken(source, switches, asks_at, ends_at):
    """A TestRequest at 1.2 intervals and the end at 2, or where the switches have them."""
    peer = Peer(source, **switches)
    asked = []
    for second in range(1, 400):
        asked += [second for it in peer.pass_by(1) if it.msg_type == b"1"]
        if peer.acceptor.session.close_reason:
            break

    assert asked == [asks_at]
    assert (second, peer.acceptor.session.close_reason) == (ends_at, f"silent for {ends_at} s")


# Row 33: a number set by force.


@pytest.mark.parametrize(
    ("sequence_reset", "said"),
    [("accept", [("y", "", "")]), ("refuse", [("3", "123", "5"), ("2", "", "")])],
)
def test_a_sequence_reset_of_the_client(source, sequence_reset, said):
    """The next message bears the new number; where that was refused it opens a gap."""
    peer = Peer(source, sequence_reset=sequence_reset)

    answers = peer.say("35=4 123=N 36=20")
    peer.seq = 19
    answers += peer.say("35=x 320=L1 559=4")

    assert told_all(answers, 371, 373) == said
