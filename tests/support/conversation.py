"""Plays a conversation, one scenario as text, against a session, and a follower of it beside.

    # a comment, or a setting: `role acceptor`, `reset no`, `heartbeat 30`, `at 21:59:00`, `rollover`, `strict_time` …
    < 35=X 34=4 …              the other side sends; `34`, `49`, `56`, `52` and the framing are supplied where not given
    > 35=2 34=2 7=2 16=0       we send: the tags given must be so, `36=*` is any value, `43=-` is none
    ! GapFilled begin_seq_no=2 something happened: an event; `Delivery 35=X 34=4 …`; `Close text` where we close
    @ +61.000s                 time passes; nothing else moves the clock
    = log_out bye              the owner does: `log_out text`, `send fields`, `refuse 4 text`, `closed`, `opened`

A tag given as `52=-` is left out. What follows ` ~ ` are fields as they stand, parted by bars, at the end of the body;
`^A` is SOH within a value. `< raw text` is bytes as they stand, no frame made of them.

Between one `<`, `@` or `=` and the next, what is sent and what happens must be written down to the last message and
event, each in its order. `52=+130s` is that far off the clock; `|` before a field list sends the fields after it within
the same read.
"""

import re
from collections import deque
from dataclasses import fields as dataclass_fields
from dataclasses import replace
from pathlib import Path

from fix import CLIENT, SECOND, SOH, T0, VENUE, fields, frame, framed, seal

from capture.errors import MessageGarbled
from capture.session.events import SessionEvent
from capture.session.rollover import RolloverWindow
from capture.session.session import Delivery, Role, Session, SessionSettings
from capture.wire import values
from capture.wire.framer import Framer, FrameTooLong, Skipped
from capture.wire.message import Message, parse

STEP_NS = SECOND // 10
_NAMED = re.compile(r"\s+(?=[a-z_]+=)")
_OFF = re.compile(r"52=([+-]\d+)s")


class Surprise(AssertionError):
    """What was sent or happened is not what the conversation says."""


