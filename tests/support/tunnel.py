"""TLS outside, plain inside: lets an engine without TLS stand behind a certificate."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from capture.venue.certificates import Credentials

TUNNEL_S = 60.0


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


@contextmanager
def tls_tunnel(credentials: Credentials, plain_port: int) -> Iterator[int]:
    """Listen with TLS on loopback and hand all on to a plain port; yields the port."""
    ports: list[int] = []
    listening, loops = threading.Event(), []

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", plain_port)
        await asyncio.gather(_pump(reader, inner_writer), _pump(inner_reader, writer))

    async def serve() -> None:
        server = await asyncio.start_server(relay, "127.0.0.1", 0, ssl=credentials.context)
        stop = asyncio.Event()
        ports.append(server.sockets[0].getsockname()[1])
        loops.append((asyncio.get_running_loop(), stop))
        listening.set()
        with suppress(TimeoutError):
            async with asyncio.timeout(TUNNEL_S):
                await stop.wait()
        server.close()

    thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
    thread.start()
    assert listening.wait(10)
    try:
        yield ports[0]
    finally:
        loop, stop = loops[0]
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)
