"""A bare initiator on a socket: one session after another, each thing that happens reported.

Layer: beside the client; wire and session only, no market and no journal. For conformance tools and first contacts.
Source: fix44-session cases for the initiator; what they ask of an owner.

A message is stored and taken note of before it goes out (STO-1); what came is stored as handled after it was reported
(STO-2).
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Any, Final, cast

from capture import clock
from capture.backoff import Backoff, Ending
from capture.errors import VenueError
from capture.session.intake import Intake
from capture.session.session import Session
from capture.session.states import ESTABLISHED
from capture.wire import tags
from capture.wire.message import Field, Message, parse

TICK_S: Final = 0.05
CLOSE_TIME_S: Final = 12.0  # A little more than the session's own limit for a Logout.
MESSAGES_LIMIT: Final = 10_000  # To be sent after the logon.
_SECRET: Final = frozenset({tags.USERNAME, tags.PASSWORD, 96})

Report = Callable[[dict[str, Any]], None]
Connect = Callable[[Callable[[], "_Link"]], Awaitable["_Link"]]
Request = tuple[bytes, tuple[Field, ...]]


def shown(message: Message) -> str:
    """Return a message with SOH as |, and what is secret in it as stars."""
    fields = ((tag, b"***" if tag in _SECRET else value) for tag, value in message.fields)
    return "".join(f"{tag}={value.decode('utf-8', 'backslashreplace')}|" for tag, value in fields)


class _Link(asyncio.Protocol):
    """One connection."""

    def __init__(self, owner: "BareInitiator") -> None:
        self._owner = owner
        self.transport: asyncio.Transport | None = None
        self.intake = Intake(owner.session)
        self.closed = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop registers no such class.
        self._owner.connection_made(self)

    def data_received(self, data: bytes) -> None:
        self._owner.data_received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._owner.connection_lost(exc)
        if not self.closed.done():
            self.closed.set_result(None)


class BareInitiator:
    """Keeps one session connected until it is stopped, and says what happens.

    requests: sent after each logon.
    """

    def __init__(self, session: Session, connect: Connect, report: Report, requests: tuple[Request, ...] = ()) -> None:
        assert len(requests) <= MESSAGES_LIMIT, "more messages than the limit"
        self.session = session
        self._connect, self._report, self._requests = connect, report, requests
        self._backoff = Backoff(random.uniform)
        self._stopping = asyncio.Event()
        self._link: _Link | None = None
        self._logged_on = False

    async def run(self) -> None:
        """Stay connected until `stop`; a connection that fails is reported and tried again."""
        loop = asyncio.get_running_loop()
        while not self._stopping.is_set():
            begin, self._logged_on = loop.time(), False
            ending = Ending.UNREACHABLE
            try:
                link = await self._connect(lambda: _Link(self))
                await link.closed
                ending = Ending.DROPPED if self._logged_on else Ending.REFUSED
            except VenueError as error:
                self._report({"event": "unreachable", "text": str(error)})
            if not self._stopping.is_set():
                try:
                    async with asyncio.timeout(self._backoff.after(ending, loop.time() - begin)):
                        await self._stopping.wait()
                except TimeoutError:
                    continue

    def stop(self) -> None:
        """Log out, then end `run`."""
        self._stopping.set()
        self.session.log_out("")
        self._flush()
        asyncio.get_running_loop().call_later(CLOSE_TIME_S, self._abort)

    # The transport calls these.

    def connection_made(self, link: _Link) -> None:
        """Begin a session."""
        now = clock.read()
        self._link = link
        self._report({"event": "connected"})
        self.session.opened(now.mono_ns, now.wall_ns)
        self._flush()
        self._tick()

    def data_received(self, data: bytes) -> None:
        """Handle what came, message by message."""
        assert self._link is not None
        now = clock.read()
        for message in self._link.intake.messages(data, now.mono_ns):
            for delivery in self.session.receive(message, now.wall_ns, now.mono_ns):
                self._tell()
                self._report({"event": "delivered", "message": shown(delivery.message)})
            self.session.handled()
            self._flush()
        self._flush()

    def connection_lost(self, error: Exception | None) -> None:
        """End the session with its connection."""
        reason = self.session.close_reason or (str(error) if error is not None else "closed by the other side")
        self._link = None
        self.session.closed(clock.read().wall_ns)
        self._tell()
        self._report({"event": "disconnected", "text": reason})

    # Helpers.

    def _tick(self) -> None:
        if self._link is not None:
            now = clock.read()
            self.session.tick(now.mono_ns, now.wall_ns)
            self._flush()
            asyncio.get_running_loop().call_later(TICK_S, self._tick)

    def _flush(self) -> None:
        self._tell()
        if not self._logged_on and self.session.state in ESTABLISHED:
            self._logged_on = True
            for msg_type, body in self._requests:
                self.session.send(msg_type, body)
        transport = self._link.transport if self._link is not None else None
        now = clock.read()
        while transport is not None and (frame := self.session.next_frame(now.wall_ns)) is not None:
            message = parse(frame)
            self.session.sent(message, now.mono_ns)
            transport.write(frame)
            self._report({"event": "sent", "message": shown(message)})
        self._tell()
        if self.session.close_reason is not None and transport is not None:
            transport.close()

    def _tell(self) -> None:
        for event in self.session.take_events():
            self._report({"event": type(event).__name__, **asdict(event)})

    def _abort(self) -> None:
        if self._link is not None and self._link.transport is not None:
            self._link.transport.abort()