class Player:
    """One session, its clock, and the follower that is told the same facts."""

    def __init__(self, name: str, settings: dict[str, str]) -> None:
        self.name = name
        acceptor = settings.get("role") == "acceptor"
        self._us, self._them = (VENUE, CLIENT) if acceptor else (CLIENT, VENUE)
        agreed = SessionSettings(
            Role.ACCEPTOR if acceptor else Role.INITIATOR,
            sender=self._us.encode(),
            target=self._them.encode(),
            heartbeat_s=int(settings.get("heartbeat", 60)),
            reset=settings.get("reset") != "no",
            strict_time="strict_time" in settings,
            strict_content="strict_content" in settings,
            refuse_silently="refuse_silently" in settings,
            resent_types=None if "resend" in settings else frozenset(),
            resend_span=int(settings.get("resend_span", 0)),
            test_req_id=settings.get("test_req_id", "").encode(),
            hold_unsent="hold_unsent" in settings,
            prove_numbers="prove_numbers" in settings,
            next_expected="next_expected" in settings,
            rollover=_window(settings),
            supported=frozenset(settings["supported"].encode().split()) if "supported" in settings else None,
        )
        self.session, self._follower = Session(agreed), Session(replace(agreed, answers=False))
        self._now_ns = 0
        clock = settings.get("at", "12:00:00").encode()
        self._began_ns = T0 - values.time_of_day_ns(b"12:00:00") + values.time_of_day_ns(clock)
        self._their_next = 1
        self._sent: deque[Message] = deque()
        self._happened: deque[str] = deque()
        self._facts: tuple[list[object], list[object]] = ([], [])
        self._framer = Framer()
        self._close_reason: str | None = None
        self._opened()

    def play(self, lines: list[tuple[int, str]]) -> None:
        """Play the lines; raise Surprise at the first that does not come true."""
        for number, line in lines:
            kind, _, rest = line.partition(" ")
            where = f"{self.name}:{number}: {line}"
            if kind in {"<", "@", "="}:
                self._nothing_left(where)
            match kind:
                case "<":
                    self._receive(b"".join(self._frame(part) for part in rest.split(" | ")))
                case "@":
                    self._pass(round(float(rest.strip().removesuffix("s")) * SECOND))
                case "=":
                    self._own(rest)
                case ">":
                    self._expect_sent(rest, where)
                case "!":
                    self._expect_happened(rest, where)
                case _:
                    raise Surprise(f"{where}: begin a line with one of < > ! @ = #")
        self._nothing_left(f"{self.name}: the end")
        assert self._facts[0] == self._facts[1], f"{self.name}: a follower saw other facts"

    # What moves the session.

    def _frame(self, text: str) -> bytes:
        if text.startswith("raw "):
            return text[4:].encode().replace(b"^A", SOH)
        wall_ns = self._began_ns + self._now_ns
        text = _OFF.sub(lambda it: f"52={values.timestamp_text(wall_ns + int(it[1]) * SECOND).decode()}", text)
        text, _, raw = text.partition(" ~ ")
        data = frame(text, seq=self._their_next, sender=self._them, target=self._us, at_ns=wall_ns)
        given = dict(fields(text))
        if raw or "-" in given.values() or "^A" in text:
            data = _altered(data, raw)
        number = given.get(34, str(self._their_next))
        if number.isdigit() and given.get(43) != "Y":
            self._their_next = int(number) + 1
        return data

    def _receive(self, data: bytes) -> None:
        try:
            self._handle(data)
        except FrameTooLong as error:  # As the owners do: nothing after it can be read.
            self.session.close(str(error))
        self._flush()

    def _handle(self, data: bytes) -> None:
        for item in self._framer.feed(data):
            try:
                message = None if isinstance(item, Skipped) else parse(item.data)
            except MessageGarbled as error:
                self._ignored(error.reason)
                continue
            if message is None:
                self._ignored(item.reason)
                continue
            for session, facts in zip((self.session, self._follower), self._facts, strict=True):
                delivered = session.receive(message, self._began_ns + self._now_ns, self._now_ns)
                self._take_events(session, facts)
                for delivery in delivered:
                    facts.append(delivery)
                    if session is self.session:
                        self._happened.append(_told_delivery(delivery))
            # An initiator flushes after each read, a venue after each message.
            if self.session.settings.role is Role.ACCEPTOR:
                self._flush()

    def _ignored(self, reason: str) -> None:
        for session, facts in zip((self.session, self._follower), self._facts, strict=True):
            session.ignored(reason, self._now_ns)
            self._take_events(session, facts)

    def _pass(self, span_ns: int) -> None:
        until = self._now_ns + span_ns
        while self._now_ns < until:
            self._now_ns = min(self._now_ns + STEP_NS, until)
            self.session.tick(self._now_ns, self._began_ns + self._now_ns)
            self._flush()

    def _own(self, text: str) -> None:
        what, _, rest = text.partition(" ")
        match what:
            case "log_out":
                self.session.log_out(rest)
            case "send":
                (_, msg_type), *body = fields(rest)
                self.session.send(msg_type.encode(), tuple((tag, value.encode()) for tag, value in body))
            case "reset_numbers":
                self.session.reset_numbers()
            case "closed":
                for session, facts in zip((self.session, self._follower), self._facts, strict=True):
                    session.closed(self._began_ns + self._now_ns)
                    self._take_events(session, facts)
            case "refuse":  # The application refuses what it was handed last.
                reason, _, why = rest.partition(" ")
                last = [it for it in self._facts[0] if isinstance(it, Delivery)][-1]
                for session, facts in zip((self.session, self._follower), self._facts, strict=True):
                    session.refuse(last.message, int(reason), why)
                    self._take_events(session, facts)
            case "stall":  # The process stood still: the clock went on, nothing was done.
                self._now_ns += round(float(rest.removesuffix("s")) * SECOND)
                self.session.tick(self._now_ns, self._began_ns + self._now_ns)
            case "opened":
                self._opened()
        self._flush()

    def _opened(self) -> None:
        self._framer = Framer()
        self._their_next = self.session.inbound.expected
        if self.session.settings.reset or self.session.reset_next:
            self._their_next = 1
        for session in (self.session, self._follower):
            session.opened(self._now_ns, self._began_ns + self._now_ns)
        self._flush()

    # What comes of it.

    def _flush(self) -> None:
        self._take_events(self.session, self._facts[0])
        while (data := self.session.next_frame(self._began_ns + self._now_ns)) is not None:
            frames, skipped = framed(data)
            assert not skipped, "what we send is framed well"
            message = parse(frames[0].data)
            self._sent.append(message)
            for session, facts in zip((self.session, self._follower), self._facts, strict=True):
                session.sent(message, self._now_ns)
                self._take_events(session, facts)
        reason = self.session.close_reason
        if reason is not None and reason != self._close_reason:
            self._happened.append(f"Close {reason}")
        self._close_reason = reason

    def _take_events(self, session: Session, facts: list[object]) -> None:
        for event in session.take_events():
            facts.append(event)
            if session is self.session:
                self._happened.append(_told_event(event))

    def _expect_sent(self, text: str, where: str) -> None:
        if not self._sent:
            raise Surprise(f"{where}: nothing was sent")
        message = self._sent.popleft()
        for tag, value in fields(text):
            received = message.get(tag)
            told = "-" if received is None else message.text(tag)
            if told != value and (value != "*" or received is None):
                raise Surprise(f"{where}: tag {tag} is {told} in {_told_message(message)}")

    def _expect_happened(self, text: str, where: str) -> None:
        if not self._happened:
            raise Surprise(f"{where}: nothing happened")
        happened = self._happened.popleft()
        name, *wanted = _parts(text)
        told_name, *told = _parts(happened)
        missing = [part for part in wanted if part not in told]
        if name != told_name or missing:
            raise Surprise(f"{where}: what happened is {happened}")

    def _nothing_left(self, where: str) -> None:
        if self._sent:
            raise Surprise(f"before {where}: also sent: {_told_message(self._sent[0])}")
        if self._happened:
            raise Surprise(f"before {where}: also happened: {self._happened[0]}")


