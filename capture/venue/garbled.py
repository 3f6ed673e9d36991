"""Garbled messages that are refused although they are ignored: one reading of Kraken's sentence about them.

Layer: venue. Source: venue reference 2.5; row 21 of section 7. By default they are ignored, as FIX has it, and nothing
of this is in the way.

A message whose CheckSum(10) or BodyLength(9) is wrong does not count: the number expected next stays, so that the
client's next message opens a gap. It is answered by a Reject where its MsgSeqNum(34) can still be read, once the next
whole message shows where it ended; of several in a row the first one is.
"""

from collections.abc import Iterator
from typing import Final

from capture.errors import MessageGarbled
from capture.session.intake import Intake
from capture.session.session import Session
from capture.session.states import ESTABLISHED
from capture.wire import tags, values
from capture.wire.framer import FrameTooLong, Skipped
from capture.wire.message import Message, parse

GARBLED_BYTES_LIMIT: Final = 64 * 1024  # Of a stretch that is no message; more is passed over unread.
OTHER: Final = b"99"  # SessionRejectReason(373)


class RejectingIntake(Intake):
    """An intake that looks into what it passes over."""

    __slots__ = ("_done", "_held", "_total")

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._held = b""  # What came after the last whole message, `_done` bytes into the stream.
        self._done = self._total = 0

    def messages(self, data: bytes, mono_ns: int) -> Iterator[Message]:
        """Yield what is whole now; the session is told of what is no message, refuses it, and may be closed by it."""
        begin = self._total
        self._total += len(data)
        try:
            for item in self._framer.feed(data):
                if isinstance(item, Skipped):
                    stretch = self._since_done(data, begin)[: item.count]
                    self._done = item.stream_offset + item.count
                    self._refuse(stretch, item.reason, mono_ns)
                    continue
                self._done = item.stream_offset + len(item.data)
                try:
                    message = parse(item.data)
                except MessageGarbled as error:
                    self._refuse(item.data, error.reason, mono_ns)
                    continue
                yield message
        except FrameTooLong as error:
            self._session.close(str(error))
        self._held = self._since_done(data, begin)

    def _since_done(self, data: bytes, begin: int) -> bytes:
        """Return what came after the last whole message, up to the limit. begin: where `data` does in the stream."""
        since = data[self._done - begin :] if self._done >= begin else self._held + data
        return since[:GARBLED_BYTES_LIMIT]

    def _refuse(self, stretch: bytes, reason: str, mono_ns: int) -> None:
        self._session.ignored(reason, mono_ns)
        if self._session.state not in ESTABLISHED:
            return
        fields = _readable(stretch)
        number = fields.get(tags.MSG_SEQ_NUM, b"")
        msg_type = fields.get(tags.MSG_TYPE, b"")
        # A Reject is never rejected, or two engines could go on for ever.
        if not number.isdigit() or not msg_type or msg_type == tags.REJECT:
            return
        body = (
            (tags.REF_SEQ_NUM, number),
            (tags.TEXT, reason.encode("ascii", "backslashreplace").replace(tags.SOH, b" ")),
            (tags.REF_MSG_TYPE, msg_type),
            (tags.SESSION_REJECT_REASON, OTHER),
        )
        self._session.send(tags.REJECT, body)


def _readable(stretch: bytes) -> dict[int, bytes]:
    """Return the fields that can be read of the first message in a stretch, the first of each tag."""
    found: dict[int, bytes] = {}
    _, begin, rest = stretch.partition(b"8=FIX")
    for part in (begin + rest).split(tags.SOH):
        tag, equals, value = part.partition(b"=")
        if equals and tag.isdigit() and len(tag) <= values.DIGITS_LIMIT:
            if int(tag) == tags.BEGIN_STRING and found:
                break
            found.setdefault(int(tag), value)
    return found
