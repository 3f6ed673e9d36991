"""Symbols in the names of files, where no text of the venue may stand as it came.

Layer: queries, export, lowest.
Source: faults D10; a file system may not tell case apart, so only upper case stands for itself.
"""

import hashlib
import re
from typing import Final

_PLAIN: Final = re.compile(r"[A-Z0-9]{1,20}(/[A-Z0-9]{1,20})?")
_OTHER: Final = re.compile(r"[^A-Za-z0-9]+")
_KEPT: Final = 20
_DIGITS: Final = 16


def safe_name(symbol: str) -> str:
    """Return what a symbol is called in a file's name: `BTC/USD` is BTC-USD, no two symbols are called the same.

    What is not one or two words of upper case and digits gets part of its SHA-256, after an underscore.
    """
    if _PLAIN.fullmatch(symbol):
        return symbol.replace("/", "-")
    digits = hashlib.sha256(symbol.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGITS]
    return f"{_OTHER.sub('-', symbol)[:_KEPT].strip('-') or 'symbol'}_{digits}"
