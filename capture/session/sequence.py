"""Numbers that come in: what is expected next, and what is kept while earlier ones are missing.

Layer: session. Knows MsgSeqNum(34) only; whether a gap is worth asking for is the session's affair.
Source: FIX 4.4 volume 2, "Sequence numbers"; cases GAP-1 to GAP-9.
"""

from copy import copy
from typing import Final

from capture.wire.message import Message

KEPT_MESSAGES_LIMIT: Final = 4096
KEPT_BYTES_LIMIT: Final = 32 * 1024 * 1024


class InboundSequence:
    """The next number expected, and messages kept beyond a gap, bounded in count and bytes.

    On overflow what was kept is forgotten: a ResendRequest without an end covers it, so it will come again.
    """

    __slots__ = ("_kept", "_kept_bytes", "answered", "expected", "highest_seen")

    def __init__(self) -> None:
        self.expected = 1
        self.highest_seen = 0
        self.answered: set[int] = set()  # Of ResendRequests beyond the gap, which are answered when they come.
        self._kept: dict[int, Message] = {}
        self._kept_bytes = 0

    def twin(self) -> "InboundSequence":
        """Return another in the same state."""
        twin = copy(self)
        twin.answered, twin._kept = set(self.answered), dict(self._kept)  # noqa: SLF001 - a copy of itself
        return twin

    def reset(self, expected: int) -> None:
        """Begin anew at a number; nothing kept survives."""
        self.expected = expected
        self.highest_seen = expected - 1
        self._forget()

    def keep(self, seq_num: int, message: Message) -> None:
        """Keep a message that is too high until its turn."""
        self.highest_seen = max(self.highest_seen, seq_num)
        if len(self._kept) >= KEPT_MESSAGES_LIMIT or self._kept_bytes + len(message.frame) > KEPT_BYTES_LIMIT:
            self._forget()
            return
        if self._kept.setdefault(seq_num, message) is message:
            self._kept_bytes += len(message.frame)

    def advance(self, to: int) -> None:
        """Account for every number below `to`."""
        if self._kept:
            # A resend goes by one number after another: looking through all that is kept each time would be quadratic.
            passed = range(self.expected, to) if to - self.expected < len(self._kept) else list(self._kept)
            for seq_num in passed:
                if seq_num < to and (message := self._kept.pop(seq_num, None)) is not None:
                    self._kept_bytes -= len(message.frame)
        self.expected = to
        self.highest_seen = max(self.highest_seen, to - 1)

    def take_next(self) -> Message | None:
        """Return the kept message whose turn has come, if it was kept."""
        message = self._kept.pop(self.expected, None)
        if message is not None:
            self._kept_bytes -= len(message.frame)
        return message

    @property
    def complete(self) -> bool:
        """Whether every number seen is accounted for."""
        return self.expected > self.highest_seen

    def _forget(self) -> None:
        self.answered.clear()
        self._kept.clear()
        self._kept_bytes = 0
