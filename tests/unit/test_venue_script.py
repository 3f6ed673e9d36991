"""Conversation files as a venue's script: the same that drive the tests, and what is said of a client that differs."""

from pathlib import Path

import pytest
from fix import CLIENT, SECOND, T0, VENUE, frame
from session_player import SessionPlayer

from capture.venue.conversation import Conversation, ConversationUnusable, read
from capture.venue.script import ANSWER_NS, CONNECT_NS, QUIET_NS, WAITING_LIMIT, Script
from capture.wire.framer import Framer
from capture.wire.message import parse

HERE = Path(__file__).parents[1] / "conversations"
STEP_NS = SECOND // 10
# What the owner of a client does that has no process to kill and no disk to fill.
DEEDS = frozenset({"log_out", "send", "refuse", "reset_numbers", "stall", "closed", "opened"})


def is_playable(path):
    """Whether a file is for a client, and needs nothing but a client."""
    settings, lines = read(path)
    deeds = {line.split()[1] for _, line in lines if line[0] == "="}
    return not {"role", "durable", "backoff"} & set(settings) and deeds <= DEEDS


FILES = [path for path in sorted(HERE.glob("*.txt")) if is_playable(path)]


class Wire:
    """In place of what the session's player has the other side say: what the script says."""

    next_out = 1
    data = b""

    def say(self, rest, wall_ns):
        """What waits to be read."""
        return self.data


class Client:
    """Our session as the client of a script, on one virtual clock with it."""

    def __init__(self, path):
        conversation = read(path)
        self.script = Script(path.name, conversation)
        self.player = SessionPlayer(path.name, conversation.settings)
        self.wire = self.player._other = Wire()
        self.connected = False

    @property
    def now(self):
        """Wall clock and monotonic time."""
        return self.player.wall_ns, self.player.now_ns

    def play(self):
        """Carry bytes both ways, and let time pass only when nothing moves."""
        self.connect()
        for _ in range(100_000):
            while self.carry():
                pass
            if self.script.done:
                return
            self.player.now_ns += STEP_NS
            self.script.tick(*self.now)
            self.player.tick()
        raise AssertionError("the script does not end")

    def connect(self):
        """Begin on a connection that the session has opened already."""
        self.connected = True
        self.script.opened(*self.now)

    def carry(self):
        """Return whether anything moved."""
        moved = False
        sent = b"".join(it.frame for it in self.player.sent[""])
        self.player.sent[""].clear()
        if sent and self.connected:
            self.script.received(sent, *self.now)
            moved = True
        self.wire.data = self.script.take_bytes()
        if self.wire.data:
            self.player.receive("", "")
            moved = True
        for text in self.script.take_hints():
            self.player.own("", text)
            moved = True
        if self.connected and (self.script.closes or self.player.session.close_reason):
            self.connected, moved = False, True
            self.player.own("", "closed")
            self.script.closed(*self.now)
        if not self.connected and not self.script.done and self.waits_for("= opened"):
            self.player.own("", "opened")
            self.connect()
            moved = True
        return moved

    def waits_for(self, line):
        """Whether the script stands at this line."""
        return self.script._lines[self.script._at][1] == line


def test_most_conversations_can_be_played():
    """Those left out are of other roles, of a process that dies, or of its disk."""
    assert len(FILES) > 150


@pytest.mark.parametrize("path", FILES, ids=[path.stem for path in FILES])
def test_a_conversation_of_the_tests_drives_a_venue(path):
    """Played by the venue's side against our session, each file comes out as it does in the session's own tests."""
    client = Client(path)

    client.play()

    assert client.script.differences == []
    assert client.script.sent + client.script.received_count > 0


# Where a client differs.

LOGON = ["> 35=A 34=1", "< 35=A 98=0 108=60 141=Y"]


