"""A venue beside whatever else runs: in a thread of its own, for tests and notebooks of any FIX client.

Layer: venue. Source: design section 8.
Left to others: everything that a venue does (`venue.server`).
"""

import asyncio
import ssl
import threading
from collections.abc import Callable, Iterable
from typing import Any, Final, Self, TypeVar

from capture.client import run
from capture.errors import CaptureError
from capture.venue import certificates, recording
from capture.venue.faults import FaultPlan, parse_faults
from capture.venue.server import VenueServer
from capture.venue.settings import FAST, VenueSettings
from capture.venue.source import Source

START_S: Final = 10.0
CALL_S: Final = 10.0
LIFE_S: Final = 1200.0  # No venue outlives a forgotten test by more.

R = TypeVar("R")


class VenueThread:
    """A venue that listens on loopback while the context is open: `with VenueThread() as venue: … venue.port …`.

    source: what it serves; without one, the recordings that come with fixtape. speed: FAST by default. faults:
        `NAME@N` texts. switches: those of `venue.settings`, by name.
    Attributes: `host`, `port`, `ca_pem` to believe its certificate by, and `server` itself; call what changes the
    server through `call`.
    """

    def __init__(
        self,
        source: Source | None = None,
        *,
        faults: Iterable[str] = (),
        seed: int = 1,
        credentials: certificates.Credentials | None = None,
        plain: bool = False,
        **switches: Any,
    ) -> None:
        self.host = "127.0.0.1"
        self.settings = VenueSettings(**{"speed": FAST, **switches})
        self.credentials = credentials or certificates.make("localhost", self.host, version=self.settings.tls)
        context: ssl.SSLContext | None = None if plain else self.credentials.context
        plan = FaultPlan(parse_faults(faults), seed=seed)
        self.server = VenueServer(source or recording.shipped(), self.settings, context, faults=plan, host=self.host)
        self._thread = threading.Thread(target=self._run, name="fixtape venue", daemon=True)
        self._started = threading.Event()
        self._failure: BaseException | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return self.server.port

    @property
    def ca_pem(self) -> bytes:
        """The certificate of the authority to verify it by."""
        return self.credentials.ca_pem

    def __enter__(self) -> Self:
        self._thread.start()
        if not self._started.wait(START_S):
            raise CaptureError(f"the venue did not listen within {START_S:.0f} s")
        if self._failure is not None:
            raise self._failure
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self._loop is not None and self._stop is not None and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(START_S)

    def call(self, function: Callable[..., R], *args: Any, **kwargs: Any) -> R:
        """Return what a function gives that is called on the venue's loop, such as `venue.server.update_instrument`."""
        assert self._loop is not None, "the venue runs only within its context"

        async def called() -> R:
            return function(*args, **kwargs)

        return asyncio.run_coroutine_threadsafe(called(), self._loop).result(CALL_S)

    def _run(self) -> None:
        try:
            run(self._serve())
        except BaseException as error:  # noqa: BLE001 - told in the thread that waits for it
            self._failure = error
        finally:
            self._started.set()

    async def _serve(self) -> None:
        async with self.server:
            self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
            self._started.set()
            try:
                async with asyncio.timeout(LIFE_S):
                    await self._stop.wait()
            except TimeoutError:
                return
