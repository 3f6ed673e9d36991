"""Framing and decoding of real bytes: fixtape's Python path, and simplefix fed in two ways."""

import gzip
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import simplefix

from capture.market.decoder import decode
from capture.market.instruments import Instrument, InstrumentList
from capture.venue.recording import SHIPPED
from capture.wire import message, tags, values
from capture.wire.framer import Frame, Framer

SETS: Final = ("ethusd-d25", "spot10-d1000")
READ_BYTES: Final = 16 * 1024
OURS: Final = "fixtape: frames, checks, entries"
THEIRS: Final = "simplefix, one framed message a call"
THEIRS_READS: Final = "simplefix, fed in 16 KiB reads"


@dataclass(frozen=True, slots=True)
class Stream:
    """One recording: its bytes, its frames, and the instruments that it describes."""

    data: bytes
    frames: list[bytes]
    instruments: dict[str, Instrument]


def load(name: str) -> Stream:
    """Return a shipped recording."""
    data = gzip.decompress((SHIPPED / f"{name}.fix.gz").read_bytes())
    frames = [item.data for item in Framer().feed(data) if isinstance(item, Frame)]
    listed = InstrumentList().add(message.parse(frames[0]))
    return Stream(data, frames, {it.symbol: it for it in listed.instruments})


def things(stream: Stream) -> dict[str, Callable[[], float]]:
    """Return what is measured, each as a function that returns messages a second."""

    def timed(work: Callable[[], int]) -> Callable[[], float]:
        def run() -> float:
            begin = time.perf_counter()
            count = work()
            seconds = time.perf_counter() - begin
            assert count == len(stream.frames), "a message was lost"
            return count / seconds

        return run

    return {
        OURS: timed(lambda: _ours(stream)),
        THEIRS: timed(lambda: _simplefix_frames(stream)),
        THEIRS_READS: timed(lambda: _simplefix_reads(stream)),
    }


def _ours(stream: Stream) -> int:
    framer, count = Framer(), 0
    for at in range(0, len(stream.data), READ_BYTES):
        for item in framer.feed(stream.data[at : at + READ_BYTES]):
            assert isinstance(item, Frame)
            parsed = message.split(item.data)
            count += 1
            if parsed.msg_type != tags.SECURITY_LIST:
                sending_ms = values.timestamp_ns(parsed.need(tags.SENDING_TIME)) // values.MILLISECOND_NS
                decode(parsed, stream.instruments[parsed.text(tags.SYMBOL)], sending_ms)
    return count


def _simplefix_frames(stream: Stream) -> int:
    parser, count = simplefix.FixParser(), 0
    for frame in stream.frames:
        parser.append_buffer(frame)
        count += parser.get_message() is not None
    return count


def _simplefix_reads(stream: Stream) -> int:
    parser, count = simplefix.FixParser(), 0
    for at in range(0, len(stream.data), READ_BYTES):
        parser.append_buffer(stream.data[at : at + READ_BYTES])
        while parser.get_message() is not None:
            count += 1
    return count
