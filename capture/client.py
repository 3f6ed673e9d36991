"""Sockets and timers of the recorder's side.

Layer: above the core. Owns the transport and the clocks, and no protocol rule.
Source: design section 3.
Left to others: TLS and how a connection fails (`connect`), how long to wait (`backoff`).

Whatever is read goes to the journal first and to the feed second; whatever is to be sent, likewise before it goes out.
"""

import asyncio
import logging
import random
import ssl
from collections.abc import Callable
from typing import Final, cast

import uvloop

from capture import clock
from capture.backoff import Backoff, Ending, ending_of
from capture.clock import Now
from capture.connect import Endpoint, open_connection, tls_context
from capture.errors import LogonRefused, VenueError
from capture.feed import Feed
from capture.findings import Finding
from capture.hole import Ended, Hole, begun
from capture.proofs import STOP_NS, Proofs
from capture.session import events
from capture.session.states import ESTABLISHED
from capture.sinks import Connection, Journal, NoRoom
from capture.subscriber import Subscriber
from capture.wire.values import SECOND_NS

READ_BYTES: Final = 256 * 1024
LAGGING_READ_BYTES: Final = (
    READ_BYTES // 2
)  # Reads of this size and more, one after the other: more is there than taken.
LAG_TOLD_NS: Final = SECOND_NS  # A shorter lag is a burst, and nobody's concern.
CLOSE_TIME_S: Final = 12.0 + STOP_NS / SECOND_NS  # A little more than the limits for a proof and for a Logout.
TICK_S: Final = 0.1
CLOCK_STEP_NS: Final = SECOND_NS // 2  # Less between two ticks is no step: it is a clock that is slewed.
STILL_TOLD_NS: Final = 2 * SECOND_NS  # Between two ticks; a shorter one is a busy machine.
ROOM_LOOK_S: Final = 1.0  # How often the journal is asked whether it has room again.

log = logging.getLogger(__name__)


class _Transport(asyncio.BufferedProtocol):
    """Hands reads to the client without a copy in between."""

    def __init__(self, client: "Client", endpoint: Endpoint) -> None:
        self.client = client
        self.endpoint = endpoint
        self.closed = asyncio.get_running_loop().create_future()
        self.transport: asyncio.Transport | None = None
        self._buffer = bytearray(READ_BYTES)
        self._view = memoryview(self._buffer)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop registers no such class.
        self.client.connection_made(self)

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._view

    def buffer_updated(self, nbytes: int) -> None:
        self.client.received(bytes(self._view[:nbytes]))

    def connection_lost(self, exc: Exception | None) -> None:
        if self.closed.done():
            return  # Its end was taken down already, when a stop came as it was made.
        self.client.connection_lost(exc)
        self.transport = None  # It refers to us: a circle of half a MiB of buffers, until a collection.
        self.closed.set_result(exc)


