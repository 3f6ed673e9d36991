"""The simulated venue on a socket: TLS, timers and the pace of playback.

Layer: venue. Owns transports and clocks; every answer is the acceptor's.
Source: design section 8. Listens on loopback unless told otherwise.
"""

import asyncio
import logging
import socket
import ssl
import struct
from collections import deque
from typing import Final, cast

from capture import clock
from capture.errors import MisuseError
from capture.session.states import State
from capture.venue.acceptor import Acceptor, VenueSettings
from capture.venue.fault_line import FaultLine
from capture.venue.faults import Action, Close, FaultPlan, Precision, Reset, RollOver, Silence, Storm, Wait, Write
from capture.venue.listing import SESSION_STATUSES, Listing
from capture.venue.recording import precision_of
from capture.venue.register import Register
from capture.venue.rolling import RollingListener
from capture.venue.source import Source

CLIENTS_LIMIT: Final = 64
BURST_MESSAGES: Final = 256  # Between two looks at the client's requests.
WRITE_BUFFER_BYTES: Final = 1 << 20  # Beyond it the client is slower than the playback, which waits.
UNREAD_BYTES_LIMIT: Final = 64 << 20  # Of answers; a client that asks and does not read is dropped.
TICK_S: Final = 0.1

log = logging.getLogger(__name__)


