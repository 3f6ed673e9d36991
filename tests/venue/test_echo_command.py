"""`fixtape venue --profile echo`: a plain way in for other engines' conformance suites."""

import signal

import pytest
from commands import WAIT_S, client, echo, ended, events_until, listening, running

pytestmark = pytest.mark.venue

ORDER = (
    (11, b"ID1"),
    (21, b"3"),
    (40, b"1"),
    (54, b"1"),
    (38, b"002000.00"),
    (55, b"INTC"),
    (60, b"20260101-00:00:00"),
)


def log_on(talk, *fields, interval=b"30"):
    """Log on; returns the answer."""
    talk.send(b"A", (98, b"0"), (108, interval), *fields)
    return talk.receive()


def test_an_order_comes_back_as_it_was():
    """Logon, TestRequest, an order that comes back, and a Logout that is answered."""
    with echo("--target", "TW44") as (port, _), client(port) as talk:
        logon = log_on(talk)
        talk.send(b"1", (112, b"HELLO"))
        heartbeat = talk.receive()
        talk.send(b"D", *ORDER)
        back = talk.receive()
        talk.send(b"5")
        logout = talk.receive()

    assert (logon.msg_type, logon.get(49), logon.get(56), logon.get(34)) == (b"A", b"ISLD", b"TW44", b"1")
    assert logon.get(108) == b"30"
    assert (heartbeat.msg_type, heartbeat.get(112)) == (b"0", b"HELLO")
    assert back.msg_type == b"D"
    assert all(back.get(tag) == value for tag, value in ORDER)
    assert logout.msg_type == b"5"


def test_a_message_that_is_not_supported_is_said_to_be():
    """What is defined and not served is refused with 35=j, 380=3, and the session goes on."""
    with echo() as (port, _), client(port) as talk:
        log_on(talk)
        talk.send(b"x", (320, b"1"), (559, b"4"))
        refused = talk.receive()

    assert (refused.msg_type, refused.get(380)) == (b"j", b"3")


def test_somebody_else_is_not_let_in():
    """With a --target every other SenderCompID is dropped without a message."""
    with echo("--target", "NOBODY") as (port, _), client(port) as talk:
        talk.send(b"A", (98, b"0"), (108, b"30"))

        assert talk.closed()


def test_wrong_logons_are_refused_aloud_or_silently():
    """By a Logout, or by nothing where so told."""
    with echo() as (port, _), client(port) as talk:
        talk.send(b"A", (98, b"1"), (108, b"30"))
        assert talk.receive().msg_type == b"5"
    with echo("--refuse-silently") as (port, _), client(port) as talk:
        talk.send(b"A", (98, b"1"), (108, b"30"))
        assert talk.closed()


def test_another_version_can_be_spoken():
    """BeginString(8) is that of --begin-string, both ways."""
    with echo("--begin-string", "FIX.4.2") as (port, _), client(port, begin=b"FIX.4.2") as talk:
        assert log_on(talk).get(8) == b"FIX.4.2"


def test_silence_is_broken_as_often_as_told():
    """--heartbeat makes it speak sooner than the client's interval, which is repeated all the same."""
    with echo("--heartbeat", 1) as (port, _), client(port) as talk:
        logon, heartbeat = log_on(talk, interval=b"60"), talk.receive()

    assert logon.get(108) == b"60"
    assert (heartbeat.msg_type, heartbeat.get(112)) == (b"0", None)


def test_silence_of_the_client_is_tested_by_the_text_given():
    """Some definitions want their TestReqID spelled as they do."""
    with echo("--test-req-id", "TEST") as (port, _), client(port) as talk:
        log_on(talk, interval=b"1")
        while (message := talk.receive()).msg_type == b"0":
            pass

    assert (message.msg_type, message.get(112)) == (b"1", b"TEST")


def test_a_killed_echo_goes_on_with_its_numbers(tmp_path):
    """With a store numbers and messages outlive connection and process, each client's of its own."""
    with echo("--store", tmp_path) as (port, process):
        with client(port) as talk:
            log_on(talk)
            talk.send(b"D", *ORDER)
            talk.receive()
        with client(port) as talk:
            talk.number = 2
            again = log_on(talk)
        process.kill()
        process.wait()
    with echo("--store", tmp_path) as (port, process), client(port) as talk:
        talk.number = 3
        logon = log_on(talk)
        talk.send(b"2", (7, b"2"), (16, b"2"))
        resent = talk.receive()

    assert (again.get(34), logon.get(34)) == (b"3", b"4")
    assert (resent.msg_type, resent.get(34), resent.get(43), resent.get(11)) == (b"D", b"2", b"Y", b"ID1")


def test_a_damaged_store_is_not_guessed_at(tmp_path):
    """A Logon that goes on is refused with what to do; one that begins anew is taken."""
    with echo("--store", tmp_path) as (port, process), client(port) as talk:
        log_on(talk)
        process.kill()
        process.wait()
    (store,) = tmp_path.glob("*.session")
    store.write_bytes(store.read_bytes()[:-2])
    with echo("--store", tmp_path) as (port, process):
        with client(port) as talk:
            talk.number = 1
            refused = log_on(talk)
        with client(port) as talk:
            logon = log_on(talk, (141, b"Y"))
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=WAIT_S)

    assert (refused.msg_type, b"141" in refused.need(58)) == (b"5", True)
    assert (logon.msg_type, logon.get(34), logon.get(141)) == (b"A", b"1", b"Y")
    assert "torn or damaged" in said


def test_one_echo_holds_a_store(tmp_path):
    """A second one ends with 75 and a line that says why."""
    with echo("--store", tmp_path):
        code, said = ended("venue", "--profile", "echo", "--plain", "--port", 0, "--store", tmp_path, "--for", 5)

    assert code == 75
    assert "another process holds this session" in said


def test_sigterm_logs_everybody_out():
    """The client hears a Logout, and the echo ends with 0."""
    with echo() as (port, process), client(port) as talk:
        log_on(talk)
        process.send_signal(signal.SIGTERM)
        logout = talk.receive()
        talk.send(b"5")

        assert process.wait(timeout=WAIT_S) == 0
    assert (logout.msg_type, logout.get(58)) == (b"5", b"the echo is closing")


def test_without_plain_it_speaks_tls(tmp_path):
    """Like every other profile; its certificate is written for clients to verify it by."""
    ca_file = tmp_path / "ca.pem"
    command = ["venue", "--profile", "echo", "--sender", "ISLD", "--port", 0, "--ca-out", ca_file, "--for", 60]
    with running(*command) as process:
        port = listening(process)
        connecting = ["session", "connect", "127.0.0.1", port, "--target", "ISLD", "--ca", ca_file]
        with running(*connecting) as initiator:
            seen = events_until(initiator, lambda event: event["event"] == "LoggedOn")

    assert [it["event"] for it in seen] == ["connected", "sent", "LoggedOn"]


def test_plain_text_is_for_loopback():
    """On an address that others reach, the echo does not listen in plain text."""
    code, said = ended("venue", "--profile", "echo", "--plain", "--host", "0.0.0.0", "--for", "1")  # noqa: S104 - refused

    assert code == 2
    assert "no loopback address" in said
