"""Values of fields: integers, scaled decimals, times."""

import pytest
from fix import T0

from capture.errors import ValueMalformed
from capture.wire import values

MS = values.MILLISECOND_NS


@pytest.mark.parametrize(
    ("text", "scale", "expected"),
    [
        (b"28013.0", 1, (280130, 1)),
        (b"0.00096506", 8, (96506, 8)),
        (b"0.001", 8, (100000, 8)),
        (b"84000", 1, (840000, 1)),
        (b"84000", 0, (84000, 0)),
        (b"84000.0", 0, (84000, 0)),
        (b"0.0", 8, (0, 8)),
        (b"-1.5", 2, (-150, 2)),
        (b"007.50", 1, (75, 1)),
        (b"999999999999999999", 0, (10**18 - 1, 0)),
        (b"0.000000000000000001", 18, (1, 18)),
        (b"92233720368.54775807", 8, (2**63 - 1, 8)),
    ],
)
def test_decimal_is_scaled_exactly(text: bytes, scale: int, expected: tuple[int, int]) -> None:
    """A decimal becomes an integer with as many decimals as asked for."""
    assert values.scaled(text, scale) == expected


@pytest.mark.parametrize(
    ("text", "scale", "expected"),
    [(b"28013.05", 1, (2801305, 2)), (b"0.001", 0, (1, 3)), (b"1.2500", 1, (125, 2)), (b"-0.25", 1, (-25, 2))],
)
def test_decimal_beyond_the_precision_is_kept_and_told(text: bytes, scale: int, expected: tuple[int, int]) -> None:
    """A value with more decimals than asked for is not rounded: its own scale comes back."""
    assert values.scaled(text, scale) == expected


@pytest.mark.parametrize(
    "text",
    [
        b"", b".", b"-", b"+1", b"1.", b".5", b"-.5", b"1.2.3", b"1e5", b"1E-8", b" 1", b"1 ", b"1,5", b"0x1", b"--1",
        b"1-", b"NaN", b"Infinity", b"1_000", b"\xd9\xa1", b"1000000000000000000", b"0.0000000000000000001",
        b"922337203685477580.8", b"1" * 5000, b"0." + b"0" * 5000 + b"1",
    ],
)  # fmt: skip
def test_malformed_decimal_is_refused(text: bytes) -> None:
    """Anything but digits, one point and a leading minus, or beyond an int64 or 18 decimals, is no decimal."""
    with pytest.raises(ValueMalformed):
        values.scaled(text, 1)


def test_zeros_in_front_cost_nothing() -> None:
    """Zeros before the number do not count as its digits, however many they are."""
    assert values.scaled(b"0" * 6000 + b"1.5", 1) == (15, 1)


@pytest.mark.parametrize(
    ("number", "scale", "text"),
    [
        (280130, 1, "28013.0"),
        (96506, 8, "0.00096506"),
        (5, 0, "5"),
        (-15, 1, "-1.5"),
        (-1, 3, "-0.001"),
        (0, 2, "0.00"),
    ],
)
def test_integer_is_told_in_full(number: int, scale: int, text: str) -> None:
    """A scaled integer is told with all of its decimals."""
    assert values.unscaled(number, scale) == text


@pytest.mark.parametrize(("text", "expected"), [(b"0", 0), (b"007", 7), (b"999999999999999999", 10**18 - 1)])
def test_integer(text: bytes, expected: int) -> None:
    """Digits are an integer, zeros in front or not."""
    assert values.integer(text) == expected


@pytest.mark.parametrize("text", [b"", b"-1", b"+1", b"1.0", b" 1", b"1_0", b"x", b"1" * 19, b"1" * 5000, b"\xb2"])
def test_malformed_integer_is_refused(text: bytes) -> None:
    """A sign, a point, a blank, nothing at all, or too much, is no integer."""
    with pytest.raises(ValueMalformed):
        values.integer(text)


@pytest.mark.parametrize(("text", "expected"), [(b"8", 8), (b"8.0", 8), (b"0", 0), (b"18.00", 18), (b"8.", 8)])
def test_precision_is_an_integer_in_any_dress(text: bytes, expected: int) -> None:
    """A precision is typed as float by the venue, and is an integer all the same."""
    assert values.precision(text) == expected


@pytest.mark.parametrize("text", [b"", b"8.5", b"-1", b"19", b"x", b".0", b"1" * 5000])
def test_malformed_precision_is_refused(text: bytes) -> None:
    """A precision that is no small integer is refused."""
    with pytest.raises(ValueMalformed):
        values.precision(text)


