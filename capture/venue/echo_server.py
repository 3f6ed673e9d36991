"""The echo on a socket: for tests of other engines, on loopback and inside a laboratory; no real counterparty.

Layer: venue. Owns transports, clocks and the files of stores; every answer is the echo's.
"""

import asyncio
import logging
import ssl
from contextlib import ExitStack
from pathlib import Path
from typing import Final, Self, cast

from capture import clock
from capture.errors import StoreBusy
from capture.session import events
from capture.session_store import FileStore, held, store_path
from capture.venue.echo import Echo, EchoSettings
from capture.venue.listener import Listener

CLIENTS_LIMIT: Final = 64
TICK_S: Final = 0.1
WRITE_BUFFER_BYTES: Final = 64 << 20  # A client that reads less than this much of its own echo is dropped.
LOCK: Final = "echo.lock"

log = logging.getLogger(__name__)


class _Connection(asyncio.Protocol):
    """One client and its echo."""

    def __init__(self, server: "EchoServer") -> None:
        self._server = server
        self.echo = Echo(server.settings, self._others, self._store_of if server.store_folder is not None else None)
        self._store: FileStore | None = None
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
        if self not in self._server.connections:
            return
        try:
            self.echo.received(data, now.wall_ns, now.mono_ns)
        except (OSError, StoreBusy) as error:  # Of a store that cannot be opened.
            log.warning("%s; the connection ends", error)
            self.abort()
        self._write()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if self in self._server.connections:
            self._server.connections.discard(self)
            self.echo.closed(clock.read().wall_ns)
            self._log()
        if self._store is not None:
            self._store.close()

    def log_out(self) -> None:
        """End this session in order."""
        now = clock.read()
        self.echo.log_out("the echo is closing", now.wall_ns, now.mono_ns)
        self._write()

    def abort(self) -> None:
        """Drop the connection."""
        if self._transport is not None:
            self._transport.abort()

    def _others(self) -> list[Echo]:
        return [it.echo for it in self._server.connections if it is not self]

    def _store_of(self, client: bytes) -> FileStore:
        assert self._server.store_folder is not None, "asked for only where there is one"
        path = store_path(self._server.store_folder, self._server.settings.name, client)
        self._store = FileStore(path, path.stem)
        return self._store

    def _tick(self) -> None:
        if self._transport is None:
            return
        now = clock.read()
        self.echo.tick(now.wall_ns, now.mono_ns)
        self._write()
        asyncio.get_running_loop().call_later(TICK_S, self._tick)

    def _write(self) -> None:
        self._log()
        if self._transport is None:
            return
        data = self.echo.take_bytes()
        if data:
            self._transport.write(data)
        if self._transport.get_write_buffer_size() > WRITE_BUFFER_BYTES:
            self._transport.abort()
        elif self.echo.close_reason is not None:
            self._transport.close()

    def _log(self) -> None:
        """Say what a person should know: the rest is in the messages."""
        told, self.echo.happened = self.echo.happened, []
        for event in told:
            if isinstance(event, events.StoreLost | events.StoreFailed | events.Violated):
                log.warning("%s: %s", self.echo.session.target.decode("utf-8", "backslashreplace"), event)


class EchoServer(Listener[_Connection]):
    """An echo that listens.

    store_folder: where numbers and messages are kept, one file a client, for one process at a time.
    Errors on entering: also StoreBusy, and OSError of that folder.
    """

    def __init__(
        self,
        settings: EchoSettings,
        context: ssl.SSLContext | None = None,
        *,
        store_folder: Path | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        super().__init__(context, host=host, port=port)
        self.settings, self.store_folder = settings, store_folder
        self._holding = ExitStack()

    async def __aenter__(self) -> Self:
        if self.store_folder is not None:
            self.store_folder.mkdir(mode=0o750, parents=True, exist_ok=True)
            self._holding.enter_context(held(self.store_folder / LOCK))
        try:
            return await super().__aenter__()
        except BaseException:
            self._holding.close()
            raise

    async def __aexit__(self, *exc_info: object) -> None:
        with self._holding:
            await super().__aexit__(*exc_info)

    def connection(self) -> _Connection:
        """Return the protocol of a new client."""
        return _Connection(self)
