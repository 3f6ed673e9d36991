"""What one recorder saw of one symbol, message by message.

Layer: storage, pure: no file, no Arrow, and nothing of a second recorder.
Left to others: messages out of a lake's rows (`storage.union.lines`); which message of the other recorder is the same
(`storage.union.aligner`).

The content of a message is what the venue said in it: type, checksum and entries. What belongs to a session, numbers
and times of arrival, is no part of it, nor is a level that the recorder cut from its own book.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from capture.market.decoder import Entry
from capture.sinks import Position


class Ref(NamedTuple):
    """A message of one recorder, by its own session's number. receive_ns: by its own clock."""

    session_id: str
    msg_seq_num: int
    receive_ns: int


class Seen(NamedTuple):
    """One message as one recorder has it."""

    ref: Ref
    sending_ms: int
    msg_type: str
    checksum: int | None
    entries: tuple[Entry, ...]
    flags: int
    size: int
    position: Position
    is_snapshot: bool


@dataclass(frozen=True, slots=True)
class Line:
    """The messages of one recorder and symbol by what matters to a place among those of the other; in their order.

    contents: equal where two messages say the same. key_ms: when the venue made it, by MDEntryTime(273) or else
    SendingTime(52): the same for every recorder, or nearly. linked: whether nothing can lie between a message and the
    one before it. is_snapshot: whether it is a whole book.
    """

    contents: Sequence[bytes]
    sending_ms: Sequence[int]
    key_ms: Sequence[int]
    linked: Sequence[int]
    is_snapshot: Sequence[int]

    @property
    def count(self) -> int:
        """How many messages there are."""
        return len(self.contents)


class Breaks:
    """When each session of a recorder lost messages for good. Units: receive_ns."""

    def __init__(self) -> None:
        self._times: dict[str, list[int]] = defaultdict(list)

    def add(self, session_id: str, at_ns: int) -> None:
        """Take note of a break; they come in order of time."""
        self._times[session_id].append(at_ns)

    def of(self, session_id: str) -> Sequence[int]:
        """Return the times of a session's breaks."""
        return self._times.get(session_id, ())

    def between(self, before: Ref, after: Ref) -> bool:
        """Return whether a message can be missing between two of one session."""
        if before.session_id != after.session_id:
            return True
        times = self.of(before.session_id)
        place = bisect_left(times, before.receive_ns)
        return place < len(times) and times[place] <= after.receive_ns
