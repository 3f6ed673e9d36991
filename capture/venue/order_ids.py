"""OrderID(37) as the venue writes it: OXXXXX-XXXXX-XXXXXX, of sixteen characters that count upwards.

Layer: venue. Source: venue reference 6.7.
"""

from typing import Final

_BASE32: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"


def order_id(number: int) -> str:
    """Return the id of the number-th order; below 2 to the 80th each has its own."""
    text = ""
    for _ in range(16):
        number, digit = divmod(number, len(_BASE32))
        text = _BASE32[digit] + text
    return f"O{text[:5]}-{text[5:10]}-{text[10:]}"