class Bench:
    """A script of some lines, and a client that says what it is told."""

    def __init__(self, *lines, settings=None):
        self.script = Script("s.txt", Conversation(settings or {}, list(enumerate(lines, start=1))))
        self.now_ns = 0
        self.seq = 0

    def open(self):
        """Connect."""
        self.script.opened(T0 + self.now_ns, self.now_ns)
        return self

    def say(self, text, **header):
        """The client says something; return what comes back."""
        self.seq += 1
        data = frame(text, seq=self.seq, sender=CLIENT, target=VENUE, at_ns=T0 + self.now_ns, **header)
        self.script.received(data, T0 + self.now_ns, self.now_ns)
        return self.take()

    def take(self):
        """What the venue says, as messages."""
        return [parse(it.data) for it in Framer().feed(self.script.take_bytes())]

    def wait(self, span_ns):
        """Time passes."""
        self.now_ns += span_ns
        self.script.tick(T0 + self.now_ns, self.now_ns)
        return self.take()

    def close(self):
        """The client closes."""
        self.script.closed(T0 + self.now_ns, self.now_ns)


def test_a_client_that_answers_as_written():
    """Nothing differs; the script is over a moment after its last line, and closes."""
    bench = Bench(*LOGON, "< 35=1 112=T", "> 35=0 34=2 112=T").open()
    logon, test_request = bench.say("35=A 98=0 108=60 141=Y")
    bench.say("35=0 112=T")
    assert not bench.script.done
    bench.wait(QUIET_NS)

    assert [(it.text(35), it.text(34), it.text(49), it.text(56)) for it in (logon, test_request)] == [
        ("A", "1", VENUE, CLIENT), ("1", "2", VENUE, CLIENT),
    ]  # fmt: skip
    assert (bench.script.done, bench.script.closes, bench.script.differences) == (True, True, [])


def test_names_and_ids_are_the_clients_own():
    """Frames go to who logged on, from whom it named; `$` is what it said in that tag last."""
    bench = Bench(*LOGON, "> 35=V 262=*", "< 35=W 55=BTC/USD 262=$ 268=0").open()
    (logon,) = bench.say("35=A 98=0 108=60 141=Y 49=ME 56=KRAKEN-TRD")
    (snapshot,) = bench.say("35=V 262=M7")

    assert (logon.text(49), logon.text(56), snapshot.text(262)) == ("KRAKEN-TRD", "ME", "M7")


