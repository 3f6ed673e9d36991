"""Fields to frames, and back."""

import pytest
from fix import framed
from hypothesis import given, settings
from hypothesis.strategies import binary, integers, lists, sampled_from, tuples

from capture.wire import tags
from capture.wire.encoder import encode
from capture.wire.message import Field, parse, split

HEADER = {"msg_seq_num": 7, "sender": b"CLIENT", "target": b"KRAKEN-MD", "sending_text": b"20260301-12:00:00.000"}


def encoded(msg_type: bytes, *body: Field) -> bytes:
    """A frame with this file's header."""
    return encode(msg_type, body, **HEADER)  # type: ignore[arg-type]


def test_logon_is_encoded_as_captured() -> None:
    """The bytes of a Logon are those that the venue's page shows, CheckSum included."""
    data = encode(
        b"A",
        ((98, b"0"), (108, b"60"), (141, b"Y")),
        msg_seq_num=1,
        sender=b"damien",
        target=b"KRAKEN-MD",
        sending_text=b"20230707-13:31:03.000",
    )

    expected = "8=FIX.4.4|9=76|35=A|49=damien|56=KRAKEN-MD|34=1|52=20230707-13:31:03.000|98=0|108=60|141=Y|10=011|"
    assert data.replace(b"\x01", b"|").decode() == expected


def test_application_header_is_in_ascending_order() -> None:
    """An application message carries 34, 49, 52, 56 in this order, then its body as given."""
    order = [tag for tag, _ in split(encoded(b"V", (262, b"M1"), (55, b"BTC/USD"))).fields]

    assert order == [8, 9, 35, 34, 49, 52, 56, 262, 55, 10]


def test_session_header_begins_with_the_names() -> None:
    """A session message carries 49, 56, 34, 52 in this order."""
    order = [tag for tag, _ in split(encoded(b"0", (112, b"T1"))).fields]

    assert order == [8, 9, 35, 49, 56, 34, 52, 112, 10]


@pytest.mark.parametrize("value", [b"", b"a\x01b"])
def test_empty_value_and_soh_are_our_mistake(value: bytes) -> None:
    """Neither an empty value nor one with SOH in it ever goes out."""
    with pytest.raises(AssertionError):
        encoded(b"V", (262, value))


@settings(deadline=None)
@given(
    msg_type=sampled_from([b"0", b"A", b"V", b"x", b"y", b"W"]),
    # Below are tags of lengths and data (1277 and 1278, ...), which `split` is not for.
    body=lists(tuples(integers(50_000, 99_999), binary(min_size=1, max_size=20).filter(lambda it: b"\x01" not in it))),
)
def test_what_is_encoded_is_framed_and_parsed_as_it_was(msg_type: bytes, body: list[Field]) -> None:
    """Whatever is encoded is one good frame, and its fields come back in their order, both ways of reading."""
    data = encoded(msg_type, *body)

    frames, skipped = framed(data)

    assert [it.data for it in frames] == [data]
    assert not skipped
    for read in (split, parse):
        message = read(data)
        assert [it for it in message.fields if it[0] >= 1000] == body
        assert message.msg_type == msg_type
        assert message.integer(tags.MSG_SEQ_NUM) == 7
