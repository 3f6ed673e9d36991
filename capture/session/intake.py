"""Bytes of one connection to the messages that a session is to receive.

Layer: session. Joins framer and parser for owners that read no market data; the feed has its own way, by the fast lane.
Source: cases FRM-1 to FRM-11.
Left to others: receiving each message, and answering it before the next one is taken.
"""

from collections.abc import Iterator

from capture.errors import MessageGarbled
from capture.session.session import Session
from capture.wire.framer import Framer, FrameTooLong, Skipped
from capture.wire.message import Message, parse


class Intake:
    """The reading side of one connection; make a new one for each."""

    __slots__ = ("_framer", "_session")

    def __init__(self, session: Session) -> None:
        self._session = session
        self._framer = Framer()

    def messages(self, data: bytes, mono_ns: int) -> Iterator[Message]:
        """Yield what is whole now; the session is told of what is no message, and ended by one past the limit."""
        try:
            for item in self._framer.feed(data):
                if isinstance(item, Skipped):
                    self._session.ignored(item.reason, mono_ns)
                    continue
                try:
                    message = parse(item.data)
                except MessageGarbled as error:
                    self._session.ignored(error.reason, mono_ns)
                    continue
                yield message
        except FrameTooLong as error:
            # The answer to our Logout may still be found in what follows.
            self._framer = Framer()
            self._session.overrun(str(error))
