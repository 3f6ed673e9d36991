"""The simulated venue in a process that no campaign kills; it keeps what it sent, which is the truth of every check.

    python venue_process.py FOLDER RATE SYMBOLS SEED OFF_S

One file a connection in FOLDER/sent, named for its number and the client's port: every byte in the order in which it
was handed to the socket, written before it is. FOLDER/ready holds the port once the venue listens; it ends with its
standard input. OFF_S: what its wall clock is off by.
"""

import asyncio
import sys
import time
from pathlib import Path

from capture import clock
from capture.client import run
from capture.venue import certificates
from capture.venue.market import SyntheticMarket
from capture.venue.server import VenueServer, _ClientConnection
from capture.venue.settings import VenueSettings

LIFE_S = 3 * 3600


class _Kept:
    """A transport whose bytes are kept."""

    def __init__(self, transport, path):
        self._transport = transport
        self._file = path.open("wb", buffering=0)

    def __getattr__(self, name):
        return getattr(self._transport, name)

    def write(self, data):
        self._file.write(data)
        self._transport.write(data)


class _Connection(_ClientConnection):
    def connection_made(self, transport):
        folder = self._server.sent
        self._server.accepted += 1
        port = transport.get_extra_info("peername")[1]
        super().connection_made(_Kept(transport, folder / f"{self._server.accepted:06}-{port}.fix"))


class _Venue(VenueServer):
    sent = Path()
    accepted = 0

    def connection(self):
        return _Connection(self)


async def _serve(folder, market):
    proof = certificates.make("localhost", "127.0.0.1")
    proof.write_ca(folder / "ca.pem")
    server = _Venue(market, VenueSettings(speed=1.0), proof.context)
    server.sent = folder / "sent"
    server.sent.mkdir()
    async with server:
        ready = folder / "ready.part"
        ready.write_text(str(server.port))
        ready.rename(folder / "ready")
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        async with asyncio.timeout(LIFE_S):
            await reader.read()


def main():
    folder, rate, symbols, seed, off_s = sys.argv[1:]
    read, off_ns = clock.read, int(float(off_s) * 1e9)
    clock.read = lambda: read()._replace(wall_ns=time.time_ns() + off_ns)
    market = SyntheticMarket(int(symbols), rate=float(rate), seed=int(seed), levels=40)
    run(_serve(Path(folder), market))


if __name__ == "__main__":
    main()
