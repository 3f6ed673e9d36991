"""Moments as people write them, as nanoseconds since the epoch, and back.

Layer: queries, below everything that takes a time. Reads no clock.
Source: design section 7: times are UTC, windows are half open.

A time without a zone is refused rather than guessed: the answer would depend on where the question is asked.
"""

import re
from calendar import timegm
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from queries.errors import DurationNotUnderstood, TimeNotUnderstood, WindowReversed

Time = int | datetime | str
Duration = int | timedelta | str

NS_MAX: Final = 2**63 - 1
MILLISECOND_NS: Final = 1_000_000
_SECOND_NS: Final = 1_000_000_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_ISO: Final = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?Z", re.ASCII)
_LENGTH: Final = re.compile(r"(\d{1,18})(ns|us|ms|s|m|h|d)", re.ASCII)
_UNITS_NS: Final = {
    "ns": 1,
    "us": 1000,
    "ms": MILLISECOND_NS,
    "s": _SECOND_NS,
    "m": 60 * _SECOND_NS,
    "h": 3600 * _SECOND_NS,
    "d": 86_400 * _SECOND_NS,
}


class Window(NamedTuple):
    """A half-open stretch of receive time. Units: nanoseconds since the epoch."""

    start_ns: int
    end_ns: int

    def __str__(self) -> str:
        start = iso(self.start_ns) if self.start_ns > 0 else "the beginning"
        return f"{start} to {iso(self.end_ns) if self.end_ns < NS_MAX else 'the end'}"


def as_ns(time: Time) -> int:
    """Return a moment as nanoseconds since the epoch, UTC.

    Shapes: an int is nanoseconds already; a datetime bears a zone; a string is ISO 8601 with up to nine decimals and
        ends in Z, e.g. 2026-03-01T12:00:00.250Z.
    Errors: TimeNotUnderstood.
    """
    if isinstance(time, str):
        ns = _iso_ns(time)
    elif isinstance(time, datetime):
        if time.tzinfo is None:
            raise TimeNotUnderstood(time.isoformat(), reason="has no time zone; add tzinfo=datetime.UTC")
        ns = (time - _EPOCH) // timedelta(microseconds=1) * 1000
    elif isinstance(time, int):
        ns = time
    else:
        raise TimeNotUnderstood(str(time), reason="is neither int, datetime nor str")
    if not 0 <= ns <= NS_MAX:
        raise TimeNotUnderstood(str(time), reason="lies outside 1970-01-01 to 2262-04-11")
    return ns


def window(start: Time | None, end: Time | None) -> Window:
    """Return the window from start, included, to end, not included; None leaves a side open.

    Errors: TimeNotUnderstood; WindowReversed where it holds no moment.
    """
    bounds = Window(0 if start is None else as_ns(start), NS_MAX if end is None else as_ns(end))
    if bounds.start_ns >= bounds.end_ns:
        raise WindowReversed(str(bounds))
    return bounds


def around(bounds: Window, by_ns: int) -> Window:
    """Return a window that reaches further on both sides."""
    return Window(max(bounds.start_ns - by_ns, 0), min(bounds.end_ns, NS_MAX - by_ns) + by_ns)


def duration_ns(length: Duration) -> int:
    """Return a length of time in nanoseconds, above zero.

    Shapes: an int is nanoseconds already; a string is a whole number and one of ns, us, ms, s, m, h, d, e.g. 250ms.
    Errors: DurationNotUnderstood.
    """
    ns = 0
    if isinstance(length, str):
        match = _LENGTH.fullmatch(length)
        ns = 0 if match is None else int(match[1]) * _UNITS_NS[match[2]]
    elif isinstance(length, timedelta):
        ns = length // timedelta(microseconds=1) * 1000
    elif isinstance(length, int):
        ns = length
    if not 0 < ns <= NS_MAX:
        raise DurationNotUnderstood(str(length))
    return ns


def iso(ns: int) -> str:
    """Return nanoseconds since the epoch as ISO 8601 in UTC, all nine decimals written."""
    seconds, fraction = divmod(ns, _SECOND_NS)
    return f"{(_EPOCH + timedelta(seconds=seconds)).strftime('%Y-%m-%dT%H:%M:%S')}.{fraction:09}Z"


def _iso_ns(text: str) -> int:
    match = _ISO.fullmatch(text)
    if match is None:
        raise TimeNotUnderstood(text, reason="write it in UTC like 2026-03-01T12:00:00.250Z")
    minutes, seconds, decimals = match.groups()
    try:
        moment = datetime.strptime(f"{minutes}:{seconds or '00'}+0000", "%Y-%m-%dT%H:%M:%S%z")
    except ValueError:
        raise TimeNotUnderstood(text, reason="is no moment of the calendar") from None
    return timegm(moment.utctimetuple()) * _SECOND_NS + int((decimals or "").ljust(9, "0"))
