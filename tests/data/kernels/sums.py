"""A placeholder kernel that others use at C level: the sum of bytes, as CheckSum(10) takes it."""

import cython


@cython.cclass
class Sum:
    """A sum so far; its attribute is declared in the .pxd."""

    def __init__(self) -> None:
        self.total = 0

    @cython.ccall
    def add(self, byte: cython.int) -> cython.int:
        """Return the sum with one byte more."""
        self.total = (self.total + byte) % 256
        return self.total


def form() -> str:
    """Return which form of this file runs."""
    return "compiled" if cython.compiled else "python"
