"""Values of fields: integers, exact scaled decimals, UTC times, and their text on the wire.

Layer: wire. Prices and sizes never become a float here or anywhere above.
Source: FIX 4.4 volume 1, data types; venue reference 2.1 (plain decimals, trailing zeros trimmed, milliseconds).
"""

from contextlib import suppress
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

from capture.errors import ValueMalformed

DIGITS_LIMIT: Final = 18  # Of an integer field: any such number fits an int64.
SCALED_LIMIT: Final = 2**63 - 1  # Of a scaled decimal: what an int64 column holds.
SCALE_LIMIT: Final = 18
MILLISECOND_NS: Final = 1_000_000
SECOND_NS: Final = 1_000_000_000
DAY_MS: Final = 86_400_000


def integer(value: bytes) -> int:
    """Return a non-negative integer. Errors: ValueMalformed for a sign, a point, a blank or nothing at all."""
    if not value.isdigit() or len(value) > DIGITS_LIMIT:
        raise ValueMalformed(expected="an integer", received=value)
    return int(value)


def precision(value: bytes) -> int:
    """Return a count of decimals; the venue types it as float, so `8` and `8.0` are both eight."""
    whole, _, fraction = value.partition(b".")
    if fraction.strip(b"0") or not whole.isdigit() or len(whole) > DIGITS_LIMIT or int(whole) > SCALE_LIMIT:
        raise ValueMalformed(expected=f"a number of decimals up to {SCALE_LIMIT}", received=value)
    return int(whole)


def boolean(value: bytes) -> bool:
    """Return a FIX boolean: Y or N."""
    if value not in {b"Y", b"N"}:
        raise ValueMalformed(expected="Y or N", received=value)
    return value == b"Y"


def scaled(value: bytes, scale: int) -> tuple[int, int]:
    """Return a decimal as an integer and its scale: `28013.0` at 1 is (280130, 1).

    The scale returned is the one asked for, or as many decimals as the value needs when that is more: nothing is
    ever rounded, and the caller sees by the scale that the precision was exceeded.
    Errors: ValueMalformed for anything but digits, one point and a leading minus, beyond an int64 or 18 decimals.
    """
    whole, point, fraction = value.partition(b".")
    if len(fraction) > scale:
        fraction = fraction.rstrip(b"0")
        scale = max(scale, len(fraction))
    digits = whole + fraction.ljust(scale, b"0")
    unsigned = digits[1:] if digits.startswith(b"-") else digits
    if not unsigned.isdigit() or (point and not value[-1:].isdigit()) or whole in {b"", b"-"}:
        raise ValueMalformed(expected="a decimal number", received=value)
    significant = unsigned.lstrip(b"0")
    if len(significant) > DIGITS_LIMIT + 1 or scale > SCALE_LIMIT:  # Before int(), which refuses thousands of digits.
        raise ValueMalformed(expected=f"a decimal number up to {SCALED_LIMIT} scaled", received=value)
    number = int(significant or b"0")
    if number > SCALED_LIMIT:
        raise ValueMalformed(expected=f"a decimal number up to {SCALED_LIMIT} scaled", received=value)
    return (-number if digits.startswith(b"-") else number), scale


def unscaled(number: int, scale: int) -> str:
    """Return the full text of a scaled integer: (280130, 1) is `28013.0`."""
    if scale == 0:
        return str(number)
    sign, digits = ("-", str(-number)) if number < 0 else ("", str(number))
    digits = digits.rjust(scale + 1, "0")
    return f"{sign}{digits[:-scale]}.{digits[-scale:]}"


@lru_cache(maxsize=64)
def _date_ns(date: bytes) -> int:
    if date.isdigit():  # strptime would take a blank for a zero.
        with suppress(ValueError):
            day = datetime.strptime(date.decode("ascii"), "%Y%m%d").replace(tzinfo=UTC)
            return int(day.timestamp()) * SECOND_NS
    raise ValueMalformed(expected="a date YYYYMMDD", received=date)


def time_of_day_ns(value: bytes) -> int:
    """Return UTCTimeOnly `HH:MM:SS[.fraction]` as ns since midnight; a leap second counts into the next minute."""
    if len(value) < 8 or value[2:3] != b":" or value[5:6] != b":":
        raise ValueMalformed(expected="a time HH:MM:SS.sss", received=value)
    hours, minutes, seconds, fraction = value[:2], value[3:5], value[6:8], value[9:]
    digits = hours + minutes + seconds + fraction
    whole = len(value) == 8 or (value[8:9] == b"." and 0 < len(fraction) <= 9)
    if not digits.isdigit() or not whole or hours > b"23" or minutes > b"59" or seconds > b"60":
        raise ValueMalformed(expected="a time HH:MM:SS.sss", received=value)
    second = (int(hours) * 60 + int(minutes)) * 60 + int(seconds)
    return second * SECOND_NS + int(fraction.ljust(9, b"0"))


def timestamp_ns(value: bytes) -> int:
    """Return UTCTimestamp `YYYYMMDD-HH:MM:SS[.fraction]` as ns since the epoch."""
    if value[8:9] != b"-":
        raise ValueMalformed(expected="a time YYYYMMDD-HH:MM:SS.sss", received=value)
    return _date_ns(value[:8]) + time_of_day_ns(value[9:])


def iso_ns(value: bytes) -> int:
    """Return ISO 8601 `YYYY-MM-DDTHH:MM:SS[.fraction]Z` as ns since the epoch, exactly.

    Errors: ValueMalformed, also for a time beyond an int64.
    """
    if len(value) < 20 or value[4:5] + value[7:8] + value[10:11] + value[-1:] != b"--TZ":
        raise ValueMalformed(expected="a time YYYY-MM-DDTHH:MM:SS.sssssssssZ", received=value)
    at_ns = _date_ns(value[:4] + value[5:7] + value[8:10]) + time_of_day_ns(value[11:-1])
    if abs(at_ns) > SCALED_LIMIT:
        raise ValueMalformed(expected="a time from 1678 to 2262", received=value)
    return at_ns


@lru_cache(maxsize=16)
def _second_text(second: int) -> bytes:
    return datetime.fromtimestamp(second, UTC).strftime("%Y%m%d-%H:%M:%S").encode("ascii")


def timestamp_text(at_ns: int) -> bytes:
    """Return ns since the epoch as UTCTimestamp with milliseconds, cut and not rounded."""
    second, rest = divmod(at_ns, SECOND_NS)
    return b"%b.%03d" % (_second_text(second), rest // MILLISECOND_NS)


def compact_utc(at_ns: int) -> str:
    """Return ns since the epoch as `YYYYMMDDTHHMMSS.nnnnnnnnnZ`: sorts as text, safe in a file name."""
    second, rest = divmod(at_ns, SECOND_NS)
    return f"{datetime.fromtimestamp(second, UTC):%Y%m%dT%H%M%S}.{rest:09d}Z"
