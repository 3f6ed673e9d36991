"""Numbers that come in, and what is kept beyond a gap."""

import pytest
from fix import message

from capture.session import sequence
from capture.session.sequence import InboundSequence
from capture.wire.message import Message


def kept(seq: int, text: str = "35=X 262=M1") -> Message:
    """A message with a number."""
    return message(text, seq=seq)


def test_begins_at_one_and_is_complete() -> None:
    """Nothing seen, nothing missing, one expected."""
    inbound = InboundSequence()

    assert inbound.expected == 1
    assert inbound.complete


def test_kept_messages_come_out_in_their_turn() -> None:
    """A kept message is given when its number is the expected one, and only once."""
    inbound = InboundSequence()
    third, second = kept(3), kept(2)
    inbound.keep(3, third)
    inbound.keep(2, second)

    assert inbound.take_next() is None
    inbound.advance(2)
    assert inbound.take_next() is second
    assert inbound.take_next() is None
    inbound.advance(3)
    assert inbound.take_next() is third
    inbound.advance(4)
    assert inbound.complete


def test_numbers_seen_are_missing_until_accounted_for() -> None:
    """It is complete when every number up to the highest seen is accounted for."""
    inbound = InboundSequence()
    inbound.keep(5, kept(5))

    assert not inbound.complete
    inbound.advance(5)
    assert not inbound.complete
    inbound.advance(6)
    assert inbound.complete


def test_first_copy_of_a_number_is_kept() -> None:
    """A second message of the same number does not take the first one's place."""
    inbound = InboundSequence()
    first = kept(2)
    inbound.keep(2, first)
    inbound.keep(2, kept(2))

    inbound.advance(2)

    assert inbound.take_next() is first


@pytest.mark.parametrize("step", [1, 5, 100])
def test_what_is_passed_over_is_forgotten(step: int) -> None:
    """After a move forward nothing below it is kept, whether it went one by one or in a leap."""
    inbound = InboundSequence()
    for seq in range(2, 50):
        inbound.keep(seq, kept(seq))

    for to in range(1 + step, 100 + step, step):
        inbound.advance(to)

    assert not inbound._kept
    assert inbound._kept_bytes == 0


def test_reset_forgets_everything() -> None:
    """A reset begins at its number with nothing kept and nothing missing."""
    inbound = InboundSequence()
    inbound.keep(9, kept(9))

    inbound.reset(4)

    assert inbound.expected == 4
    assert inbound.complete
    inbound.advance(9)
    assert inbound.take_next() is None


def test_count_of_kept_messages_is_bounded() -> None:
    """Past the limit what was kept is forgotten, and still known to be missing: the resend covers it."""
    inbound = InboundSequence()
    it = kept(2)

    for seq in range(2, sequence.KEPT_MESSAGES_LIMIT + 5):
        inbound.keep(seq, it)

    assert len(inbound._kept) <= sequence.KEPT_MESSAGES_LIMIT
    assert inbound.highest_seen == sequence.KEPT_MESSAGES_LIMIT + 4
    assert not inbound.complete


def test_bytes_of_kept_messages_are_bounded() -> None:
    """Large messages reach the limit of bytes long before that of their count."""
    inbound = InboundSequence()
    large = kept(2, "35=W 58=" + "x" * (1 << 20))

    for seq in range(2, 60):
        inbound.keep(seq, large)
        assert inbound._kept_bytes <= sequence.KEPT_BYTES_LIMIT
