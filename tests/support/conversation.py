"""The language of conversations: one scenario as text, held against what is sent and what happens.

It is described in `docs/session.md`. What is sent and what happens must be written down to the last message and event,
each in its order. Left to others: files and frames of them (`capture.venue.conversation`), what is played against
(`players`).
"""

import re
from collections import defaultdict, deque
from dataclasses import fields as dataclass_fields
from typing import Self

from fix import SECOND, T0

from capture.session.events import SessionEvent
from capture.session.session import Delivery
from capture.venue.conversation import difference, frame, next_number, shown, span_ns
from capture.wire import values
from capture.wire.message import Message

STEP_NS = SECOND // 10
_NAMED = re.compile(r"\s+(?=[a-z_]+=)")


class Surprise(AssertionError):
    """What was sent or happened is not what the conversation says."""


class Script:
    """A conversation line by line, as a context manager.

    What moves it is a subclass's; what comes of it is held against the text here. Lists of what was sent and of what
    happened are by connection; most conversations have only one, without a label.
    """

    def __init__(self, name: str, settings: dict[str, str]) -> None:
        self.name = name
        self.now_ns = 0
        clock = settings.get("at", "12:00:00").encode()
        self._began_ns = T0 - values.time_of_day_ns(b"12:00:00") + values.time_of_day_ns(clock)
        self.sent: defaultdict[str, deque[Message]] = defaultdict(deque)
        self.happened: defaultdict[str, deque[str]] = defaultdict(deque)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """End what the script began; nothing, unless a subclass says so."""

    @property
    def wall_ns(self) -> int:
        """The wall clock's time."""
        return self._began_ns + self.now_ns

    def receive(self, label: str, rest: str) -> None:
        """The other side sends."""
        raise NotImplementedError

    def own(self, label: str, rest: str) -> None:
        """The owner does something."""
        raise NotImplementedError

    def tick(self) -> None:
        """Some time has passed."""
        raise NotImplementedError

    def play(self, lines: list[tuple[int, str]]) -> None:
        """Play the lines; raise Surprise at the first that does not come true."""
        for number, line in lines:
            kind, (label, _, rest) = line[0], line[1:].partition(" ")
            where = f"{self.name}:{number}: {line}"
            if kind in "<@=":
                self._nothing_left(where)
            match kind:
                case "<":
                    self.receive(label, rest)
                case "@":
                    self._pass(span_ns(rest))
                case "=":
                    self.own(label, rest)
                case ">":
                    self._expect_sent(label, rest, where)
                case "!":
                    self._expect_happened(label, rest, where)
                case _:
                    raise Surprise(f"{where}: begin a line with one of < > ! @ = #")
        self._nothing_left(f"{self.name}: the end")

    def _pass(self, span_ns: int) -> None:
        until = self.now_ns + span_ns
        while self.now_ns < until:
            self.now_ns = min(self.now_ns + STEP_NS, until)
            self.tick()

    def _expect_sent(self, label: str, text: str, where: str) -> None:
        if not self.sent[label]:
            raise Surprise(f"{where}: nothing was sent")
        found = difference(text, self.sent[label].popleft())
        if found:
            raise Surprise(f"{where}: {found}")

    def _expect_happened(self, label: str, text: str, where: str) -> None:
        if not self.happened[label]:
            raise Surprise(f"{where}: nothing happened")
        happened = self.happened[label].popleft()
        name, *wanted = _parts(text)
        told_name, *told = _parts(happened)
        missing = [part for part in wanted if part not in told]
        if name != told_name or missing:
            raise Surprise(f"{where}: what happened is {happened}")

    def _nothing_left(self, where: str) -> None:
        for sent in self.sent.values():
            if sent:
                raise Surprise(f"before {where}: also sent: {shown(sent[0])}")
        for happened in self.happened.values():
            if happened:
                raise Surprise(f"before {where}: also happened: {happened[0]}")


class OtherSide:
    """What the other side of a connection says: it counts its messages."""

    def __init__(self, us: str, them: str) -> None:
        self._us, self._them = us, them
        self.next_out = 1

    def say(self, rest: str, wall_ns: int) -> bytes:
        """Return what a line sends, all parts of it within one read."""
        return b"".join(self._frame(part, wall_ns) for part in rest.split(" | "))

    def _frame(self, text: str, wall_ns: int) -> bytes:
        data = frame(text, seq_num=self.next_out, sender=self._them, target=self._us, at_ns=wall_ns)
        self.next_out = next_number(text, self.next_out)
        return data


def _parts(text: str) -> list[str]:
    """Return a name and its fields; the text of a Close or of a field may hold blanks."""
    name, _, rest = text.strip().partition(" ")
    if name == "Delivery":
        return [name, *rest.split()]
    return [name, *(part for part in _NAMED.split(rest) if part)]


def told_event(event: SessionEvent) -> str:
    """Return an event as a line tells it."""
    told = [f"{it.name}={getattr(event, it.name)}" for it in dataclass_fields(event)]
    return " ".join([type(event).__name__, *told])


def told_delivery(delivery: Delivery) -> str:
    told = [f"{tag}={value.decode()}" for tag, value in delivery.message.fields]
    marks = [name for name in ("possible_duplicate", "recovered") if getattr(delivery, name)]
    return " ".join(["Delivery", *told, *marks])