def _window(settings: dict[str, str]) -> RolloverWindow | None:
    """Return the roll-over at 22:00:00, by a Logon that says so or, where it is `daily`, that does not."""
    if "rollover" not in settings:
        return None
    return RolloverWindow(reset_flag=settings["rollover"] != "daily")


def _altered(data: bytes, raw: str) -> bytes:
    """Return a frame without its fields of the value `-`, and with raw fields at its end."""
    begin, _, *body, _, _ = data.split(SOH)
    body = [field for field in body if not field.endswith(b"=-")]
    body.extend(field.encode() for field in raw.split("|") if raw)
    return seal(b"".join(field.replace(b"^A", SOH) + SOH for field in body), begin=begin.partition(b"=")[2])


def _parts(text: str) -> list[str]:
    """Return a name and its fields; the text of a Close or of a field may hold blanks."""
    name, _, rest = text.strip().partition(" ")
    if name == "Delivery":
        return [name, *rest.split()]
    return [name, *(part for part in _NAMED.split(rest) if part)]


def _told_event(event: SessionEvent) -> str:
    told = [f"{it.name}={getattr(event, it.name)}" for it in dataclass_fields(event)]
    return " ".join([type(event).__name__, *told])


def _told_delivery(delivery: Delivery) -> str:
    told = [f"{tag}={value.decode()}" for tag, value in delivery.message.fields]
    marks = [name for name in ("possible_duplicate", "recovered") if getattr(delivery, name)]
    return " ".join(["Delivery", *told, *marks])


def _told_message(message: Message) -> str:
    return " ".join(f"{tag}={value.decode('ascii', 'backslashreplace')}" for tag, value in message.fields)


def read(path: Path) -> tuple[dict[str, str], list[tuple[int, str]]]:
    """Return the settings and the numbered lines of a file."""
    settings: dict[str, str] = {}
    lines: list[tuple[int, str]] = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        if text[0] in "<>!@=":
            lines.append((number, text))
        else:
            name, _, value = text.partition(" ")
            settings[name] = value
    return settings, lines


def play(path: Path) -> None:
    """Play a file. Errors: Surprise."""
    settings, lines = read(path)
    Player(path.name, settings).play(lines)
