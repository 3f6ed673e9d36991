"""The session's calls, as far as no conversation shows them. What is said on the wire is in tests/conversations."""

import pytest
from fix import CLIENT, SECOND, T0, VENUE, message, seal

from capture.errors import SessionError
from capture.session import events
from capture.session import session as session_module
from capture.session.session import OUTBOX_LIMIT, Role, Session, SessionSettings
from capture.session.states import State
from capture.wire.message import Message, parse, split


def initiator(**settings: object) -> Session:
    """An initiator's session."""
    return Session(SessionSettings(Role.INITIATOR, CLIENT.encode(), VENUE.encode(), **settings))  # type: ignore[arg-type]


def flush(session: Session, mono_ns: int = 0) -> list[Message]:
    """Send what is due; return it."""
    sent = []
    while (data := session.next_frame(T0 + mono_ns)) is not None:
        sent.append(parse(data))
        session.sent(sent[-1], mono_ns)
    return sent


def logged_on(**settings: object) -> Session:
    """An initiator's session after both Logons."""
    session = initiator(**settings)
    session.opened(0)
    flush(session)
    session.receive(message("35=A 98=0 108=60 141=Y"), T0, 0)
    session.take_events()
    return session


def test_nothing_is_sent_before_a_connection() -> None:
    """A session that was not opened has nothing to say, and hears nothing."""
    session = initiator()

    assert session.next_frame(T0) is None
    assert session.receive(message("35=A 98=0 108=60"), T0, 0) == []
    assert session.state is State.DISCONNECTED


def test_application_message_before_the_logon_is_our_mistake() -> None:
    """Sending before both Logons is a SessionError that names the state."""
    session = initiator()
    session.opened(0)

    with pytest.raises(SessionError, match="send 35=V cannot happen in state connected"):
        session.send(b"V", ((262, b"M1"),))


def test_time_of_a_message_is_that_of_its_sending() -> None:
    """A message queued early bears the time at which it goes out."""
    session = logged_on()
    session.send(b"V", ((262, b"M1"),))

    data = session.next_frame(T0 + 7 * SECOND)

    assert data is not None
    assert parse(data).get(52) == b"20260301-12:00:07.000"


def test_messages_of_an_owner_that_numbers_them_itself_count() -> None:
    """A venue that sends its market data itself tells how many; the next number follows them."""
    session = logged_on()

    session.sent_application(0, count=10)
    session.send(b"V", ((262, b"M1"),))

    assert flush(session)[0].integer(34) == 12


def test_owner_s_messages_stand_for_a_heartbeat() -> None:
    """What an owner sent itself restarts the heartbeat's time."""
    session = logged_on()

    session.sent_application(20 * SECOND, count=1)
    session.tick(49 * SECOND)
    early = flush(session, 49 * SECOND)
    session.tick(50 * SECOND)

    assert early == []
    assert [it.msg_type for it in flush(session, 50 * SECOND)] == [b"0"]


def test_outbox_is_bounded() -> None:
    """A connection that takes nothing ends, instead of growing."""
    session = logged_on()

    for _ in range(OUTBOX_LIMIT + 1):
        session.send(b"V", ((262, b"M1"),))

    assert session.close_reason == f"{OUTBOX_LIMIT} messages wait to be sent"


def test_delivery_tells_number_time_and_kind() -> None:
    """A delivery bears MsgSeqNum, SendingTime in ns, and whether it may have been seen before."""
    session = logged_on()

    (delivery,) = session.receive(message("35=X 43=Y", seq=2, at_ns=T0 + SECOND), T0, 0)

    assert delivery.msg_seq_num == 2
    assert delivery.sending_ns == T0 + SECOND
    assert delivery.possible_duplicate
    assert not delivery.recovered


def test_events_are_taken_once() -> None:
    """What was taken is not told again."""
    session = logged_on()
    session.ignored("noise", 0)

    assert session.take_events() == [events.MessageIgnored("noise")]
    assert session.take_events() == []


def test_reason_of_a_logout_is_cut() -> None:
    """The Text that we send is bounded, whatever provoked it."""
    session = logged_on()
    session.log_out("x" * 5000)

    (logout,) = flush(session)

    assert len(logout.need(58)) == session_module.TEXT_LIMIT


def test_follower_says_nothing() -> None:
    """A session that does not answer queues nothing, whatever it hears."""
    session = initiator(answers=False)
    session.opened(0)

    assert session.next_frame(T0) is None
    session.sent(message("35=A 98=0 108=60 141=Y", seq=1, sender=CLIENT, target=VENUE), 0)
    session.receive(message("35=A 98=0 108=60 141=Y"), T0, 0)
    session.receive(message("35=1 112=hello", seq=2), T0, 0)
    session.receive(message("35=X", seq=9), T0, 0)

    assert session.next_frame(T0) is None
    assert session.state is State.AWAITING_RESEND


def test_follower_hears_what_came_after_a_timer_had_decided() -> None:
    """A close that a timer decided is in no journal: what came before the transport's end is heard by both."""
    live = logged_on()
    live.tick(72 * SECOND)
    flush(live, 72 * SECOND)
    live.tick(144 * SECOND)
    assert live.close_reason == "silent for 144 s"

    late = live.receive(message("35=X", seq=2), T0, 144 * SECOND)

    assert [it.msg_seq_num for it in late] == [2]


def test_acceptor_learns_its_client() -> None:
    """An acceptor of any client takes the SenderCompID of the Logon as the session's, for this connection."""
    session = Session(SessionSettings(Role.ACCEPTOR, VENUE.encode(), b""))
    for name in ("FIRST", "SECOND"):
        session.opened(0)
        session.receive(message("35=A 98=0 108=60 141=Y", sender=name, target=VENUE), T0, 0)

        assert flush(session)[0].get(56) == name.encode()
        session.closed()


def test_acceptor_survives_a_name_that_is_no_text() -> None:
    """A SenderCompID of odd bytes and then another one is a broken rule, not a crash."""
    session = Session(SessionSettings(Role.ACCEPTOR, VENUE.encode(), b""))
    session.opened(0)
    header = b"35=%b\x0149=%b\x0156=KRAKEN-MD\x0134=%d\x0152=20260301-12:00:00.000\x01"
    session.receive(split(seal(header % (b"A", b"\xff", 1) + b"98=0\x01108=60\x01141=Y\x01")), T0, 0)
    flush(session)

    session.receive(split(seal(header % (b"0", b"OTHER", 2))), T0, 0)

    assert any(isinstance(it, events.Violated) for it in session.take_events())
