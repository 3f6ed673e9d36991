"""The trader's sockets, on a transport of the test's own."""

import asyncio
from pathlib import Path

import pytest
from trading import Desk

from capture import trader as module
from capture.connect import Endpoint
from capture.trader import Trader


class Forgotten(asyncio.Transport):
    """A transport that came up in the moment it was cancelled: it never tells of its end."""

    def __init__(self) -> None:
        super().__init__()
        self.aborted = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Swallow it."""

    def abort(self) -> None:
        """Take note."""
        self.aborted = True


def test_cancelled_as_it_connects_it_is_over_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection of which the loop has lost sight is given up, not waited for."""
    transport = Forgotten()

    async def open_connection(_endpoint: Endpoint, _context: object, protocol: object) -> None:
        protocol().connection_made(transport)  # type: ignore[operator]
        raise asyncio.CancelledError

    monkeypatch.setattr(module, "open_connection", open_connection)

    async def log_on_and_out(trader: Trader) -> None:
        with pytest.raises(asyncio.CancelledError):
            await trader.log_on()
        async with asyncio.timeout(0):
            await trader.log_out()

    desk = Desk(tmp_path)
    asyncio.run(log_on_and_out(Trader(Endpoint("127.0.0.1", 1, "localhost", None), desk.ours, lambda _events: None)))
    desk.store.__exit__()

    assert transport.aborted
