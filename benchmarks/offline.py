"""Hours of a market in seconds: the simulated venue and a feed in one process, on a clock that nobody waits for.

Everything but the sockets is what records: the venue's session, ours, the subscriber, feed and batcher. What a socket
adds is made by seed: a message comes in some hundred microseconds after it was sent, and what came together is one
read. Recordings bear times in whole milliseconds, so without it times would be rounder than any clock's.
"""

from collections.abc import Iterator
from random import Random
from typing import Final

from capture.feed import Feed
from capture.market.requests import LEVEL_2
from capture.session.session import Role, Session, SessionSettings
from capture.sinks import Connection, Position
from capture.subscriber import Subscriber
from capture.venue.acceptor import Acceptor, VenueSettings
from capture.venue.source import Source
from capture.wire import values
from storage.batcher import Batch, Batcher

BEGAN_NS: Final = values.timestamp_ns(b"20260301-12:00:00.000")
BATCH_S: Final = 60
WAY_NS: Final = 400_000  # What a message is on its way at least.
JITTER_NS: Final = 150_000  # And on the average beyond it.
READ_MESSAGES: Final = 64  # Of one read, at most.
_SENDER: Final = "BENCHMARK"
_TARGET: Final = "KRAKEN-MD"
_CONNECTION: Final = Connection("venue.example", "10.0.0.1", 40000, "10.0.0.2", 4000, _SENDER, _TARGET, "TLSv1.3")


def batches(
    source: Source, depth: int, seconds: float, *, level: int = LEVEL_2, seed: int = 1, batch_s: int = BATCH_S
) -> Iterator[Batch]:
    """Yield what a recorder makes of so many seconds of a source, or of all of it if that ends sooner."""
    random = Random(f"fixtape offline {seed}")  # noqa: S311 - a network, not a secret
    venue = Acceptor(source, VenueSettings(level_3=True))
    session = Session(SessionSettings(Role.INITIATOR, _SENDER.encode(), _TARGET.encode()))
    feed, subscriber = Feed(session), Subscriber(session, ("all",), depth, level)
    done: list[Batch] = []
    batcher = Batcher("20260301T120000.000000000Z", batch_s, feed, done.append)
    received, now_ns = 0, BEGAN_NS

    def take_in(data: bytes) -> None:
        nonlocal received
        batcher.advance(now_ns)
        feed.received(now_ns, now_ns - BEGAN_NS, data, Position("2026-03-01/120000-1.pcapng", received))
        received += len(data)
        answer()

    def answer() -> None:
        while findings := feed.take_findings():
            subscriber.handle(findings, now_ns, now_ns - BEGAN_NS)
        while (frame := session.next_frame(now_ns)) is not None:
            feed.sent(now_ns, now_ns - BEGAN_NS, frame)
            venue.received(frame, now_ns, now_ns - BEGAN_NS)

    venue.opened(now_ns, 0)
    batcher.advance(now_ns)
    feed.opened(now_ns, 0, _CONNECTION)
    answer()
    while data := b"".join(venue.take_frames()):
        take_in(data)
    while (due_ns := venue.next_due_mono_ns()) is not None and due_ns <= seconds * values.SECOND_NS:
        data = b"".join(venue.playback(BEGAN_NS + due_ns, due_ns, count_limit=READ_MESSAGES))
        now_ns = max(now_ns + 1, BEGAN_NS + due_ns + WAY_NS + int(random.expovariate(1 / JITTER_NS)))
        if data:
            take_in(data)
        yield from done
        done.clear()
    feed.closed(now_ns, "the end")
    batcher.cut()
    yield from done