def test_boolean_is_y_or_n() -> None:
    """Y and N are booleans, and nothing else is."""
    assert values.boolean(b"Y")
    assert not values.boolean(b"N")
    for text in (b"", b"y", b"true", b"1"):
        with pytest.raises(ValueMalformed):
            values.boolean(text)


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        (b"20260301-12:00:00", 0),
        (b"20260301-12:00:00.5", 500_000_000),
        (b"20260301-12:00:00.123", 123_000_000),
        (b"20260301-12:00:00.123456", 123_456_000),
        (b"20260301-12:00:00.123456789", 123_456_789),
    ],
)
def test_timestamp_of_any_resolution(text: bytes, nanoseconds: int) -> None:
    """Seconds, milli-, micro- and nanoseconds are read exactly."""
    assert values.timestamp_ns(text) == T0 + nanoseconds


def test_leap_second_counts_into_the_next_minute() -> None:
    """23:59:60 is the same instant as the midnight after it."""
    leap = values.timestamp_ns(b"20161231-23:59:60.250")

    assert leap == values.timestamp_ns(b"20170101-00:00:00.250")


@pytest.mark.parametrize(
    "text",
    [
        b"", b"20260301", b"20260301 12:00:00", b"20260301-12:00", b"20260301-12:00:00.", b"20260301-24:00:00",
        b"20260301-12:60:00", b"20260301-12:00:61", b"20261301-12:00:00", b"20260230-12:00:00", b"202603 1-12:00:00",
        b"20260301-12:00:00.1234567890", b"20260301-12:00:00,123", b"20260301-1a:00:00", b"20260301-12-00-00",
        b"20260301-12:00:00Z", b"0000010x-12:00:00", b"\xff0260301-12:00:00",
    ],
)  # fmt: skip
def test_malformed_timestamp_is_refused(text: bytes) -> None:
    """What is not YYYYMMDD-HH:MM:SS with at most nine decimals is no timestamp."""
    with pytest.raises(ValueMalformed):
        values.timestamp_ns(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"2026-02-03T10:24:34.650069468Z", 1_770_114_274_650_069_468),
        (b"2026-03-01T12:00:00Z", T0),
        (b"2026-03-01T12:00:00.5Z", T0 + values.SECOND_NS // 2),
        (b"1970-01-01T00:00:00.000000001Z", 1),
        (b"1969-12-31T23:59:59.999999999Z", -1),
        (b"2262-04-11T23:47:16.854775807Z", 2**63 - 1),
    ],
)
def test_iso_time_is_exact(text: bytes, expected: int) -> None:
    """ISO 8601 with up to nine decimals is that many nanoseconds, to the last that an int64 holds."""
    assert values.iso_ns(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        b"", b"x", b"2026-03-01T12:00:00", b"2026-03-01 12:00:00Z", b"2026-03-01T12:00:00+00:00", b"20260301T12:00:00Z",
        b"2026-13-01T12:00:00Z", b"2026-02-30T12:00:00Z", b"2026-03-01T24:00:00Z", b"2026-03-01T12:00:00.Z",
        b"2026-03-01T12:00:00.1234567890Z", b"2026-03-01t12:00:00Z", b"2026-03-01T12:00:00z", b"2026-03-01T1:00:00.00Z",
        b"1677-09-21T00:12:43.145224192Z", b"2262-04-11T23:47:16.854775808Z", b"9999-12-31T00:00:00Z",
        b"+026-03-01T12:00:00Z", b" 2026-03-01T12:00:00Z",
    ],
)  # fmt: skip
def test_malformed_iso_time_is_refused(text: bytes) -> None:
    """Another form, another zone, more decimals, no such day, or a time that no column holds: malformed."""
    with pytest.raises(ValueMalformed):
        values.iso_ns(text)


def test_timestamp_text_is_cut_to_milliseconds() -> None:
    """The text of a time is cut, never rounded: SendingTime must not lie in the future."""
    assert values.timestamp_text(T0 + 999_999) == b"20260301-12:00:00.000"
    assert values.timestamp_text(T0 + values.SECOND_NS - 1) == b"20260301-12:00:00.999"


def test_compact_time_sorts_as_text() -> None:
    """The time in a name has nanoseconds, and later names sort after earlier ones."""
    times = [T0 - 1, T0, T0 + 1, T0 + values.SECOND_NS]

    names = [values.compact_utc(at_ns) for at_ns in times]

    assert names[1] == "20260301T120000.000000000Z"
    assert names == sorted(names)
