"""Bytes to frames: what is a frame, what is skipped, and why."""

import pytest
from fix import cut, framed, seal

from capture.wire.framer import FRAME_BYTES_LIMIT, Frame, Framer, FrameTooLong, Skipped

ONE, TWO, THREE = (seal(b"35=0\x0134=%d\x0158=good\x01" % number) for number in (1, 2, 3))


def good(*frames: bytes) -> list[bytes]:
    """The frames' bytes."""
    return list(frames)


def test_frame_is_the_message_and_where_it_stood() -> None:
    """A frame is the bytes from 8 to the SOH after 10, with their place in the stream."""
    frames, skipped = framed(ONE + TWO)

    assert frames == [Frame(ONE, 0), Frame(TWO, len(ONE))]
    assert skipped == []


def test_bytes_between_messages_are_skipped_and_counted() -> None:
    """What lies between frames is told once, with its place and length, right before the frame that ends it."""
    framer = Framer()

    items = list(framer.feed(ONE + b"some noise" + TWO))

    assert items == [
        Frame(ONE, 0),
        Skipped(len(ONE), 10, "bytes between messages"),
        Frame(TWO, len(ONE) + 10),
    ]


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (seal(b"35=0\x01", check_sum=b"000"), "CheckSum(10) is wrong"),
        (seal(b"35=0\x01", check_sum=b"7"), "BodyLength(9) does not lead to CheckSum(10)"),
        (seal(b"35=0\x01", check_sum=b"1234"), "BodyLength(9) does not lead to CheckSum(10)"),
        (seal(b"35=0\x01", check_sum=b"x12"), "BodyLength(9) does not lead to CheckSum(10)"),
        (seal(b"35=0\x01")[:-1], "BodyLength(9) does not lead to CheckSum(10)"),
        (seal(b"35=0\x0158=x\x01", length=5), "BodyLength(9) does not lead to CheckSum(10)"),
        (seal(b"35=0\x01", length=0), "BodyLength(9) does not lead to CheckSum(10)"),
        (seal(b"35=0\x01", length=40), "BodyLength(9) reaches into the next message"),
        (seal(b"35=0\x01", length=900), "BodyLength(9) reaches into the next message"),
        (seal(b"35=0\x01").replace(b"9=5", b"9=x"), "8, 9, 35 are not the first three fields"),
        (seal(b"35=0\x01").replace(b"9=5", b"9=-5"), "8, 9, 35 are not the first three fields"),
        (seal(b"35=0\x01").replace(b"9=5", b"9="), "8, 9, 35 are not the first three fields"),
        (seal(b"35=0\x01").replace(b"9=5", b"9=0000000000005"), "8, 9, 35 are not the first three fields"),
        (seal(b"35=0\x01").replace(b"9=5\x01", b""), "8, 9, 35 are not the first three fields"),
        (seal(b"34=1\x0135=0\x01"), "8, 9, 35 are not the first three fields"),
        (b"9=5\x018=FIX.4.4\x0135=0\x0110=161\x01", "bytes between messages"),
        (seal(b"35=0\x01").replace(b"8=FIX.4.4", b"8=FIX.4.4=44444444444"), "8, 9, 35 are not the first three fields"),
        (seal(b"35=0\x0195=9\x0196=\x018=FIX.4.4\x01"), "BodyLength(9) reaches into the next message"),
    ],
)
def test_garbled_message_costs_only_itself(bad: bytes, reason: str) -> None:
    """A message that is framed wrongly is skipped with its reason, and the messages around it are not lost."""
    frames, skipped = framed(ONE + bad + TWO + THREE)

    assert [it.data for it in frames] == good(ONE, TWO, THREE)
    assert [(it.count, it.reason) for it in skipped] == [(len(bad), reason)]


def test_begin_string_within_noise_is_no_message() -> None:
    """Noise that holds `8=FIX`, whole or begun, does not hide the message after it."""
    for noise in (
        b"8=FIX",
        b"8=FIX8=FIX",
        b"x8=FIX.4.4\x019=",
        b"8=FIX.4.4\x019=5\x0135",
        b"8=8=F8=FI",
        b"\x018=FIX\x01",
    ):
        frames, skipped = framed(ONE + noise + TWO)

        assert [it.data for it in frames] == good(ONE, TWO), noise
        assert sum(it.count for it in skipped) == len(noise)


def test_every_cut_gives_the_same() -> None:
    """Frames and skipped stretches are a function of the bytes: no cut into two reads changes them."""
    stream = ONE + b"noise 8=FIX" + seal(b"35=0\x01", length=31) + TWO + seal(b"35=0\x01", check_sum=b"999") + THREE
    uncut = framed(stream)

    for place in range(len(stream) + 1):
        assert framed(*cut(stream, place)) == uncut, place
    assert framed(*(stream[at : at + 1] for at in range(len(stream)))) == uncut


def test_body_length_is_not_waited_for_once_the_next_message_begins() -> None:
    """A length that claims megabytes is found out when the next message begins, not when they have come."""
    framer = Framer()

    items = list(framer.feed(seal(b"35=0\x01", length=FRAME_BYTES_LIMIT) + ONE))

    assert [type(it) for it in items] == [Skipped, Frame]
    assert framer.pending_bytes == 0


def test_message_cut_by_the_end_is_told() -> None:
    """Where the connection ends within a message, the rest is told and forgotten."""
    framer = Framer()
    list(framer.feed(ONE + TWO[:-3]))

    assert framer.pending_bytes == len(TWO) - 3
    assert list(framer.end()) == [Skipped(len(ONE), len(TWO) - 3, "the connection ended within a message")]
    assert framer.pending_bytes == 0


def test_noise_before_the_end_is_told() -> None:
    """Noise that no frame ends is told at the end."""
    frames, skipped = framed(ONE + b"noise", b"more")

    assert [it.data for it in frames] == good(ONE)
    assert skipped == [Skipped(len(ONE), 9, "bytes between messages")]


def test_nothing_is_told_at_a_clean_end() -> None:
    """A connection that ends between messages leaves nothing to tell."""
    assert framed(ONE, TWO)[1] == []


def test_frame_over_the_limit_ends_the_stream() -> None:
    """A BodyLength past the limit is an error that names both; what was whole before it comes out first."""
    stream = Framer().feed(ONE + seal(b"35=0\x01", length=FRAME_BYTES_LIMIT + 1))

    assert next(stream) == Frame(ONE, 0)
    with pytest.raises(FrameTooLong, match="16777217, the limit is 16777216"):
        next(stream)


def test_large_frame_is_taken_whole() -> None:
    """A message of a mebibyte is one frame, whatever the reads."""
    large = seal(b"35=W\x01" + b"58=" + b"x" * (1 << 20) + b"\x01")

    frames, skipped = framed(*(large[at : at + 65536] for at in range(0, len(large), 65536)))

    assert [it.data for it in frames] == [large]
    assert skipped == []


def test_what_is_held_back_is_bounded_by_one_message() -> None:
    """Bytes that cannot be part of a message any more are not kept."""
    framer = Framer()
    pending = []

    for _ in range(100):
        list(framer.feed(b"\x00noise 8=FI " * 1000))
        pending.append(framer.pending_bytes)

    assert max(pending) <= 5
