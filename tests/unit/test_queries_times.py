"""Moments in, nanoseconds out, nothing guessed."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from lake_rows import T0

from queries.errors import TimeNotUnderstood, WindowReversed
from queries.times import NS_MAX, Time, as_ns, iso, window


@pytest.mark.parametrize(
    ("time", "ns"),
    [
        (T0, T0),
        ("2026-11-22T11:55:00.123456789Z", T0),
        ("2026-11-22T11:55:00.1Z", T0 // 10**8 * 10**8),
        ("2026-11-22T11:55:00Z", T0 // 10**9 * 10**9),
        ("2026-11-22T11:55Z", T0 // 10**9 * 10**9),
        ("1970-01-01T00:00:00.000000001Z", 1),
        (datetime(2026, 11, 22, 11, 55, 0, 123456, UTC), T0 // 1000 * 1000),
        (datetime(2026, 11, 22, 6, 55, 0, 123456, timezone(timedelta(hours=-5))), T0 // 1000 * 1000),
    ],
)
def test_a_moment_is_exact_to_the_nanosecond(time: Time, ns: int) -> None:
    """Whole nanoseconds, text and aware datetimes mean the same moment."""
    assert as_ns(time) == ns


def test_a_moment_reads_back_from_its_text() -> None:
    """All nine decimals are written, so text and number are the same thing."""
    assert iso(T0) == "2026-11-22T11:55:00.123456789Z"
    assert as_ns(iso(NS_MAX)) == NS_MAX


@pytest.mark.parametrize(
    "time",
    [
        datetime(2026, 11, 22),
        "2026-11-22",
        "2026-11-22T11:55:00",
        "2026-11-22T11:55:00+01:00",
        "2026-11-22 11:55:00Z",
        "2026-11-22T11:55:00.1234567891Z",
        "2026-02-30T00:00:00Z",
        "2026-11-22T24:00:00Z",
        "\uff12026-11-22T11:55:00Z",
        "1969-12-31T23:59:59Z",
        "2262-04-12T00:00:00Z",
        "now",
        "",
        -1,
        2**63,
    ],
)
def test_a_moment_that_could_be_another_is_refused(time: Time) -> None:
    """No zone, no such date, too many decimals, out of range: the message says what to write instead."""
    with pytest.raises(TimeNotUnderstood) as caught:
        as_ns(time)

    assert caught.value.exit_code == 2


def test_a_naive_datetime_gets_its_remedy() -> None:
    """The error names the missing thing."""
    with pytest.raises(TimeNotUnderstood, match=r"has no time zone; add tzinfo=datetime\.UTC"):
        as_ns(datetime(2026, 11, 22))


def test_a_window_is_open_where_nothing_is_given() -> None:
    """None leaves a side open; a window that holds no moment is refused."""
    assert window(None, None) == (0, NS_MAX)
    assert str(window(None, T0)) == f"the beginning to {iso(T0)}"
    for start, end in ((T0, T0), (T0 + 1, T0)):
        with pytest.raises(WindowReversed):
            window(start, end)
