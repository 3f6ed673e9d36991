"""A conversation that a venue plays to a client: says the `<` lines, and holds what comes against the `>` lines.

Layer: venue. Sans I/O, time as an argument. Source: style guide section 7; the text form is `venue.conversation`'s.
Left to others: sockets and timers (`venue.script_server`).

The owner calls `opened`, `received`, `closed` and, often, `tick`; then writes what `take_bytes` returns, closes where
`closes` says so, and stops when `done`. What else a line can say is the client's own affair: `!` is passed over but for
`! Close`, where the connection has to end; of `=` lines `closed` ends it, `opened` waits for the next one, and others
are for whoever holds the client, who is told by `take_hints`.
"""

from collections import deque
from typing import Final

from capture.errors import MessageGarbled
from capture.venue.conversation import (
    Conversation,
    ConversationUnusable,
    difference,
    frame,
    next_number,
    shown,
    span_ns,
)
from capture.venue.settings import TARGET_COMP_ID
from capture.wire import tags, values
from capture.wire.framer import Framer, FrameTooLong, Skipped
from capture.wire.message import Message, parse

ANSWER_NS: Final = 10 * values.SECOND_NS  # For a message, or for the end of the connection.
CONNECT_NS: Final = 120 * values.SECOND_NS  # For the next connection; for the first one there is no limit.
QUIET_NS: Final = values.SECOND_NS // 2  # After the last line: whatever comes then is too much.
WAITING_LIMIT: Final = 10_000  # Messages that came and were not held against a line yet.
DIFFERENCES_LIMIT: Final = 100  # Past it the rest would be more of the same.


