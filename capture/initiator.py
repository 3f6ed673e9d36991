"""A bare initiator on a socket: one session after another, each thing that happens reported.

Layer: beside the client; wire and session only, no market and no journal. For conformance tools and first contacts.
Source: fix44-session cases for the initiator; what they ask of an owner.
Left to others: how long to wait before the next connection (`backoff`).

A message is stored before it goes out (STO-1); what came is stored as handled after its delivery was reported
(STO-2), and before any event says what became of it.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any, Final, cast

from capture import clock
from capture.backoff import Backoff, ending_of
from capture.errors import VenueError
from capture.session import events
from capture.session.intake import Intake
from capture.session.session import Session
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

    def __init__(
        self,
        session: Session,
        connect: Connect,
        report: Report,
        requests: tuple[Request, ...] = (),
        *,
        backoff: Backoff | None = None,
    ) -> None:
        assert len(requests) <= MESSAGES_LIMIT, "more messages than the limit"
        self.session = session
        self._connect, self._report, self._requests = connect, report, requests
        self._backoff = backoff or Backoff(random.uniform)
        self._stopping = asyncio.Event()
        self._connecting: asyncio.Future[_Link] | None = None
        self._link: _Link | None = None
        self._failure: Exception | None = None
        # Of the present connection:
        self._logged_on = False
        self._refusal: str | None = None

    async def run(self) -> None:
        """Stay connected until `stop`; a connection that fails is reported and tried again.

        Errors: whatever reporting raises, a reader that left among it.
        """
        loop = asyncio.get_running_loop()
        while not self._stopping.is_set():
            begin = loop.time()
            self._logged_on, self._refusal = False, None
            await self._one_connection()
            if self._failure is not None:
                raise self._failure
            if self._stopping.is_set():
                return
            ending = ending_of(logged_on=self._logged_on, refusal=self._refusal, rolling_over=self._rolling_over())
            delay_s = self._backoff.after(ending, loop.time() - begin)
            self._report({"event": "waiting", "seconds": round(delay_s, 3), "text": ending.value})
            try:
                async with asyncio.timeout(delay_s):
                    await self._stopping.wait()
            except TimeoutError:
                continue

    def stop(self) -> None:
        """Log out, then end `run`."""
        self._stopping.set()
        if self._connecting is not None:
            self._connecting.cancel()
        with self._ending_on_failure():
            self.session.log_out("")
            self._flush()
        asyncio.get_running_loop().call_later(CLOSE_TIME_S, self._abort)

    async def _one_connection(self) -> None:
        """Connect, and stay until the connection ends."""
        self._connecting = asyncio.ensure_future(self._connect(lambda: _Link(self)))
        try:
            link = await self._connecting
        except VenueError as error:
            self._report({"event": "unreachable", "text": str(error)})
            return
        except asyncio.CancelledError:
            if self._stopping.is_set():
                return
            raise
        finally:
            self._connecting = None
        await link.closed

    # The transport calls these.

    def connection_made(self, link: _Link) -> None:
        """Begin a session."""
        now = clock.read()
        self._link = link
        with self._ending_on_failure():
            self._report({"event": "connected"})
            self.session.opened(now.mono_ns, now.wall_ns)
            self._flush()
        self._tick(link)

    def data_received(self, data: bytes) -> None:
        """Handle what came, message by message."""
        assert self._link is not None
        now = clock.read()
        with self._ending_on_failure():
            for message in self._link.intake.messages(data, now.mono_ns):
                for delivery in self.session.receive(message, now.wall_ns, now.mono_ns):
                    self._tell()
                    self._report({"event": "delivered", "message": shown(delivery.message)})
                self.session.handled()
                self._flush()
                self.session.handled()  # Our answer may have begun the numbers anew.
            self._flush()

    def connection_lost(self, error: Exception | None) -> None:
        """End the session with its connection."""
        reason = self.session.close_reason or (str(error) if error is not None else "closed by the other side")
        self._link = None
        with self._ending_on_failure():
            self.session.closed(clock.read().wall_ns)
            self._tell()
            self._report({"event": "disconnected", "text": reason})

    # Helpers.

    def _tick(self, link: _Link) -> None:
        if link is not self._link:
            return
        now = clock.read()
        with self._ending_on_failure():
            self.session.tick(now.mono_ns, now.wall_ns)
            self._flush()
        asyncio.get_running_loop().call_later(TICK_S, self._tick, link)

    def _flush(self) -> None:
        self._tell()
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
            if isinstance(event, events.LogonRefused):
                self._refusal = event.text
            elif isinstance(event, events.LoggedOn):
                self._logged_on = True
                if not self.session.broken:
                    for msg_type, body in self._requests:
                        self.session.send(msg_type, body)

    def _rolling_over(self) -> bool:
        window = self.session.settings.rollover
        return window is not None and window.moment(clock.read().wall_ns) is not None

    @contextmanager
    def _ending_on_failure(self) -> Iterator[None]:
        """End the run with whatever is raised inside a callback, where asyncio would only log it."""
        try:
            yield
        except Exception as error:  # noqa: BLE001 - raised by `run`
            self._failure = self._failure or error
            self._stopping.set()
            self._abort()

    def _abort(self) -> None:
        if self._link is not None and self._link.transport is not None:
            self._link.transport.abort()