class Client:
    """Keeps one session connected until it is stopped.

    on_failure: called with what ended each connection and the delay before the next.
    on_findings: called with what the feed found, after it was acted upon.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        feed: Feed,
        subscriber: Subscriber,
        journal: Journal,
        *,
        on_failure: Callable[[str, float], None] | None = None,
        on_findings: Callable[[list[Finding]], None] | None = None,
        backoff: Backoff | None = None,
        read_clock: Callable[[], Now] = clock.read,
    ) -> None:
        self.endpoint = endpoint
        self.feed, self.subscriber, self.journal = feed, subscriber, journal
        self.session = feed.session
        self.proofs = Proofs(feed.session)
        self.connections = 0
        self.logged_on_once = False
        self._on_failure, self._on_findings = on_failure, on_findings
        self._backoff = backoff or Backoff(random.uniform)  # Jitter decides nothing that is recorded.
        self._read_clock = read_clock
        self._link: _Transport | None = None
        self._stopping = asyncio.Event()
        self._connecting: asyncio.Task[_Transport] | None = None
        self._fatal: BaseException | None = None
        self._logged_on = False  # On the present connection.
        self._refused: str | None = None  # On the present connection: Text(58) of the Logout that answered the Logon.
        self._reason = ""  # Why the last connection ended.
        self._lagging_ns: int | None = None  # Since when reads have been large.
        self._hole: Hole | None = None  # Since the journal had no room.
        self._looked: Now | None = None  # The clocks, at the last tick of this or an earlier connection.
        self._ticked_ns = 0  # The last tick of this connection, or its beginning; monotonic.
        self._journalled = False  # The journal has the beginning of the present connection and not its end.

    async def run(self) -> None:
        """Stay connected until `stop`.

        Errors: VenueError where the first logon of the run fails, for then a person is waiting for the answer; later
        failures are tried again. OSError of the journal ends it at once: nothing may go on unjournalled.
        """
        context = tls_context(self.endpoint.ca_file)
        while not self._stopping.is_set():
            begin = asyncio.get_running_loop().time()
            ending, reason = await self._one_connection(context)
            await self._wait_for_room()
            if self._fatal is not None:
                raise self._fatal
            if self._rolling_over():
                ending = Ending.ROLLED_OVER
            if not self._stopping.is_set():
                await self._pause(reason, self._backoff.after(ending, asyncio.get_running_loop().time() - begin))

    async def _one_connection(self, context: ssl.SSLContext) -> tuple[Ending, str]:
        """Connect, stay until it ends, and say how. Errors: VenueError before the run's first logon."""
        self._logged_on, self._refused = False, None
        try:
            await self._connect(context)
        except VenueError as error:
            if not self.logged_on_once:
                raise
            return Ending.UNREACHABLE, str(error)
        if self._logged_on or self._stopping.is_set() or self._hole is not None:
            return Ending.DROPPED, self._reason
        if not self.logged_on_once:
            raise LogonRefused(self._refusal())
        return ending_of(logged_on=False, refusal=self._refused), self._refusal()

    def stop(self) -> None:
        """Prove the tail, log out, then end `run`."""
        if self._stopping.is_set():
            return
        self._stopping.set()
        now = self._read_clock()
        self.proofs.stop(now.mono_ns)
        if self._hole is None:
            self._act(now)
        if self._connecting is not None:
            self._connecting.cancel()
        asyncio.get_running_loop().call_later(CLOSE_TIME_S, self._abort, "our Logout was not answered")

    # The transport calls these.

    def connection_made(self, link: _Transport) -> None:
        """Begin the session on a connection whose certificate is proven."""
        assert link.transport is not None
        now = self._read_clock()
        self._link = link
        self.connections += 1
        local, peer = link.transport.get_extra_info("sockname"), link.transport.get_extra_info("peername")
        cipher = link.transport.get_extra_info("cipher") or ("", "", 0)
        connection = Connection(
            host=link.endpoint.host,
            local_address=local[0],
            local_port=local[1],
            peer_address=peer[0],
            peer_port=peer[1],
            sender_comp_id=self.session.settings.sender.decode(),
            target_comp_id=self.session.settings.target.decode(),
            tls=f"{cipher[1]} {cipher[0]}",
        )
        with _EndingOnFailure(self):
            self.journal.opened(now.wall_ns, connection)
            self._journalled = True
            self.feed.opened(now.wall_ns, now.mono_ns, connection)
            self._act(now)
            self._ticked_ns, self._looked = now.mono_ns, self._looked or now
            self._schedule_tick()

    def received(self, data: bytes) -> None:
        """Journal one read, then interpret it."""
        now = self._read_clock()
        if self._hole is not None:
            self._hole.refuse(data)
            return
        with _EndingOnFailure(self):
            try:
                for position, piece in self.journal.received(now.wall_ns, data):
                    self.feed.received(now.wall_ns, now.mono_ns, piece, position)
            except NoRoom as error:
                self._begin_hole(now, error).refuse(data)
                return
            self._watch_lag(now, len(data))
            self._act(now)

    def connection_lost(self, error: Exception | None) -> None:
        """Take note of the end of the connection."""
        now = self._read_clock()
        self._link = None
        if isinstance(self._fatal, OSError):
            return  # The journal failed: what it cannot hold must not go into the tables either.
        reason = self.session.close_reason or (str(error) if error is not None else "closed by the venue")
        self._reason = reason
        ended = Ended(now.wall_ns, reason, reset=isinstance(error, ConnectionError))
        if self._hole is None:
            with _EndingOnFailure(self):
                try:
                    self._watch_clocks(now)
                    self._say_ended(ended)
                except NoRoom as refusal:
                    self._begin_hole(now, refusal)
        if self._hole is not None:
            self._hole.ended = ended
        log.info("disconnected: %s", reason)

    def note(self, kind: str, text: str, *, since_ns: int | None = None) -> bool:
        """Write down what is in no byte of the stream; return False where the journal has no room for it, for later."""
        now = self._read_clock()
        if self._hole is None:
            try:
                self._note(now, kind, text, since_ns)
            except NoRoom as error:
                self._begin_hole(now, error)
        return self._hole is None

    # Helpers.

    def _say_ended(self, ended: Ended) -> None:
        """Tell the end of the connection, to whom its beginning was told."""
        if not self._journalled:
            return
        self.journal.closed(ended.at_ns, ended.reason, reset=ended.reset)
        self._journalled = False
        self.feed.closed(ended.at_ns, ended.reason)
        self.subscriber.handle(self.feed.take_findings(), ended.at_ns, self._read_clock().mono_ns)

    def _begin_hole(self, now: Now, error: NoRoom) -> Hole:
        """End the connection: what comes from here on is not kept. Errors: the same, before the run's first logon."""
        if self._hole is not None:
            return self._hole
        if not self.logged_on_once:
            raise error
        session = self.feed.rows.session_id if self._journalled else ""
        self._hole = begun(error, now.wall_ns, session, self.session.inbound.expected - 1)
        self._abort(f"{error.kind}: {self._hole.why}")
        return self._hole

    async def _wait_for_room(self) -> None:
        """Wait until the journal takes more, and write down what the hole was; a stop does not wait."""
        while self._hole is not None and self._fatal is None:
            stopping = self._stopping.is_set()
            if self.journal.has_room() or stopping:
                self._end_hole(self._hole, last=stopping)
            else:
                await self._rest(ROOM_LOOK_S)

    def _end_hole(self, hole: Hole, *, last: bool) -> None:
        with _EndingOnFailure(self):
            now = self._read_clock()
            try:
                if hole.ended is not None:
                    self._say_ended(hole.ended)
                    hole.ended = None
                self._note(now, hole.kind, hole.text(now.wall_ns), hole.since_ns)
            except NoRoom:
                if last:
                    raise
                return
            self._hole = None

    def _note(self, now: Now, kind: str, text: str, since_ns: int | None) -> None:
        self.journal.note(now.wall_ns, kind, {"text": text, "since_ns": since_ns})
        self.feed.noted(now.wall_ns, kind, text, since_ns)

    def _watch_clocks(self, now: Now) -> None:
        """Say where the wall clock was set, and where this process stood still, by the clock that nobody sets."""
        before, self._looked = self._looked, now
        if before is None:
            return
        step_ns = (now.wall_ns - before.wall_ns) - (now.mono_ns - before.mono_ns)
        if abs(step_ns) >= CLOCK_STEP_NS:
            text = f"the wall clock was set by {step_ns / SECOND_NS:+.3f} s; receive times follow it, timers do not"
            self._note(now, "clock_step", text, None)
        still_ns = now.mono_ns - self._ticked_ns
        if still_ns >= STILL_TOLD_NS:
            text = f"nothing was done for {still_ns / SECOND_NS:.1f} s"
            self._note(now, "stood still", text, now.wall_ns - still_ns)
        self._ticked_ns = now.mono_ns

    def _watch_lag(self, now: Now, size: int) -> None:
        """Say how long the venue was ahead of us; the socket pushed back meanwhile, and nothing is lost."""
        if size >= LAGGING_READ_BYTES:
            self._lagging_ns = self._lagging_ns or now.wall_ns
        elif self._lagging_ns is not None:
            since_ns, self._lagging_ns = self._lagging_ns, None
            if now.wall_ns - since_ns >= LAG_TOLD_NS:
                seconds = (now.wall_ns - since_ns) / SECOND_NS
                self._note(now, "reader lag", f"{seconds:.1f} s of reads that left more to read", since_ns)

    def _act(self, now: Now) -> None:
        """Decide upon what was found, send what is due, close where the session is over."""
        while findings := self.feed.take_findings():
            self._refused = next((it.text for it in findings if isinstance(it, events.LogonRefused)), self._refused)
            self.subscriber.handle(findings, now.wall_ns, now.mono_ns)
            self.proofs.handle(findings)
            self._flush(now)
            if self._on_findings is not None:
                self._on_findings(findings)
        self._flush(now)
        if self.session.state in ESTABLISHED:
            self._logged_on = self.logged_on_once = True
        if self.session.close_reason is not None and self._link is not None and self._link.transport is not None:
            self._link.transport.close()

    def _flush(self, now: Now) -> None:
        transport = self._link.transport if self._link is not None else None
        while transport is not None and (frame := self.session.next_frame(now.wall_ns)) is not None:
            self.journal.sent(now.wall_ns, frame)
            transport.write(frame)
            self.feed.sent(now.wall_ns, now.mono_ns, frame)

    def _schedule_tick(self) -> None:
        asyncio.get_running_loop().call_later(TICK_S, self._tick, self.connections)

    def _tick(self, connection: int) -> None:
        # By number: a timer keeps no old connection alive.
        if self._link is None or self._hole is not None or connection != self.connections:
            return
        now = self._read_clock()
        with _EndingOnFailure(self):
            self._watch_clocks(now)
            self.session.tick(now.mono_ns, now.wall_ns)
            self.subscriber.tick(now.mono_ns)
            self.proofs.tick(now.mono_ns, now.wall_ns)
            self._act(now)
        self._schedule_tick()

    def refused(self, error: BaseException) -> None:
        """Begin a hole where the journal has no room; end the run with any other error."""
        if isinstance(error, NoRoom) and self.logged_on_once and not self._stopping.is_set():
            self._begin_hole(self._read_clock(), error)
        else:
            self.fail(error)

    def fail(self, error: BaseException) -> None:
        """End the run with an error of ours or of the journal's."""
        if self._fatal is None:
            self._fatal = error
        self._stopping.set()
        self._abort("failed")

    def _abort(self, reason: str) -> None:
        if self._link is not None and self._link.transport is not None:
            self.session.close_reason = self.session.close_reason or reason
            self._link.transport.abort()

    def _rolling_over(self) -> bool:
        window = self.session.settings.rollover
        return window is not None and window.moment(self._read_clock().wall_ns) is not None

    def _refusal(self) -> str:
        if self.session.close_reason is not None:
            return self.session.close_reason
        return (
            f"{self.endpoint.host}:{self.endpoint.port} closed the connection instead of answering the Logon;"
            " check the SenderCompID, and that your address is on the venue's list"
        )

    async def _connect(self, context: ssl.SSLContext) -> None:
        """Connect and stay until the connection ends."""
        self._connecting = asyncio.ensure_future(
            open_connection(self.endpoint, context, lambda: _Transport(self, self.endpoint))
        )
        try:
            link = await self._connecting
        except asyncio.CancelledError:
            if not self._stopping.is_set():
                raise
            if (up := self._link) is not None:  # uvloop may forget what is cancelled in the moment it comes up.
                self._abort("stopped before the Logon was answered")
                up.connection_lost(None)
            return
        finally:
            self._connecting = None
        await link.closed

    async def _pause(self, reason: str, delay_s: float) -> None:
        if self._on_failure is not None:
            self._on_failure(reason, delay_s)
        await self._rest(delay_s)

    async def _rest(self, delay_s: float) -> None:
        try:
            async with asyncio.timeout(delay_s):
                await self._stopping.wait()
        except TimeoutError:
            pass


class _EndingOnFailure:
    """Ends the client's run with whatever is raised inside a callback, where asyncio would only log it."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        if error is None:
            return False
        self._client.refused(error)
        return True


def run(main: "asyncio._CoroutineLike[None]") -> None:
    """Run a coroutine to its end on uvloop."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main)  # type: ignore[arg-type]
