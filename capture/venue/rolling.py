"""The daily roll-over as a listener shows it: sessions end or begin anew, and for a while nobody is let in.

Layer: venue. Knows its connections and its own address. Source: venue reference 1.5; rows 1 and 2 of section 7.
Left to others: what a session says (`venue.acceptor`, `venue.trading`).
"""

import asyncio
import logging
import ssl
from typing import Final, Protocol, Self, TypeVar

from capture import clock
from capture.errors import CannotListen
from capture.session.rollover_window import KRAKEN_ROLLOVER
from capture.venue.listener import Client, Listener
from capture.venue.register import Register
from capture.venue.settings import SessionSwitches

LOOK_S: Final = 0.5  # Between two looks at the clock.

log = logging.getLogger(__name__)


class RollingClient(Client, Protocol):
    """What a roll-over asks of a connection."""

    def roll_over(self) -> None:
        """End the day of this session as the switches say."""


AClient = TypeVar("AClient", bound=RollingClient)


class RollingListener(Listener[AClient]):
    """A listener that knows of the roll-over, at 22:00 UTC or when it is told. register: for its connections."""

    def __init__(
        self, context: ssl.SSLContext | None, switches: SessionSwitches, register: Register, *, host: str, port: int
    ) -> None:
        super().__init__(context, host=host, port=port)
        self.register = register
        self._switches = switches
        self._refuses_until = 0.0  # On the loop's clock.
        self._return: asyncio.TimerHandle | None = None
        self._returning: asyncio.Task[None] | None = None
        self._looking: asyncio.TimerHandle | None = None
        self._day = 0

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        self._day = KRAKEN_ROLLOVER.day(clock.read().wall_ns)
        self._tick()
        return self

    @property
    def refuses(self) -> bool:
        """Whether nobody is let in now, for the venue rolls over."""
        return asyncio.get_running_loop().time() < self._refuses_until

    def roll_over(self, lasts_s: float | None = None) -> None:
        """End the day of every session; numbers begin anew. lasts_s: as the switch says if not given. On its loop."""
        lasts_s = self._switches.rollover_seconds if lasts_s is None else lasts_s
        self.register.roll_over()
        if self._switches.rollover != "reset":
            loop = asyncio.get_running_loop()
            self._refuses_until = loop.time() + lasts_s
            if self._switches.rollover_connects == "refused" and self._server is not None:
                self._server.close()
                if self._return is not None:
                    self._return.cancel()
                self._return = loop.call_later(lasts_s, self._come_back)
        for connection in list(self.connections):
            connection.roll_over()

    async def __aexit__(self, *exc_info: object) -> None:
        self._cancel()
        await super().__aexit__(*exc_info)

    def look(self, wall_ns: int) -> None:
        """Roll over where its time has come since the last look; a clock that goes back brings no second one."""
        day = KRAKEN_ROLLOVER.day(wall_ns)
        if day > self._day:
            self._day = day
            self.roll_over()

    def _tick(self) -> None:
        self.look(clock.read().wall_ns)
        self._looking = asyncio.get_running_loop().call_later(LOOK_S, self._tick)

    def _come_back(self) -> None:
        self._returning = asyncio.get_running_loop().create_task(self._listen_again())

    async def _listen_again(self) -> None:
        try:
            await self.listen()
        except CannotListen as error:  # Somebody took the port meanwhile.
            log.error("after the roll-over: %s", error)  # noqa: TRY400 - one line says it all

    def _cancel(self) -> None:
        for waiting in (self._return, self._returning, self._looking):
            if waiting is not None:
                waiting.cancel()
