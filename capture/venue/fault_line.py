"""One connection's messages and what a fault makes of them: frames in, actions out.

Layer: venue. Between the acceptor's frames and the socket, sans I/O. Source: faults.md part B.
Left to others: which fault is due when (`venue.faults`), carrying out an action (`venue.server`).
"""

from collections.abc import Callable, Sequence
from random import Random
from typing import Final

from capture.session.session import Session
from capture.venue.faults import (
    DRIP_S,
    ENDLESS_BYTES,
    FAULTS,
    JUMP,
    LARGE_BYTES,
    LATE_S,
    SKEW_S,
    STALL_S,
    STORM_CONNECTIONS,
    Action,
    Close,
    FaultPlan,
    Precision,
    Reset,
    RollOver,
    Silence,
    Storm,
    Wait,
    Write,
)
from capture.venue.frames import rebuilt
from capture.wire import tags, values
from capture.wire.framer import FRAME_BYTES_LIMIT
from capture.wire.message import split

_SUM_BYTES: Final = 7  # 10=ddd and SOH


class FaultLine:
    """The faults on one connection; ask `until_next` how many frames may pass before the next one is due."""

    def __init__(self, plan: FaultPlan) -> None:
        self._plan = plan
        self._held: list[bytes] = []
        self._skew_s = 0
        self._does: dict[str, Callable[[bytes, Session], list[Action]]] = {
            "drop": self._drop,
            "duplicate": self._duplicate,
            "reorder": self._hold,
            "corrupt": self._corrupt,
            "checksum": self._wrong_sum,
            "length": self._wrong_length,
            "book-checksum": self._wrong_book,
            "stall": self._stall,
            "drip": self._drip,
            "half": self._half,
            "reset": self._reset,
            "large": self._large,
            "huge": self._huge,
            "endless": self._endless,
            "jump": self._jump,
            "low": self._low,
            "silent": self._silent,
            "empty-snapshot": self._empty,
            "late-snapshot": self._late,
            "update-first": self._hold,
            "precision": self._precision,
            "skew": self._skew,
            "storm": self._storm,
            "rollover": self._roll_over,
        }

    def until_next(self) -> int | None:
        """Return how many market messages pass before the next is to be given to `hit`, or None: all."""
        if self._held:
            return 0
        fault = self._plan.next
        return None if fault is None else max(fault.at - self._plan.count - 1, 0)

    def passed(self, frames: Sequence[bytes], *, market: bool) -> bytes:
        """Return frames as they go on the wire where nothing is due."""
        if market:
            self._plan.count += len(frames)
        if self._skew_s:
            frames = [_skewed(frame, self._skew_s) for frame in frames]
        return b"".join(frames)

    def hit(self, frame: bytes, session: Session) -> list[Action]:
        """Return what becomes of the one market message that a fault is due at."""
        plan = self._plan
        plan.count += 1
        if self._held:
            return [Write(self._released(frame))]
        assert plan.next is not None
        name = plan.next.name
        what, fits = FAULTS[name]
        if not fits(frame):
            return [Write(self.passed([frame], market=False))]
        plan.done(f"{name} at market message {plan.count}, MsgSeqNum {int(_number(frame))}: {what}")
        return self._does[name](frame, session)

    # What each of them does.

    def _drop(self, frame: bytes, session: Session) -> list[Action]:
        return []

    def _duplicate(self, frame: bytes, session: Session) -> list[Action]:
        return [Write(frame), Write(frame)]

    def _hold(self, frame: bytes, session: Session) -> list[Action]:
        self._held.append(frame)
        return []

    def _released(self, frame: bytes) -> bytes:
        """Return a held message and the one after it, in the other order."""
        held = self._held.pop()
        if b"\x0135=W\x01" in held:  # It is the snapshot that comes late, not the number.
            numbers = _number(held), _number(frame)
            return rebuilt(frame, {tags.MSG_SEQ_NUM: numbers[0]}) + rebuilt(held, {tags.MSG_SEQ_NUM: numbers[1]})
        return frame + held

    def _corrupt(self, frame: bytes, session: Session) -> list[Action]:
        random = Random(f"{self._plan.seed} {self._plan.count}")  # noqa: S311 - a place in a message
        body = frame.index(b"\x0134=") + 4
        places = [at for at in range(body, len(frame) - _SUM_BYTES) if frame[at] not in b"\x01="]
        at = random.choice(places)
        return [Write(frame[:at] + bytes([frame[at] ^ 0x02]) + frame[at + 1 :])]

    def _wrong_sum(self, frame: bytes, session: Session) -> list[Action]:
        return [Write(frame[:-4] + b"%03d\x01" % ((int(frame[-4:-1]) + 1) % 256))]

    def _wrong_length(self, frame: bytes, session: Session) -> list[Action]:
        length = split(frame).need(tags.BODY_LENGTH)
        return [Write(frame.replace(b"\x019=%b\x01" % length, b"\x019=%d\x01" % (int(length) + 7), 1))]

    def _wrong_book(self, frame: bytes, session: Session) -> list[Action]:
        value = int(split(frame).need(tags.CHECKSUM_ORDER_BOOK))
        return [Write(rebuilt(frame, {tags.CHECKSUM_ORDER_BOOK: b"%d" % (value ^ 1)}))]

    def _stall(self, frame: bytes, session: Session) -> list[Action]:
        return [Wait(STALL_S), Write(frame)]

    def _late(self, frame: bytes, session: Session) -> list[Action]:
        return [Wait(LATE_S), Write(frame)]

    def _drip(self, frame: bytes, session: Session) -> list[Action]:
        return [action for at in range(len(frame)) for action in (Write(frame[at : at + 1]), Wait(DRIP_S))]

    def _half(self, frame: bytes, session: Session) -> list[Action]:
        return [Write(frame[: len(frame) // 2]), Close()]

    def _reset(self, frame: bytes, session: Session) -> list[Action]:
        return [Write(frame[: len(frame) // 2]), Wait(DRIP_S), Reset()]

    def _large(self, frame: bytes, session: Session) -> list[Action]:
        number = int(_number(frame))
        session.next_out += 1
        message = rebuilt(frame, {tags.MSG_TYPE: b"B"}, body=((tags.TEXT, b"A" * LARGE_BYTES),))
        return [Write(message), Write(rebuilt(frame, {tags.MSG_SEQ_NUM: b"%d" % (number + 1)}))]

    def _huge(self, frame: bytes, session: Session) -> list[Action]:
        return [Write(b"8=FIX.4.4\x019=%d\x0135=X\x01" % (FRAME_BYTES_LIMIT + 1))]

    def _endless(self, frame: bytes, session: Session) -> list[Action]:
        head = b"8=FIX.4.4\x019=%d\x0135=X\x0158=" % FRAME_BYTES_LIMIT
        return [Write(head), Write(b"A" * ENDLESS_BYTES)]

    def _jump(self, frame: bytes, session: Session) -> list[Action]:
        session.next_out += JUMP
        return [Write(rebuilt(frame, {tags.MSG_SEQ_NUM: b"%d" % (int(_number(frame)) + JUMP)}))]

    def _low(self, frame: bytes, session: Session) -> list[Action]:
        return [Write(rebuilt(frame, {tags.MSG_SEQ_NUM: b"1"}))]

    def _silent(self, frame: bytes, session: Session) -> list[Action]:
        return [Silence()]

    def _empty(self, frame: bytes, session: Session) -> list[Action]:
        kept = [(tag, value) for tag, value in split(frame).fields if tag in {tags.SYMBOL, tags.MD_REQ_ID}]
        return [Write(rebuilt(frame, {tags.MSG_TYPE: b"W"}, body=(*kept, (tags.NO_MD_ENTRIES, b"0"))))]

    def _precision(self, frame: bytes, session: Session) -> list[Action]:
        return [Write(frame), Precision(split(frame).text(tags.SYMBOL))]

    def _skew(self, frame: bytes, session: Session) -> list[Action]:
        self._skew_s = SKEW_S
        return [Write(_skewed(frame, SKEW_S))]

    def _storm(self, frame: bytes, session: Session) -> list[Action]:
        return [Storm(STORM_CONNECTIONS)]

    def _roll_over(self, frame: bytes, session: Session) -> list[Action]:
        return [Write(frame), RollOver()]


def _number(frame: bytes) -> bytes:
    return split(frame).need(tags.MSG_SEQ_NUM)


def _skewed(frame: bytes, seconds: int) -> bytes:
    at_ns = values.timestamp_ns(split(frame).need(tags.SENDING_TIME)) + seconds * values.SECOND_NS
    return rebuilt(frame, {tags.SENDING_TIME: values.timestamp_text(at_ns)})