class _ClientConnection(asyncio.Protocol):
    """One client: bytes to its acceptor, and the acceptor's bytes back as fast as the client takes them."""

    def __init__(self, server: "VenueServer") -> None:
        self._server = server
        self.acceptor = Acceptor(server.source, server.settings, server.listing, server.register)
        self._transport: asyncio.Transport | None = None
        self._writable = True
        self._timer: asyncio.Handle | None = None
        self._loop = asyncio.get_running_loop()
        self._name = ""
        self._faults = FaultLine(server.faults)
        self._actions: deque[Action] = deque()
        self._waiting = self._silent = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport = cast("asyncio.Transport", transport)  # uvloop registers no such class.
        transport.set_write_buffer_limits(high=WRITE_BUFFER_BYTES)
        self._name = str(transport.get_extra_info("peername"))
        if len(self._server.connections) >= CLIENTS_LIMIT:
            log.warning("%s refused: %d clients are connected, the limit", self._name, CLIENTS_LIMIT)
            transport.abort()
            return
        self._server.connections.add(self)
        now = clock.read()
        self.acceptor.opened(now.wall_ns, now.mono_ns)
        self._tick()

    def data_received(self, data: bytes) -> None:
        if self._server.storm:
            self._server.storm -= 1
            self.abort()
            return
        if self._server.refuses and self.acceptor.session.state is State.CONNECTED:
            self.abort()
            return
        now = clock.read()
        before = self.acceptor.session.state
        self.acceptor.received(data, now.wall_ns, now.mono_ns)
        if self.acceptor.session.state is not before:
            log.info("%s %s: %s", self._name, self.acceptor.session.target.decode(), self.acceptor.session.state.value)
        self._write()
        self._play()

    def pause_writing(self) -> None:
        self._writable = False

    def resume_writing(self) -> None:
        self._writable = True
        self._play()

    def connection_lost(self, exc: Exception | None) -> None:
        self._server.connections.discard(self)
        self._transport = None
        self.acceptor.session.closed()
        self._server.messages_sent += self.acceptor.messages_sent
        log.info("%s gone after %d messages: %s", self._name, self.acceptor.messages_sent, exc or "closed")

    def log_out(self) -> None:
        """End this session in order."""
        now = clock.read()
        self.acceptor.log_out("the venue is closing", now.wall_ns, now.mono_ns)
        self._write()

    def roll_over(self) -> None:
        """End the day of this session."""
        now = clock.read()
        self.acceptor.roll_over(now.wall_ns, now.mono_ns)
        self._write()

    def instrument_changed(self, symbol: str) -> None:
        """Tell the client of a changed instrument if it wants to know."""
        now = clock.read()
        self.acceptor.instrument_changed(symbol, now.wall_ns, now.mono_ns)
        self._write()

    def status_changed(self) -> None:
        """Tell the client of a changed status if it wants to know."""
        now = clock.read()
        self.acceptor.status_changed(now.wall_ns, now.mono_ns)
        self._write()

    def abort(self) -> None:
        """Drop the connection."""
        if self._transport is not None:
            self._transport.abort()

    def _tick(self) -> None:
        if self._transport is None:
            return
        now = clock.read()
        self.acceptor.tick(now.wall_ns, now.mono_ns)
        self._write()
        self._loop.call_later(TICK_S, self._tick)

    def _write(self) -> None:
        transport = self._transport
        if transport is None:
            return
        frames = self.acceptor.take_frames()
        if frames:
            self._act(Write(self._faults.passed(frames, market=False)))
        if transport.get_write_buffer_size() > UNREAD_BYTES_LIMIT:
            log.warning("%s dropped: %d bytes of answers unread, the limit", self._name, UNREAD_BYTES_LIMIT)
            transport.abort()
        elif self.acceptor.session.close_reason is not None:
            self._act(Close())

    @property
    def _may_play(self) -> bool:
        """Whether the client takes more, and no fault holds it up."""
        return self._writable and not self._waiting

    def _play(self) -> None:
        """Send what is due, then come back when more is, or when the client has taken this."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._transport is None or not self._may_play:
            return
        now = clock.read()
        limit = self._faults.until_next()
        count = BURST_MESSAGES if limit is None else min(max(limit, 1), BURST_MESSAGES)
        frames = self.acceptor.playback(now.wall_ns, now.mono_ns, count_limit=count)
        if frames and limit == 0:
            before = len(self._server.faults.happened)
            self._act(*self._faults.hit(frames[0], self.acceptor.session))
            for text in self._server.faults.happened[before:]:
                log.info("%s fault: %s", self._name, text)
        elif frames:
            self._act(Write(self._faults.passed(frames, market=True)))
        due = self.acceptor.next_due_mono_ns()
        if due is None or not self._may_play:
            return
        wait_s = (due - now.mono_ns) / 1e9
        again = self._loop.call_soon if wait_s <= 0 else lambda callback: self._loop.call_later(wait_s, callback)
        self._timer = again(self._play)

    def _act(self, *actions: Action) -> None:
        """Carry out actions in their order, unless one of them says to wait."""
        if self._waiting:
            self._actions.extend(actions)
            return
        self._actions.extend(actions)
        while self._actions and self._transport is not None and not self._transport.is_closing():
            match self._actions.popleft():
                case Write(data) if data and not self._silent:
                    self._transport.write(data)
                case Wait(seconds):
                    self._waiting = True
                    self._loop.call_later(seconds, self._go_on)
                    return
                case Close():
                    self._transport.close()
                case Reset():
                    # Without lingering, closing is an RST.
                    self._transport.get_extra_info("socket").setsockopt(
                        socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
                    )
                    self._transport.abort()
                case Silence():
                    self._silent = True
                case Storm(connections):
                    self._server.storm = connections
                    self._transport.abort()
                case Precision(symbol):
                    self._loop.call_soon(self._server.raise_precision, symbol)
                case RollOver():
                    self._loop.call_soon(self._server.roll_over)

    def _go_on(self) -> None:
        self._waiting = False
        self._act()
        self._play()


class VenueServer(RollingListener[_ClientConnection]):
    """A venue of market data that listens."""

    def __init__(
        self,
        source: Source,
        settings: VenueSettings,
        context: ssl.SSLContext | None,
        *,
        faults: FaultPlan | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        register = Register(settings, settings.second_logon)
        super().__init__(context, settings, register, host=host, port=port)
        self.source, self.settings = source, settings
        self.listing = Listing(source, settings)
        self.faults = faults or FaultPlan()
        self.storm = 0  # Connections to drop as soon as they speak.
        self.messages_sent = 0  # To clients that are gone; see `total_sent`.

    def connection(self) -> _ClientConnection:
        """Return the protocol of a new client."""
        return _ClientConnection(self)

    def update_instrument(self, symbol: str, **changes: object) -> None:
        """Change, list or delist an instrument and push it to whoever asked; see `Listing.update`. On its loop."""
        self.listing.update(symbol, **changes)
        for connection in list(self.connections):
            connection.instrument_changed(symbol)

    def raise_precision(self, symbol: str) -> None:
        """Give an instrument's prices a decimal more, and push it."""
        before = self.listing.precision(symbol) or precision_of(self.source.instruments[symbol])
        self.update_instrument(symbol, price_precision=before[0] + 1)

    def set_status(self, status: int) -> None:
        """Set TradSesStatus(340) and push it to whoever asked. On its loop."""
        if status not in SESSION_STATUSES:
            raise MisuseError(f"TradSesStatus(340) {status}: use one of {', '.join(map(str, SESSION_STATUSES))}")
        self.listing.status = status
        for connection in list(self.connections):
            connection.status_changed()

    @property
    def total_sent(self) -> int:
        """How many market-data messages were sent to all clients so far."""
        return self.messages_sent + sum(it.acceptor.messages_sent for it in self.connections)

    @property
    def finished(self) -> bool:
        """Whether there are subscriptions and all of them were played to their end."""
        played = [it.acceptor for it in self.connections if it.acceptor.subscriptions]
        return bool(played) and all(it.finished for it in played)
