"""A placeholder kernel that uses another at C level; the .pxd says so."""

import cython
from capture.wire.sums import Sum


@cython.ccall
@cython.locals(view="const unsigned char[::1]", i=cython.Py_ssize_t)
def running(data: bytes, at: cython.Py_ssize_t) -> cython.int:
    """Return the sum of bytes up to and with one place."""
    view = data
    kept: Sum = Sum()
    for i in range(at + 1):
        kept.add(view[i])
    return kept.total


def form() -> str:
    """Return which form of this file runs."""
    return "compiled" if cython.compiled else "python"