class Script:
    """One conversation being played; see the module for the owner's loop.

    differences: where what came is not what is written, file and line first. sent, received: messages so far.
    Errors: ConversationUnusable for a file that is a client's side, or a line that cannot be read.
    """

    def __init__(self, name: str, conversation: Conversation) -> None:
        role = conversation.settings.get("role", "initiator")
        if role != "initiator":
            raise ConversationUnusable(name, f"it is for an {role}, so its < lines are a client's; use one of a client")
        if not conversation.lines:
            raise ConversationUnusable(name, "there is no line in it to play; begin one with < or >")
        self.name = name
        self.differences: list[str] = []
        self.sent = self.received_count = 0
        self.closes = self.done = False
        self._lines = conversation.lines
        self._keeps_numbers = conversation.settings.get("reset") == "no"
        self._at = 0
        self._since_ns = 0  # When the present line's turn came,
        self._begun = False  # and whether it was looked at since.
        self._connected = False
        self._opened_count = 0
        self._spoke = False  # On this connection.
        self._over = False  # The connection ended where the script has it end: what it still says reaches nobody.
        self._framer = Framer()
        self._came: deque[Message] = deque()
        self._said: dict[int, bytes] = {}  # What the client said last, by tag.
        self._number = 1
        self._out = bytearray()
        self._hints: list[str] = []
        self._check()

    # What the owner calls.

    def opened(self, wall_ns: int, mono_ns: int) -> None:
        """Begin on a new connection."""
        self._connected, self.closes = True, False
        self._spoke = self._over = False
        self._opened_count += 1
        if self._opened_count == 1:
            self._since_ns = mono_ns
        self._framer = Framer()
        if not self._keeps_numbers:
            self._number = 1
        self.tick(wall_ns, mono_ns)

    def received(self, data: bytes, wall_ns: int, mono_ns: int) -> None:
        """Take bytes of the client."""
        try:
            for item in self._framer.feed(data):
                if self.done:
                    return
                if isinstance(item, Skipped):
                    self._differs(f"{item.count} bytes came that are no message: {item.reason}")
                else:
                    self._take(item.data)
        except FrameTooLong as error:
            self._end(f"no message can be so long: {error}")
        self.tick(wall_ns, mono_ns)

    def closed(self, wall_ns: int, mono_ns: int) -> None:
        """Take note of the connection's end."""
        self._connected = self.closes = False
        self.tick(wall_ns, mono_ns)

    def tick(self, wall_ns: int, mono_ns: int) -> None:
        """Go on as far as it goes now."""
        while not self.done and self._at < len(self._lines):
            if not self._step(wall_ns, mono_ns):
                return
            self._at += 1
            self._since_ns, self._begun = mono_ns, False
        if not self.done and (mono_ns - self._since_ns >= QUIET_NS or not self._connected):
            self._nothing_left("the end")
            self._end()

    def stop(self) -> None:
        """End it where it is; what was not played is a difference."""
        if not self.done and self._at < len(self._lines):
            self._end("not played from here on")

    def take_bytes(self) -> bytes:
        """Return what is to be written now."""
        taken = bytes(self._out)
        self._out.clear()
        return taken

    def take_hints(self) -> list[str]:
        """Return what whoever holds the client is to do now."""
        taken, self._hints = self._hints, []
        return taken

    # Lines.

    def _check(self) -> None:
        """Read every line once, so that a slip of the pen is found before anybody connects. Errors: its own."""
        anything = dict.fromkeys(range(1, 10_000), b"1")
        for number, line in self._lines:
            rest = line[1:].strip()
            try:
                match line[0]:
                    case "<":
                        for part in rest.split(" | "):
                            frame(part, seq_num=1, sender="A", target="B", at_ns=0, said=anything)
                            next_number(part, 1)
                    case ">":
                        difference(rest, Message([(tags.MSG_TYPE, b"0")], b""))
                    case "@":
                        span_ns(rest)
            except ValueError as error:
                raise ConversationUnusable(f"{self.name}:{number}: {line}", str(error)) from None

    def _step(self, wall_ns: int, mono_ns: int) -> bool:
        """Return whether the present line is done with; it is asked again later where not."""
        line = self._lines[self._at][1]
        kind, rest = line[0], line[1:].strip()
        if kind in "<@=" and not self._begun:
            self._nothing_left(line)
        self._begun = True
        match kind:
            case "<":
                return self._say(rest, wall_ns)
            case ">":
                return self._expect(rest, mono_ns)
            case "@":
                return mono_ns - self._since_ns >= span_ns(rest)
            case "!":
                return not rest.startswith("Close") or self._expect_close(mono_ns)
        return self._own(rest, mono_ns)

    def _say(self, text: str, wall_ns: int) -> bool:
        if not self._connected:
            if self._opened_count and not self._over:
                self._end("the connection ended before this was said")
            return self._over
        us = self._said.get(tags.TARGET_COMP_ID, TARGET_COMP_ID).decode("utf-8", "replace")
        them = self._said.get(tags.SENDER_COMP_ID, b"CLIENT").decode("utf-8", "replace")
        for part in text.split(" | "):
            try:
                data = frame(part, seq_num=self._number, sender=us, target=them, at_ns=wall_ns, said=self._said)
            except ValueError as error:
                self._end(str(error))
                return False
            self._number = next_number(part, self._number)
            self._out += data
            self._spoke = True
            self.sent += 1
        return True

    def _expect(self, text: str, mono_ns: int) -> bool:
        if self._came:
            found = difference(text, self._came.popleft())
            if found:
                self._differs(found)
            return True
        if self._opened_count and not self._connected:
            self._end("the connection ended, and nothing came")
        elif self._connected and mono_ns - self._since_ns >= ANSWER_NS:
            self._end(f"nothing came within {ANSWER_NS // values.SECOND_NS} s")
        return False

    def _expect_close(self, mono_ns: int) -> bool:
        if self._connected and mono_ns - self._since_ns >= ANSWER_NS:
            self._differs(f"the connection was not ended within {ANSWER_NS // values.SECOND_NS} s")
            return True
        self._over = not self._connected
        return self._over

    def _own(self, text: str, mono_ns: int) -> bool:
        match text.partition(" ")[0]:
            case "closed":
                self.closes, self._over = self._connected, not self._connected
                return self._over
            case "opened":
                if not self._connected and mono_ns - self._since_ns >= CONNECT_NS:
                    self._end(f"nobody connected within {CONNECT_NS // values.SECOND_NS} s")
                return self._connected
        self._hints.append(text)
        return True

    # What comes.

    def _take(self, data: bytes) -> None:
        try:
            message = parse(data)
        except MessageGarbled as error:
            self._differs(f"a message came that cannot be read: {error.reason}")
            return
        self.received_count += 1
        self._said.update(reversed(message.fields))
        if message.msg_type == tags.LOGON and message.get(tags.RESET_SEQ_NUM_FLAG) == b"Y" and not self._spoke:
            self._number = 1
        if len(self._came) >= WAITING_LIMIT:
            self._end(f"more than {WAITING_LIMIT} messages came that no line is about")
            return
        self._came.append(message)

    def _nothing_left(self, before: str) -> None:
        while self._came and not self.done:
            self._differs(f"before {before!r} also came {shown(self._came.popleft())}")

    def _differs(self, text: str) -> None:
        where = "the end"
        if self._at < len(self._lines):
            number, line = self._lines[self._at]
            where = f"{number}: {line}"
        self.differences.append(f"{self.name}:{where}: {text}")
        if len(self.differences) >= DIFFERENCES_LIMIT:
            self.done = self.closes = True

    def _end(self, text: str = "") -> None:
        if text:
            self._differs(text)
        self.done = self.closes = True