@pytest.mark.parametrize(
    ("lines", "said", "difference"),
    [
        (["> 35=A 108=30"], ["35=A 108=60"], "s.txt:1: > 35=A 108=30: tag 108 is 60 in 8=FIX.4.4 "),
        (["> 35=A 141=-"], ["35=A 141=Y"], "s.txt:1: > 35=A 141=-: tag 141 is Y in 8=FIX.4.4 "),
        (["> 35=A 999=*"], ["35=A"], "s.txt:1: > 35=A 999=*: tag 999 is - in 8=FIX.4.4 "),
        (["> 35=A", "< 35=A"], ["35=A", "35=0"], "s.txt:the end: before 'the end' also came 8=FIX.4.4 "),
        (["> 35=A", "@ +1s", "< 35=A"], ["35=A", "35=0"], "s.txt:3: < 35=A: before '< 35=A' also came 8=FIX.4.4 "),
        (["> 35=A", "> 35=0"], ["35=A"], "s.txt:2: > 35=0: nothing came within 10 s"),
        (["> 35=A", "! Close bye"], ["35=A"], "s.txt:2: ! Close bye: the connection was not ended within 10 s"),
        (["> 35=A", "< 35=1 112=$"], ["35=A"], "s.txt:2: < 35=1 112=$: 112=$ before anything was said in tag 112"),
    ],
)
def test_where_a_client_differs(lines, said, difference):
    """The file, the line, what it says, and what came instead; time that is waited for is bounded."""
    bench = Bench(*lines).open()
    for text in said:
        bench.say(text)
    for _ in range(30):
        bench.wait(ANSWER_NS // 10)

    assert bench.script.done
    assert len(bench.script.differences) == 1
    assert bench.script.differences[0].startswith(difference)


def test_a_password_is_not_shown():
    """A Logon that differs is told without its secrets."""
    bench = Bench("> 35=A 108=30").open()
    bench.say("35=A 108=60 553=KEY 554=SECRET")

    assert "SECRET" not in bench.script.differences[0]
    assert "554=***" in bench.script.differences[0]


@pytest.mark.parametrize(
    ("lines", "difference"),
    [
        ([*LOGON, "> 35=0"], "s.txt:3: > 35=0: the connection ended, and nothing came"),
        ([*LOGON, "@ +1s", "< 35=0"], "s.txt:4: < 35=0: the connection ended before this was said"),
        ([*LOGON, "= closed", "= opened", "> 35=A"], "s.txt:4: = opened: nobody connected within 120 s"),
    ],
)
def test_a_client_that_is_gone(lines, difference):
    """It is said which line it kept waiting."""
    bench = Bench(*lines).open()
    bench.say("35=A 98=0 108=60 141=Y")
    bench.close()
    for _ in range(13):
        bench.wait(CONNECT_NS // 12)

    assert (bench.script.done, bench.script.differences) == (True, [difference])


def test_what_is_no_message_differs():
    """Bytes between messages are said and passed over; a message past the limit ends the script."""
    bench = Bench(*LOGON, "> 35=0").open()
    bench.say("35=A 98=0 108=60 141=Y")
    bench.script.received(b"noise", T0, 0)
    bench.say("35=0")
    bench.script.received(b"8=FIX.4.4\x019=99999999\x0135=0\x01", T0, 0)

    noise, long = bench.script.differences
    assert "5 bytes came that are no message: bytes between messages" in noise
    assert "no message can be so long" in long
    assert bench.script.done


def test_messages_nobody_asked_for_are_bounded():
    """A client that floods ends the script."""
    bench = Bench(*LOGON, "@ +60s").open()
    bench.say("35=A 98=0 108=60 141=Y")
    flood = b"".join(frame("35=0", seq=2 + it, sender=CLIENT, target=VENUE) for it in range(WAITING_LIMIT + 9))

    bench.script.received(flood, T0, 0)

    (difference,) = bench.script.differences
    assert "more than 10000 messages came" in difference
    assert bench.script.done


def test_what_was_not_played_is_a_difference():
    """A script that is stopped says where it was."""
    bench = Bench(*LOGON)

    bench.script.stop()

    assert bench.script.differences == ["s.txt:1: > 35=A 34=1: not played from here on"]


def test_what_the_owner_of_the_client_does_is_a_hint():
    """The venue cannot make a client log out; it says that it is to, and goes on."""
    bench = Bench(*LOGON, "= log_out bye", "> 35=5 58=bye").open()
    bench.say("35=A 98=0 108=60 141=Y")

    assert bench.script.take_hints() == ["log_out bye"]
    bench.say("35=5 58=bye")
    bench.wait(QUIET_NS)
    assert bench.script.differences == []


@pytest.mark.parametrize(
    ("settings", "lines", "said"),
    [
        ({"role": "acceptor"}, LOGON, "s.txt: it is for an acceptor"),
        ({}, [], "s.txt: there is no line in it to play"),
        ({}, ["< nonsense"], "s.txt:1: < nonsense: expected fields as tag=value, received 'nonsense'"),
        ({}, ["> nonsense"], "s.txt:1: > nonsense: expected fields as tag=value, received 'nonsense'"),
        ({}, ["@ 60"], "s.txt:1: @ 60: expected a time like +61.000s, received '60'"),
    ],
)
def test_scripts_that_cannot_be_played(settings, lines, said):
    """A slip of the pen is found before anybody connects."""
    with pytest.raises(ConversationUnusable) as caught:
        Bench(*lines, settings=settings)

    assert str(caught.value).startswith(said)


def test_a_file_that_is_no_text(tmp_path):
    """It is said which byte is wrong."""
    (tmp_path / "s.txt").write_bytes(b"< 35=A 58=\xff")

    with pytest.raises(ConversationUnusable, match="byte 10 is not UTF-8"):
        read(tmp_path / "s.txt")
