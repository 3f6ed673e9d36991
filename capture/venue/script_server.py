"""A script on a socket: one client after another, as the conversation has it.

Layer: venue. Owns transports and clocks; what is said and expected is the script's.
"""

import asyncio
import logging
import ssl
from collections.abc import Callable
from typing import Final, cast

from capture import clock
from capture.venue.listener import Listener
from capture.venue.script import Script

TICK_S: Final = 0.02
CLOSE_S: Final = 2.0  # For the client to close its side, once the script is over.

log = logging.getLogger(__name__)


class _Connection(asyncio.Protocol):
    """A client of the script."""

    def __init__(self, server: "ScriptServer") -> None:
        self._server = server
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop registers no such class.
        if self._server.connections or self._server.script.done:
            log.warning("%s refused: a script has one client at a time", transport.get_extra_info("peername"))
            self._transport.abort()
            return
        self._server.connections.add(self)
        now = clock.read()
        self._server.script.opened(now.wall_ns, now.mono_ns)
        self.write()

    def data_received(self, data: bytes) -> None:
        if self in self._server.connections:
            now = clock.read()
            self._server.script.received(data, now.wall_ns, now.mono_ns)
            self.write()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if self in self._server.connections:
            self._server.connections.discard(self)
            now = clock.read()
            self._server.script.closed(now.wall_ns, now.mono_ns)

    def log_out(self) -> None:
        """End the connection; what is said is in the script, so nothing is added."""
        self.abort()

    def abort(self) -> None:
        """Drop the connection."""
        if self._transport is not None:
            self._transport.abort()

    def write(self) -> None:
        """Write what the script has to say, and close where it does."""
        if self._transport is None:
            return
        data = self._server.script.take_bytes()
        if data:
            self._transport.write(data)
        if self._server.script.closes:
            self._transport.close()


class ScriptServer(Listener[_Connection]):
    """A script that listens. hint: told what whoever holds the client is to do; ended: called once it is over."""

    def __init__(
        self,
        script: Script,
        context: ssl.SSLContext | None,
        *,
        hint: Callable[[str], None],
        ended: Callable[[], None],
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        super().__init__(context, host=host, port=port)
        self.script = script
        self._hint, self._ended = hint, ended
        self._close_s = CLOSE_S

    def connection(self) -> _Connection:
        """Return the protocol of a new client."""
        return _Connection(self)

    async def listen(self) -> None:
        """Begin to listen, and to play. Errors: CannotListen."""
        await super().listen()
        self._tick()

    def _tick(self) -> None:
        now = clock.read()
        self.script.tick(now.wall_ns, now.mono_ns)
        for connection in list(self.connections):
            connection.write()
        for text in self.script.take_hints():
            self._hint(text)
        if self.script.done:
            self._close_s -= TICK_S
            if not self.connections or self._close_s <= 0:
                self._ended()
                return
        asyncio.get_running_loop().call_later(TICK_S, self._tick)
