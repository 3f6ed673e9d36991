"""`fixtape session connect`: the bare initiator on the command line, against the echo and a venue that a test plays."""

import json
import os
import signal
from datetime import UTC, datetime, timedelta

import pytest
from commands import WAIT_S, echo, ended, events_until, running, venue

pytestmark = pytest.mark.venue

ORDER = "35=D|11=ID1|21=3|40=1|54=1|38=2|55=INTC|60=20260101-00:00:00\n"


def connecting(port, *options):
    """The command that connects to ISLD."""
    return ["session", "connect", "127.0.0.1", port, "--plain", "--sender", "TW44", "--target", "ISLD", *options]


def is_event(name):
    """Whether an event is of a name."""
    return lambda event: event["event"] == name


def stop(process):
    """End a process by SIGTERM; its exit code and the events since."""
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=WAIT_S)
    assert process.returncode == 0, err
    return [json.loads(line) for line in out.splitlines()]


def answer_logon(talk, *fields):
    """Take a Logon and answer it; returns the Logon."""
    logon = talk.receive()
    talk.send(b"A", (98, b"0"), (108, logon.need(108)), *fields)
    return logon


def test_it_logs_on_sends_and_logs_out(tmp_path):
    """Each thing that happens is a line; SIGTERM logs out and ends it with 0."""
    messages = tmp_path / "messages.txt"
    messages.write_text("# an order\n" + ORDER)
    with echo() as (port, _), running(*connecting(port, "--send", messages)) as process:
        seen = events_until(process, is_event("delivered"))
        last = stop(process)

    assert "|35=D|" in seen[-1]["message"]
    assert "|11=ID1|" in seen[-1]["message"]
    assert [event["event"] for event in seen + last] == [
        "connected", "sent", "LoggedOn", "sent", "delivered", "sent", "LoggedOut", "disconnected",
    ]  # fmt: skip


def test_what_was_sent_goes_again_when_it_is_asked_for(tmp_path):
    """A request for data does; its first bytes, marked."""
    messages = tmp_path / "messages.txt"
    messages.write_text("35=x|320=1|559=4\n")
    with venue() as (port, accept), running(*connecting(port, "--send", messages)), accept() as talk:
        answer_logon(talk, (141, b"Y"))
        first = talk.receive()
        talk.send(b"2", (7, b"1"), (16, b"0"))
        filled, again = talk.receive(), talk.receive()

    assert (filled.msg_type, filled.get(36)) == (b"4", b"2")
    assert (again.get(34), again.get(43), again.get(122)) == (first.get(34), b"Y", first.get(52))
    assert (again.get(320), again.get(559)) == (b"1", b"4")


def test_a_killed_process_goes_on_with_its_numbers(tmp_path):
    """With a store and without a reset the next Logon bears the next number, and no 141 after the first one."""
    options = ["--no-reset", "--store", tmp_path / "store"]
    logons = []
    with venue() as (port, accept):
        for number in range(3):
            with running(*connecting(port, *options)) as process, accept() as talk:
                talk.number = number
                logons.append(answer_logon(talk, *([(141, b"Y")] if number == 0 else [])))
                events_until(process, is_event("LoggedOn"))
                process.kill()
                process.wait()

    assert [it.get(34) for it in logons] == [b"1", b"2", b"3"]
    assert [it.get(141) for it in logons] == [b"Y", None, None]


@pytest.mark.parametrize("cut", [1, 5, 30])
def test_a_torn_store_begins_anew_aloud(tmp_path, cut):
    """Numbers that may be missing are not guessed at: an event, and a Logon with 141=Y."""
    options = ["--no-reset", "--store", tmp_path]
    with venue() as (port, accept):
        with running(*connecting(port, *options)) as process, accept() as talk:
            answer_logon(talk, (141, b"Y"))
            events_until(process, is_event("LoggedOn"))
            process.kill()
            process.wait()
        (store,) = tmp_path.glob("*.session")
        store.write_bytes(store.read_bytes()[:-cut])
        with running(*connecting(port, *options)) as process, accept() as talk:
            logon = talk.receive()
            seen = events_until(process, is_event("sent"))

    assert (logon.get(34), logon.get(141)) == (b"1", b"Y")
    assert "torn" in next(it["reason"] for it in seen if it["event"] == "StoreLost")


def test_one_process_holds_a_store(tmp_path):
    """A second one ends with 75 and a line that says why; a killed one leaves nothing that is in the way."""
    options = ["--store", tmp_path / "store"]
    with echo() as (port, _):
        with running(*connecting(port, *options)) as holder:
            events_until(holder, is_event("LoggedOn"))
            code, said = ended(*connecting(port, *options))
            holder.kill()
            holder.wait()
        with running(*connecting(port, *options)) as process:
            events_until(process, is_event("LoggedOn"))
            stop(process)

    assert code == 75
    assert said.count("\n") == 1
    assert "another process holds this session" in said


def test_it_connects_again_and_again():
    """A connection that ends is waited out and made anew; SIGTERM while it waits ends it at once."""
    with venue() as (port, accept), running(*connecting(port)) as process:
        for _ in range(2):
            with accept() as talk:
                answer_logon(talk, (141, b"Y"))
                events_until(process, is_event("LoggedOn"))
        waiting = events_until(process, is_event("waiting"))[-1]
        last = stop(process)

    assert 0.8 <= waiting["seconds"] <= 2.4
    assert last == []


def test_a_port_without_a_venue_is_tried_again():
    """It says so each time, and ends with 0 when it is told to."""
    with venue() as (port, _):
        pass
    with running(*connecting(port)) as process:
        seen = events_until(process, is_event("waiting"))
        stop(process)

    assert [it["event"] for it in seen] == ["unreachable", "waiting"]
    assert f"127.0.0.1:{port}" in seen[0]["text"]


def test_the_roll_over_is_a_planned_end():
    """A connection that ends in the window is told as the roll-over, and tried again soon."""
    at = (datetime.now(UTC) + timedelta(seconds=5)).strftime("%H:%M:%S")
    with venue() as (port, accept), running(*connecting(port, "--rollover", at, "--no-reset")) as process:
        with accept() as talk:
            answer_logon(talk)
            events_until(process, is_event("LoggedOn"))
        seen = events_until(process, is_event("waiting"))
        with accept() as talk:
            logon = talk.receive()

    assert [it["event"] for it in seen] == ["RolledOver", "disconnected", "waiting"]
    assert (logon.get(34), logon.get(141)) == (b"1", None)


def test_a_reader_that_leaves_ends_it():
    """Nobody reads what happens any more: no process is left behind."""
    with echo() as (port, _), running(*connecting(port, "--heartbeat", 1)) as process:
        events_until(process, is_event("LoggedOn"))
        process.stdout.close()

        assert process.wait(timeout=WAIT_S) == 0


def test_secrets_are_shown_as_stars():
    """A trading Logon is signed, and neither key nor password shows."""
    environment = {**os.environ, "FIXTAPE_API_KEY": "PLANTEDKEY", "FIXTAPE_API_SECRET": "UExBTlRFRA=="}
    with echo() as (port, _), running(*connecting(port, "--profile", "trading"), env=environment) as process:
        seen = events_until(process, is_event("sent"))
        last = stop(process)

    assert "|553=***|554=***|5025=" in seen[-1]["message"]
    assert "PLANTED" not in json.dumps(seen + last)


def test_plain_text_is_for_loopback():
    """Without TLS nothing but this machine is spoken to."""
    code, said = ended("session", "connect", "192.0.2.1", "4000", "--plain")

    assert code == 2
    assert "no loopback address" in said
