"""What comes out of a stream does not depend on how it was cut."""

from collections.abc import Sequence
from pathlib import Path

from fix import framed, seal
from hypothesis import given, settings
from hypothesis.strategies import SearchStrategy, binary, composite, integers, just, lists, one_of, sampled_from

from capture.market.decoder import Decoded, decode
from capture.market.instruments import InstrumentList
from capture.wire import tags
from capture.wire.framer import Frame, Skipped
from capture.wire.message import split

GUIDE = (Path(__file__).parents[1] / "data/guide-example.fix").read_bytes()
MESSAGES = [it.data for it in framed(GUIDE)[0]]
(INSTRUMENT,) = InstrumentList().add(split(MESSAGES[0])).instruments


def decoded(frames: Sequence[Frame]) -> list[Decoded]:
    """The market data among frames, decoded."""
    messages = [split(it.data) for it in frames]
    books = (tags.MARKET_DATA_SNAPSHOT, tags.MARKET_DATA_INCREMENTAL)  # Garbage can be a good message of another type.
    return [decode(it, INSTRUMENT, 0) for it in messages if it.msg_type in books]


def test_every_cut_of_the_guide_gives_the_same() -> None:
    """For each of its places, a cut of the guide's stream into two reads gives the same frames and entries."""
    uncut, skipped = framed(GUIDE)
    entries = decoded(uncut)

    assert (len(uncut), skipped) == (3, [])
    for place in range(len(GUIDE) + 1):
        frames, skipped = framed(GUIDE[:place], GUIDE[place:])
        assert (frames, skipped) == (uncut, []), place
        assert decoded(frames) == entries, place


def garbage() -> SearchStrategy[bytes]:
    """Bytes that may stand between messages: noise, begun messages, garbled ones."""
    message = sampled_from(MESSAGES)
    return one_of(
        just(b""),
        binary(max_size=30),
        sampled_from(
            [b"8=FIX", b"\x018=FIX.4.4\x01", b"8=FIX.4.4\x019=12\x0135=0\x01", b"\x01", b"10=000\x01", b"8=8=FI"]
        ),
        message.flatmap(lambda it: integers(0, len(it) - 1).map(lambda place: it[:place])),
        message.flatmap(lambda it: integers(0, len(it) - 1).map(lambda place: it[:place] + b"\x00" + it[place + 1 :])),
        integers(0, 400).map(lambda length: seal(b"35=0\x0158=short\x01", length=length)),
        integers(0, 999).map(lambda total: seal(b"35=0\x01", check_sum=b"%03d" % total)),
    )


@composite
def streams(draw: object) -> bytes:
    """Good messages with garbage around them."""
    assert callable(draw)
    parts = [draw(garbage())]
    for _ in range(draw(integers(1, 4))):
        parts += [draw(sampled_from(MESSAGES)), draw(garbage())]
    return b"".join(parts)


def pieces(stream: bytes, sizes: list[int]) -> list[bytes]:
    """A stream in pieces of these sizes, over and over."""
    cut, at, turn = [], 0, 0
    while at < len(stream):
        cut.append(stream[at : at + sizes[turn % len(sizes)]])
        at += sizes[turn % len(sizes)]
        turn += 1
    return cut


@settings(deadline=None)
@given(stream=streams(), sizes=lists(integers(1, 60), min_size=1, max_size=5))
def test_random_cuts_and_garbage_give_the_same(stream: bytes, sizes: list[int]) -> None:
    """Frames, skipped stretches and entries are those of the uncut stream, in the same order."""
    frames, skipped = framed(stream)

    cut_frames, cut_skipped = framed(*pieces(stream, sizes))

    assert cut_frames == frames
    assert cut_skipped == skipped
    assert decoded(cut_frames) == decoded(frames)


@settings(deadline=None)
@given(stream=streams())
def test_every_byte_is_in_a_frame_or_skipped(stream: bytes) -> None:
    """Frames and skipped stretches cover the stream without a hole and without a byte twice."""
    frames, skipped = framed(stream)

    spans = sorted(
        [(it.stream_offset, len(it.data)) for it in frames] + [(it.stream_offset, it.count) for it in skipped]
    )
    at = 0
    for begin, count in spans:
        assert begin == at
        at += count
    assert at == len(stream)
    assert all(stream[it.stream_offset :].startswith(it.data) for it in frames)


@settings(deadline=None)
@given(
    noise=binary(max_size=40).filter(lambda it: b"8=FIX" not in it), messages=lists(sampled_from(MESSAGES), max_size=4)
)
def test_noise_between_messages_costs_none_of_them(noise: bytes, messages: list[bytes]) -> None:
    """Noise that does not look like a message hides none."""
    frames, skipped = framed(noise.join([b"", *messages, b""]))

    assert [it.data for it in frames] == messages
    assert sum(it.count for it in skipped) == len(noise) * (len(messages) + 1)
    assert all(isinstance(it, Skipped) for it in skipped)
