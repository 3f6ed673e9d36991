"""A framer neither crashes nor hangs nor grows, whatever it is fed."""

import random
from collections.abc import Iterator

import pytest
from fix import framed, seal
from hypothesis import given, settings
from hypothesis.strategies import binary, lists

from capture.errors import MessageGarbled, ValueMalformed
from capture.market.decoder import decode
from capture.market.instruments import Instrument, InstrumentList
from capture.session.session import Role, Session, SessionSettings
from capture.wire.framer import Frame, Framer, FrameTooLong
from capture.wire.message import parse, split

NOISE_BYTES = 4 * 1024 * 1024
READ_BYTES = 64 * 1024
PIECES = [
    b"8=FIX",
    b"8=FIX.4.4\x01",
    b"9=100\x01",
    b"9=1\x01",
    b"35=X\x01",
    b"10=000\x01",
    b"\x01",
    b"=",
    b"8",
    b"\x0110=",
]


def reads(kind: str) -> Iterator[bytes]:
    """Four mebibytes of one kind of noise, in reads."""
    rng = random.Random(44)  # noqa: S311
    for _ in range(NOISE_BYTES // READ_BYTES):
        match kind:
            case "random bytes":
                yield rng.randbytes(READ_BYTES)
            case "pieces of messages":
                yield b"".join(rng.choices(PIECES, k=READ_BYTES // 6))
            case "begun messages":
                yield b"8=FIX.4.4\x019=1000000\x0135=A" * (READ_BYTES // 26)
            case "begun messages at fields":
                yield b"8=FIX.4.4\x019=1000000\x0135=A\x01" * (READ_BYTES // 27)
            case "wrong sums":
                yield seal(b"35=X\x0158=x\x01", check_sum=b"000") * (READ_BYTES // 32)
            case "begin strings":
                yield b"8=FIX" * (READ_BYTES // 5)


@pytest.mark.parametrize(
    "kind",
    ["random bytes", "pieces of messages", "begun messages", "begun messages at fields", "wrong sums", "begin strings"],
)
def test_mebibytes_of_noise_leave_no_trace(kind: str) -> None:
    """After four mebibytes of noise what is held back is bounded by one claimed message, and a good one is found."""
    framer = Framer()
    held = 0
    good = seal(b"35=0\x0134=1\x01")

    for data in reads(kind):
        list(framer.feed(data))
        held = max(held, framer.pending_bytes)
    found = [
        it for _ in range(20) for it in framer.feed(b"\x01" + good + b"\x01" * READ_BYTES) if isinstance(it, Frame)
    ]

    assert held <= 1_000_000 + READ_BYTES
    assert good in [it.data for it in found]


class Searched(bytearray):
    """A buffer that counts the bytes that were looked through."""

    count = 0

    def find(self, sub: bytes, start: int = 0, end: int | None = None) -> int:  # type: ignore[override]
        until = len(self) if end is None else min(end, len(self))
        place = super().find(sub, start, until)
        self.count += max((place if place >= 0 else until) - start, 0)
        return place


def looked_through(*data: bytes) -> int:
    """How many bytes a framer looks through for reads."""
    framer = Framer()
    framer.buffer = Searched()
    for read in data:
        list(framer.feed(read))
    assert isinstance(framer.buffer, Searched)
    return framer.buffer.count


def test_messages_begun_and_never_ended_are_searched_once() -> None:
    """Bytes within claimed messages are looked at once, not once for each message that claims them."""
    data = b"8=FIX.4.4\x019=500000\x0135=A" * 40_000

    assert looked_through(data) < 10 * len(data)
    assert looked_through(*(data[at : at + 4096] for at in range(0, len(data), 4096))) < 10 * len(data)


def test_drip_is_searched_once() -> None:
    """A message that comes byte by byte is searched once, however slowly it comes, and is one frame."""
    large = seal(b"35=W\x01" + b"58=value\x01" * 20_000)
    drops = [large[at : at + 1] for at in range(len(large))]

    assert looked_through(*drops) < 10 * len(large)
    assert framed(*drops) == ([Frame(large, 0)], [])


INSTRUMENT = Instrument("BTC/USD", 1, 8, 1, 1, "0.1", "0.00000001", "", "", "", 1)


@settings(deadline=None, max_examples=300)
@given(bodies=lists(binary(max_size=60), max_size=6))
def test_anything_framed_is_read_or_refused(bodies: list[bytes]) -> None:
    """Whatever stands inside good framing ends as a message, or in one of the errors that the feed knows."""
    session = Session(SessionSettings(Role.INITIATOR, b"CLIENT", b"KRAKEN-MD"))
    session.opened(0)

    frames, _ = framed(*(seal(b"35=X\x01" + body) for body in bodies))
    for it in frames:
        for read in (split, parse):
            try:
                message = read(it.data)
                decode(message, INSTRUMENT, 0)
                InstrumentList().add(message)
            except (MessageGarbled, ValueMalformed):
                continue
            session.receive(message, 0, 0)


@settings(deadline=None)
@given(data=lists(binary(max_size=100), max_size=20))
def test_any_reads_are_survived(data: list[bytes]) -> None:
    """No bytes crash the framer, and at the end nothing is held."""
    framer = Framer()
    try:
        for read in data:
            list(framer.feed(read))
    except FrameTooLong:
        return

    list(framer.end())

    assert framer.pending_bytes == 0
