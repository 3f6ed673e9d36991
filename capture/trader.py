"""Sockets and timers of a trading session: one connection, from Logon to Logout.

Layer: above the trading core, beside the client. Owns the transport and the clocks, and no protocol rule.
Source: design section 3; venue reference 1.3 and 3.2.
Left to others: what is sent and what it means (`trading.session`), TLS (`connect`), what to trade (`trade_actions`).

It never connects again by itself: after a lost connection the state of orders is a question to a person or a program
above, not one to be settled by a retry.
"""

import asyncio
from collections.abc import Callable
from typing import Final, TypeVar, cast

from capture import clock
from capture.connect import Endpoint, open_connection, tls_context
from capture.errors import LogonRefused, VenueUnavailable
from capture.session.states import State
from capture.trading.events import TradingEvent
from capture.trading.session import TradingSession

TICK_S: Final = 0.1
CLOSE_TIME_S: Final = 12.0  # A little more than the session's own limit for a Logout.

R = TypeVar("R")


class Trader(asyncio.Protocol):
    """One connection of a trading session.

    Call `log_on`, then `act` and `until`, then `log_out` in any case.
    on_events: called with what happened, as it happens.
    """

    def __init__(
        self, endpoint: Endpoint, trading: TradingSession, on_events: Callable[[list[TradingEvent]], None]
    ) -> None:
        self.endpoint, self.trading = endpoint, trading
        self._on_events = on_events
        self._transport: asyncio.Transport | None = None
        self._changed = asyncio.Event()
        self._failure: BaseException | None = None
        self._over = False
        self._reason = ""

    async def log_on(self) -> None:
        """Connect and log on. Errors: VenueError, StoreFailed."""
        try:
            await open_connection(self.endpoint, tls_context(self.endpoint.ca_file), lambda: self)
        except asyncio.CancelledError:
            if self._transport is not None:  # uvloop may forget what is cancelled in the moment it comes up.
                self._transport.abort()
                self.connection_lost(None)
            raise
        session = self.trading.session
        await self.until(lambda: session.state not in {State.CONNECTED, State.LOGON_SENT}, None)
        if self._over or session.state is not State.ACTIVE:
            await self.log_out()
            raise LogonRefused(
                self._reason
                or f"{self.endpoint.host}:{self.endpoint.port} closed the connection instead of answering the Logon;"
                " check the SenderCompID, the API key, and that your address is on the venue's list"
            )

    def act(self, request: Callable[[int], R]) -> R:
        """Make a request at the present wall time, and send it. Errors: those of the request; VenueUnavailable."""
        if self._over:
            raise VenueUnavailable(f"the connection ended: {self._reason or 'closed by the venue'}")
        result = request(clock.read().wall_ns)
        self._flush()
        return result

    async def until(self, done: Callable[[], bool], seconds: float | None) -> bool:
        """Wait until something holds; return whether it does: not after so many seconds, nor after the end."""
        try:
            async with asyncio.timeout(seconds):
                while not done() and not self._over:
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            pass
        if self._failure is not None:
            raise self._failure
        return done()

    async def log_out(self) -> None:
        """End the session in order, or the connection where that cannot be; orders then stand as they stand."""
        if not self._over and self._transport is not None:
            self.trading.log_out()
            self._flush()
            await self.until(lambda: self._over, CLOSE_TIME_S)
        if not self._over and self._transport is not None:
            self._transport.abort()
            await self.until(lambda: self._over, CLOSE_TIME_S)

    # The transport calls these.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin the session on a connection whose certificate is proven."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop registers no such class.
        self.trading.opened(clock.read().mono_ns)
        self._flush()
        self._tick()

    def data_received(self, data: bytes) -> None:
        """Hand over one read."""
        now = clock.read()
        try:
            self.trading.received(data, now.wall_ns, now.mono_ns)
        except Exception as error:  # noqa: BLE001 - asyncio would only log it.
            self._fail(error)
        self._flush()

    def connection_lost(self, exc: Exception | None) -> None:
        """Take note of the end of the connection."""
        if self._over:
            return
        self._reason = self._reason or self.trading.close_reason or (str(exc) if exc is not None else "")
        self._over = True
        self.trading.closed()
        self._tell()

    # Helpers.

    def _flush(self) -> None:
        transport = self._transport
        now = clock.read()
        try:
            while transport is not None and not self._over and (frame := self.trading.next_frame(now.wall_ns)):
                transport.write(frame)
                self.trading.sent(frame, now.mono_ns)
        except Exception as error:  # noqa: BLE001 - asyncio would only log it.
            self._fail(error)
        self._tell()
        if self.trading.close_reason is not None and transport is not None:
            transport.close()

    def _tell(self) -> None:
        happened = self.trading.take_events()
        if happened:
            self._on_events(happened)
        self._changed.set()

    def _tick(self) -> None:
        if self._over:
            return
        now = clock.read()
        self.trading.tick(now.wall_ns, now.mono_ns)
        self._flush()
        asyncio.get_running_loop().call_later(TICK_S, self._tick)

    def _fail(self, error: BaseException) -> None:
        """End the connection with an error of ours or of the store's."""
        self._failure = self._failure or error
        if self._transport is not None:
            self._transport.abort()
