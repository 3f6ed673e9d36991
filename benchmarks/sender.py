"""The venue of benchmarks: Logon, list and subscriptions by the venue's own code, then what was made beforehand.

    python sender.py --symbols 100 --depth 1000 --market-seconds 60 --ca-out ca.pem

A process of its own, one connection after another, one for each line of standard input: `{"seconds": 10, "rate": 0}`.
With a rate it sends by schedule, whatever the reader does (an open loop); without one, as fast as it is read. It
prints a line of JSON when it listens, and one for each connection when all is sent; then it serves the session to its
end.
"""

import argparse
import json
import select
import socket
import ssl
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from passes import Pass, Snapshots, Stamper, gather, snapshot_ids

from capture.session.states import State
from capture.venue import certificates, recording
from capture.venue.acceptor import FAST, Acceptor, VenueSettings
from capture.venue.market import LEVELS, SyntheticMarket
from capture.venue.source import Shape, Source

HOST: Final = "127.0.0.1"
MARKET_RATE: Final = 1000.0  # Messages a second of the synthetic market's own time.
READ_BYTES: Final = 64 * 1024
STALL_S: Final = 30.0  # A reader that takes nothing for so long is gone.
IDLE_S: Final = 120.0  # And so is one that does not log on, or does not log out.
LOOK_S: Final = 0.1
AHEAD_NS: Final = 200_000_000  # A schedule begins so long after it was made.
MESSAGES_LIMIT: Final = 2_000_000  # Of one schedule: all of it is in memory.


@dataclass(frozen=True)
class Order:
    """What to send on one connection: for so long, and by which schedule.

    rate: messages a second, each when it is due; 0 is at will. most: at will, but no more than so many a second, block
    by block; 0 is as fast as it is read.
    """

    seconds: float
    rate: int = 0
    most: int = 0


@dataclass(frozen=True)
class Sent:
    """What one connection was sent, the snapshots of the subscriptions included.

    begin_mono_ns: when the first message of the schedule was due, or went out. scheduled: messages after those
    snapshots. first_number: the first one's MsgSeqNum(34). late_us: how much later than scheduled half of them and 99
    in 100 were handed to the socket.
    """

    messages: int
    verified: int
    entries: int
    bytes: int
    scheduled: int
    first_number: int
    begin_mono_ns: int
    seconds: float
    cpu_seconds: float
    late_us: tuple[float, float] = (0.0, 0.0)


