"""Values and books as text: exact, and safe to print wherever they came from.

Layer: queries, below everything that prints. Knows no table.
Source: faults D10 (escapes and newlines through venue text); style section 4, prices never pass through float.
"""

import math
from collections.abc import Sequence
from decimal import Decimal
from itertools import zip_longest
from typing import Final

COLUMN_GAP: Final = "  "


def shown(text: str) -> str:
    """Return text with everything that a terminal might obey written as an escape, so that it stays on its line."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in text)


def scaled_decimal(digits: int, scale: int) -> Decimal:
    """Return an integer scaled by a power of ten as the exact decimal, with `scale` decimals."""
    return Decimal(f"{digits}e-{scale}")


def number_text(value: float | Decimal) -> str:
    """Return a number in plain decimals, never with an exponent; a float by its shortest digits that read back."""
    if isinstance(value, float):
        if not math.isfinite(value):
            return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
        value = Decimal(repr(value))
    return format(value, "f")


def ladder(bids: Sequence[tuple[Decimal, Decimal]], offers: Sequence[tuple[Decimal, Decimal]]) -> list[str]:
    """Return a book as lines, bids left and offers right, prices meeting in the middle."""
    titles = ("size", "bid", "offer", "size")
    lines = [titles]
    for bid, offer in zip_longest(bids, offers):
        left = ("", "") if bid is None else (number_text(bid[1]), number_text(bid[0]))
        right = ("", "") if offer is None else (number_text(offer[0]), number_text(offer[1]))
        lines.append((*left, *right))
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return [
        f"{a:>{widths[0]}}{COLUMN_GAP}{b:>{widths[1]}} | {c:>{widths[2]}}{COLUMN_GAP}{d:>{widths[3]}}".rstrip()
        for a, b, c, d in lines
    ]
