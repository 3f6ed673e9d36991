"""Nanoseconds since the epoch as the journal writes them in names and in text. All UTC.

Layer: journal, lowest. Pure: reads no clock.
"""

import re
from datetime import UTC, datetime, timedelta
from typing import Final

SECOND_NS: Final = 1_000_000_000
DAY_NS: Final = 86_400 * SECOND_NS

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_UTC_TEXT: Final = re.compile(r"(\d{4})-?(\d{2})-?(\d{2})(?:[T -](\d{2}):(\d{2}):(\d{2})(?:\.(\d{1,9}))?)?Z?", re.ASCII)


def name_of(at_ns: int) -> str:
    """Return the name of a segment that begins then: `20261122T101500.123456789Z`. Names sort as times do."""
    return _text(at_ns, "%Y%m%dT%H%M%S") + "Z"


def day_of(at_ns: int) -> str:
    """Return the day, as a directory is called: `2026-11-22`."""
    return _moment(at_ns).strftime("%Y-%m-%d")


def log_text(at_ns: int) -> str:
    """Return the time as a FIX log shows it: `20261122-10:15:00.123456789`."""
    return _text(at_ns, "%Y%m%d-%H:%M:%S")


def iso_text(at_ns: int) -> str:
    """Return the time as ISO 8601 has it: `2026-11-22T10:15:00.123456789Z`."""
    return _text(at_ns, "%Y-%m-%dT%H:%M:%S") + "Z"


def parse_utc(text: str) -> int:
    """Return the nanoseconds of a day or an instant, written in any of the forms above or partly.

    Errors: ValueError where it is none.
    """
    match = _UTC_TEXT.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is no UTC time; write 2026-11-22T10:15:00.123456789Z or 2026-11-22")
    numbers = [int(group or 0) for group in match.groups()[:6]]
    moment = datetime(*numbers, tzinfo=UTC)  # type: ignore[arg-type,misc]  # Six numbers, by the pattern.
    seconds = (moment - _EPOCH) // timedelta(seconds=1)
    return seconds * SECOND_NS + int((match[7] or "").ljust(9, "0"))


def _text(at_ns: int, form: str) -> str:
    return f"{_moment(at_ns).strftime(form)}.{at_ns % SECOND_NS:09}"


def _moment(at_ns: int) -> datetime:
    return _EPOCH + timedelta(seconds=at_ns // SECOND_NS)