class Connection:
    """One client, from its first byte to its last."""

    def __init__(self, tls: ssl.SSLSocket, of: Pass) -> None:
        tls.settimeout(STALL_S)
        self._tls = tls
        self._pass = of
        self._acceptor = Acceptor(Snapshots(of), VenueSettings(speed=FAST))
        self._acceptor.opened(time.time_ns(), time.monotonic_ns())
        self._bytes = 0

    @property
    def _over(self) -> bool:
        return self._acceptor.session.state is State.DISCONNECTED or self._acceptor.session.close_reason is not None

    def serve(self, order: Order) -> Sent:
        """Return what was sent once all of it is. Errors: TimeoutError where the client does not subscribe."""
        stamper = self._subscribed()
        self._bytes, first_number = 0, self._acceptor.session.next_out
        cpu = time.process_time()
        sent = self._send_scheduled(order, stamper) if order.rate else self._send_at_will(order, stamper)
        begin_ns, end_ns, count, late = sent
        cpu = time.process_time() - cpu
        # A pass from its beginning: the subscriptions' snapshots are its first messages.
        messages = self._pass.snapshots + count
        verified, entries = self._pass.counted(messages)
        return Sent(
            messages=messages,
            verified=verified,
            entries=entries,
            bytes=self._bytes,
            scheduled=count,
            first_number=first_number,
            begin_mono_ns=begin_ns,
            seconds=(end_ns - begin_ns) / 1e9,
            cpu_seconds=cpu,
            late_us=late,
        )

    def finish(self) -> None:
        """Serve the session until the client logs out or is gone."""
        end = time.monotonic() + IDLE_S
        while time.monotonic() < end and self._converse(LOOK_S):
            pass

    def _subscribed(self) -> Stamper:
        """Answer until there is a subscription on every symbol."""
        ids: dict[str, bytes] = {}
        end = time.monotonic() + IDLE_S
        while len(ids) < self._pass.snapshots:
            if time.monotonic() > end or not self._converse(LOOK_S):
                raise TimeoutError(f"{len(ids)} of {self._pass.snapshots} symbols were subscribed")
            frames = self._acceptor.playback(time.time_ns(), time.monotonic_ns(), count_limit=self._pass.snapshots)
            ids.update(snapshot_ids(frames))
            self._write(b"".join(frames))
        session = self._acceptor.session
        return Stamper(self._pass, ids, session.sender, session.target, begin=self._pass.snapshots)

    def _send_at_will(self, order: Order, stamper: Stamper) -> tuple[int, int, int, tuple[float, float]]:
        session, count = self._acceptor.session, 0
        begin_ns = now_ns = time.monotonic_ns()
        while now_ns - begin_ns < order.seconds * 1e9:
            block = stamper.block(session.next_out, time.time_ns())
            self._write("".join(block).encode("latin-1"))
            count += len(block)
            now_ns = time.monotonic_ns()
            session.sent_application(now_ns, count=len(block))
            ahead_s = count / order.most - (now_ns - begin_ns) / 1e9 if order.most else 0.0
            if not self._converse(max(ahead_s, 0.0)):
                raise ConnectionError("the client went away amid the stream")
        return begin_ns, now_ns, count, (0.0, 0.0)

    def _send_scheduled(self, order: Order, stamper: Stamper) -> tuple[int, int, int, tuple[float, float]]:
        """Send each message when it is due: number n of them n / rate seconds after the first."""
        session = self._acceptor.session
        total = int(order.seconds * order.rate)
        assert total <= MESSAGES_LIMIT, f"{total} messages in one schedule, at most {MESSAGES_LIMIT}"
        frames: list[bytes] = []
        wall_ns = time.time_ns() + AHEAD_NS
        while len(frames) < total:
            at_ns = wall_ns + len(frames) * 1_000_000_000 // order.rate
            limit = min(total - len(frames), max(order.rate // 100, 1))
            frames += [it.encode("latin-1") for it in stamper.block(session.next_out + len(frames), at_ns, limit)]
        session.sent_application(time.monotonic_ns(), count=total)
        begin_ns, late_ns, count = time.monotonic_ns() + AHEAD_NS, [], 0
        while count < total:
            ahead_ns = begin_ns + count * 1_000_000_000 // order.rate - time.monotonic_ns()
            if ahead_ns > 0:
                time.sleep(ahead_ns / 1e9)
                continue
            due = min(total, (time.monotonic_ns() - begin_ns) * order.rate // 1_000_000_000 + 1)
            late_ns.append(-ahead_ns)
            self._write(b"".join(frames[count:due]))
            count = due
        late_ns.sort()
        late = late_ns[len(late_ns) // 2] / 1e3, late_ns[len(late_ns) * 99 // 100] / 1e3
        return begin_ns, time.monotonic_ns(), total, late

    def _write(self, data: bytes) -> None:
        self._tls.sendall(data)
        self._bytes += len(data)

    def _converse(self, wait_s: float) -> bool:
        """Answer what the client says within a time; return whether the session goes on."""
        if self._tls.pending() or select.select([self._tls], [], [], wait_s)[0]:
            data = self._tls.recv(READ_BYTES)
            if not data:
                return False
            self._acceptor.received(data, time.time_ns(), time.monotonic_ns())
        self._acceptor.tick(time.time_ns(), time.monotonic_ns())
        self._write(b"".join(self._acceptor.take_frames()))
        return not self._over


def serve(listener: socket.socket, context: ssl.SSLContext, of: Pass, order: Order) -> None:
    """Serve the next connection and print what it was sent."""
    client, _ = listener.accept()
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with context.wrap_socket(client, server_side=True) as tls:
        connection = Connection(tls, of)
        _say(asdict(connection.serve(order)))
        connection.finish()


def _source(options: argparse.Namespace) -> Source:
    if options.recordings:
        return recording.shipped()
    return SyntheticMarket(options.symbols, rate=MARKET_RATE, levels=options.levels)


def _say(answer: object) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


def main() -> None:
    """Listen and obey."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recordings", action="store_true", help="the shipped recordings, not a synthetic market")
    parser.add_argument("--symbols", type=int, default=100, help="of the synthetic market")
    parser.add_argument("--levels", type=int, default=LEVELS, help="of each side of a synthetic book")
    parser.add_argument("--depth", type=int, default=1000, help="MarketDepth(264) that the client will ask for")
    parser.add_argument("--market-seconds", type=float, default=60.0, help="of the market's time, in one pass")
    parser.add_argument("--ca-out", type=Path, required=True, help="where to write the certificate to be verified by")
    options = parser.parse_args()
    made = gather(_source(options), Shape(options.depth), options.market_seconds)
    credentials = certificates.make("localhost", HOST)
    credentials.write_ca(options.ca_out)
    with socket.create_server((HOST, 0)) as listener:
        listener.settimeout(IDLE_S)
        _say({"port": listener.getsockname()[1], "messages": len(made.bodies), "snapshots": made.snapshots})
        for line in sys.stdin:
            serve(listener, credentials.context, made, Order(**json.loads(line)))


if __name__ == "__main__":
    main()
