"""Values against the exact decimals and times of the standard library."""

from datetime import UTC, datetime
from decimal import Decimal

from hypothesis import given, settings
from hypothesis.strategies import datetimes, from_regex, integers

from capture.errors import ValueMalformed
from capture.wire import values

DECIMALS = from_regex(rb"-?[0-9]{1,9}(\.[0-9]{1,9})?", fullmatch=True)


@settings(deadline=None)
@given(text=DECIMALS, scale=integers(0, 9))
def test_scaled_is_the_exact_decimal(text: bytes, scale: int) -> None:
    """A scaled integer is the very decimal that was written, whatever scale was asked for."""
    number, got_scale = values.scaled(text, scale)

    assert Decimal(number).scaleb(-got_scale) == Decimal(text.decode())
    assert got_scale >= scale
    if got_scale > scale:
        assert number % 10, "more decimals than asked for are taken only where they are needed"


@settings(deadline=None)
@given(number=integers(-(10**18) + 1, 10**18 - 1), scale=integers(0, 18))
def test_unscaled_and_scaled_are_inverse(number: int, scale: int) -> None:
    """The text of a scaled integer reads back as the same integer and scale."""
    text = values.unscaled(number, scale)

    assert values.scaled(text.encode(), scale) == (number, scale)
    assert Decimal(text) == Decimal(number).scaleb(-scale)


@settings(deadline=None)
@given(text=from_regex(rb"[-+0-9.eE_ ]{0,8}", fullmatch=True))
def test_what_is_no_plain_decimal_is_refused(text: bytes) -> None:
    """Whatever is accepted is a plain decimal, and equals it; all else is ValueMalformed and never another error."""
    try:
        number, scale = values.scaled(text, 2)
    except ValueMalformed:
        return

    assert Decimal(number).scaleb(-scale) == Decimal(text.decode())
    assert not set(text.decode()) & set("+eE_ ")


@settings(deadline=None)
@given(when=datetimes(min_value=datetime(1970, 1, 1), max_value=datetime(2200, 1, 1)), nanoseconds=integers(0, 999))
def test_timestamp_is_the_time_that_was_written(when: datetime, nanoseconds: int) -> None:
    """A timestamp with nanoseconds is read to the nanosecond."""
    text = f"{when:%Y%m%d-%H:%M:%S}.{when.microsecond:06d}{nanoseconds:03d}".encode()

    at_ns = values.timestamp_ns(text)

    second = when.replace(microsecond=0, tzinfo=UTC)
    assert at_ns == int(second.timestamp()) * 10**9 + when.microsecond * 1000 + nanoseconds
    assert values.timestamp_text(at_ns) == text[:-6]
