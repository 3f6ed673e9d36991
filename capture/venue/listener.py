"""What every server of the venue is: it listens, and ends its clients' sessions in order before it stops.

Layer: venue. Knows sockets and nothing of what is served.
Left to others: connections, which a server makes with `connection` and which enter and leave `connections` themselves.
"""

import asyncio
import os
import ssl
from abc import ABC, abstractmethod
from typing import Final, Generic, Protocol, Self, TypeVar

from capture.errors import CannotListen

LOGOUT_TIME_S: Final = 2.0  # For Logouts to be answered when the server stops.
_LOOK_S: Final = 0.1


class Client(Protocol):
    """What a listener asks of a connection."""

    def log_out(self) -> None:
        """End the session in order."""

    def abort(self) -> None:
        """Drop the connection."""


AClient = TypeVar("AClient", bound=Client)


class Listener(ABC, Generic[AClient]):
    """A server on one address; an asynchronous context manager. port: the one it has, once it listens.

    Errors on entering: CannotListen.
    """

    def __init__(self, context: ssl.SSLContext | None, *, host: str, port: int) -> None:
        self.host, self.port = host, port
        self.connections: set[AClient] = set()
        self._context = context
        self._server: asyncio.Server | None = None

    @abstractmethod
    def connection(self) -> asyncio.Protocol:
        """Return the protocol of a new connection."""

    async def __aenter__(self) -> Self:
        await self.listen()
        return self

    async def listen(self) -> None:
        """Begin to listen. Errors: CannotListen."""
        loop = asyncio.get_running_loop()
        try:
            self._server = await loop.create_server(
                self.connection, self.host, self.port, ssl=self._context, reuse_address=True
            )
        except OSError as error:
            reason = os.strerror(error.errno) if error.errno else str(error)
            raise CannotListen(host=self.host, port=self.port, reason=reason) from None
        self.port = int(self._server.sockets[0].getsockname()[1])

    async def __aexit__(self, *exc_info: object) -> None:
        assert self._server is not None
        self._server.close()
        for connection in list(self.connections):
            connection.log_out()
        for _ in range(int(LOGOUT_TIME_S / _LOOK_S)):
            if not self.connections:
                break
            await asyncio.sleep(_LOOK_S)
        for connection in list(self.connections):
            connection.abort()
        await self._server.wait_closed()
