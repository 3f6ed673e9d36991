"""The simulated venue's order entry on a socket: TLS and timers.

Layer: venue. Owns transports and clocks; every answer is the acceptor's.
Source: venue reference 1.1 and 1.4. Listens on loopback unless told otherwise.
"""

import asyncio
import logging
import ssl
from typing import Final, cast

from capture import clock
from capture.session.states import State
from capture.trading.credentials import Credentials
from capture.venue.exchange import Exchange
from capture.venue.register import Register
from capture.venue.rolling import RollingListener
from capture.venue.settings import TradingVenueSettings
from capture.venue.trading import TradingAcceptor

CLIENTS_LIMIT: Final = 64
TICK_S: Final = 0.1
LOGOUT_TIME_S: Final = 2.0

log = logging.getLogger(__name__)


class _TradingConnection(asyncio.Protocol):
    """One client: bytes to its acceptor, and the acceptor's bytes back."""

    def __init__(self, server: "TradingServer") -> None:
        self._server = server
        self.acceptor = server.acceptor()
        self._transport: asyncio.Transport | None = None
        self._name = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport = cast("asyncio.Transport", transport)  # uvloop registers no such class.
        self._name = str(transport.get_extra_info("peername"))
        if len(self._server.connections) >= CLIENTS_LIMIT:
            log.warning("%s refused: %d clients are connected, the limit", self._name, CLIENTS_LIMIT)
            transport.abort()
            return
        self._server.connections.add(self)
        self.acceptor.opened(clock.read().mono_ns)
        self._tick()

    def data_received(self, data: bytes) -> None:
        if self._server.refuses and self.acceptor.session.state is State.CONNECTED:
            self.abort()
            return
        now = clock.read()
        before = self.acceptor.session.state
        self.acceptor.received(data, now.wall_ns, now.mono_ns)
        if self.acceptor.session.state is not before:
            log.info("%s %s: %s", self._name, self.acceptor.session.target.decode(), self.acceptor.session.state.value)
        # Another client's order may have been filled by this one's.
        for connection in list(self._server.connections):
            connection.write()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if self in self._server.connections:
            self._server.connections.discard(self)
            self.acceptor.closed(clock.read().wall_ns)
        log.info("%s gone: %s", self._name, self.acceptor.session.close_reason or exc or "closed")

    def log_out(self) -> None:
        """End this session in order."""
        now = clock.read()
        self.acceptor.log_out("the venue is closing", now.wall_ns, now.mono_ns)
        self.write()

    def roll_over(self) -> None:
        """End the day of this session."""
        now = clock.read()
        self.acceptor.roll_over(now.wall_ns, now.mono_ns)
        self.write()

    def abort(self) -> None:
        """Drop the connection."""
        if self._transport is not None:
            self._transport.abort()

    def write(self) -> None:
        """Write what is due; close where the session is over."""
        if self._transport is None:
            return
        now = clock.read()
        self.acceptor.tick(now.wall_ns, now.mono_ns)
        data = self.acceptor.take_bytes()
        if data:
            self._transport.write(data)
        if self.acceptor.session.close_reason is not None:
            self._transport.close()

    def _tick(self) -> None:
        if self._transport is None:
            return
        self.write()
        asyncio.get_running_loop().call_later(TICK_S, self._tick)


class TradingServer(RollingListener[_TradingConnection]):
    """Order entry that listens."""

    def __init__(
        self,
        exchange: Exchange,
        settings: TradingVenueSettings,
        credentials: Credentials,
        context: ssl.SSLContext,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        super().__init__(context, settings, Register(settings), host=host, port=port)
        self.exchange, self.settings = exchange, settings
        self._credentials = credentials

    def acceptor(self) -> TradingAcceptor:
        """Return the venue's end of a new connection."""
        return TradingAcceptor(self.exchange, self.settings, self._credentials, self.register)

    def connection(self) -> _TradingConnection:
        """Return the protocol of a new client."""
        return _TradingConnection(self)
