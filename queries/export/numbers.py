"""Scaled integers as other formats want them: exact, or refused.

Layer: queries, export, lowest.
Source: style section 4: a price passes through float only where a format knows nothing else, and never changed.
"""

from decimal import Decimal
from typing import Final

from queries.errors import DoesNotFit

_SURE: Final = 10**15  # Every decimal of so many digits is the shortest that reads back as its double (DBL_DIG).


def exact_float(number: int, scale: int) -> float:
    """Return a scaled integer as the double whose shortest decimal it is. Errors: DoesNotFit where there is none."""
    value: float = number / 10**scale  # Rounded once, correctly, whatever their size.
    if -_SURE < number < _SURE or Decimal(repr(value)) == Decimal(number).scaleb(-scale):
        return value
    raise DoesNotFit(f"{number}e-{scale}", limit="no double has exactly this value in its shortest decimals")


def at_scale(number: int, scale: int, wanted: int, *, limit: int, what: str) -> int:
    """Return a scaled integer at another scale, below a limit. Errors: DoesNotFit."""
    if scale <= wanted:
        moved, rest = number * int(10 ** (wanted - scale)), 0
    else:
        moved, rest = divmod(number, int(10 ** (scale - wanted)))
    if rest or not -limit < moved < limit:
        raise DoesNotFit(f"{number}e-{scale}", limit=what)
    return moved
