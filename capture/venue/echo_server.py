"""The echo on a socket, in plain text: for tests on loopback and inside a laboratory, never for a real counterparty.

Layer: venue. Owns transports and clocks; every answer is the echo's.
"""

import asyncio
from typing import Final, cast

from capture import clock
from capture.venue.echo import Echo, EchoSettings
from capture.venue.listener import Listener

CLIENTS_LIMIT: Final = 64
TICK_S: Final = 0.1
WRITE_BUFFER_BYTES: Final = 64 << 20  # A client that reads less than this much of its own echo is dropped.


class _Connection(asyncio.Protocol):
    """One client and its echo."""

    def __init__(self, server: "EchoServer") -> None:
        self._server = server
        self.echo = Echo(server.settings, self._is_free)
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop registers no such class.
        if len(self._server.connections) >= CLIENTS_LIMIT:
            self._transport.abort()
            return
        self._server.connections.add(self)
        now = clock.read()
        self.echo.opened(now.wall_ns, now.mono_ns)
        self._tick()

    def data_received(self, data: bytes) -> None:
        now = clock.read()
        if self in self._server.connections:
            self.echo.received(data, now.wall_ns, now.mono_ns)
            self._write()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if self in self._server.connections:
            self._server.connections.discard(self)
            self.echo.closed(clock.read().wall_ns)

    def log_out(self) -> None:
        """End this session in order."""
        now = clock.read()
        self.echo.log_out("the echo is closing", now.wall_ns, now.mono_ns)
        self._write()

    def abort(self) -> None:
        """Drop the connection."""
        if self._transport is not None:
            self._transport.abort()

    def _is_free(self, client: bytes) -> bool:
        others = self._server.connections - {self}
        return all(other.echo.client != client for other in others)

    def _tick(self) -> None:
        if self._transport is None:
            return
        now = clock.read()
        self.echo.tick(now.wall_ns, now.mono_ns)
        self._write()
        asyncio.get_running_loop().call_later(TICK_S, self._tick)

    def _write(self) -> None:
        if self._transport is None:
            return
        data = self.echo.take_bytes()
        if data:
            self._transport.write(data)
        if self._transport.get_write_buffer_size() > WRITE_BUFFER_BYTES:
            self._transport.abort()
        elif self.echo.close_reason is not None:
            self._transport.close()


class EchoServer(Listener[_Connection]):
    """An echo that listens."""

    def __init__(self, settings: EchoSettings, *, host: str = "127.0.0.1", port: int = 0) -> None:
        super().__init__(None, host=host, port=port)
        self.settings = settings

    def connection(self) -> _Connection:
        """Return the protocol of a new client."""
        return _Connection(self)
