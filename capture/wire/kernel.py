# cython: language_level=3, annotation_typing=False
"""Bytes looked through at the speed of memory, for what must be seen in all that is received.

Layer: wire. Plain Python that Cython compiles.
Source: design section 4: credentials never reach the journal, and every byte does.
"""

import re
from typing import Final

import cython

# Username(553), Password(554) and RawData(96) at a field's beginning; the fast form below finds the same.
_CREDENTIAL: Final = re.compile(rb"\x01(?:553|554|96)=")
_STRIDE = cython.declare(cython.Py_ssize_t, 4096)


@cython.locals(found=cython.uchar, at=cython.Py_ssize_t, end=cython.Py_ssize_t, place=cython.Py_ssize_t)
def holds_credential(data: bytes) -> bool:
    """Return whether a field that holds a credential begins within these bytes, its equals sign included."""
    if not cython.compiled:
        return _CREDENTIAL.search(data) is not None
    view = cython.declare(cython.const[cython.uchar][::1], data)
    end = len(data) - 4  # As far as the longer of the tags can be read.
    at = 0
    while at < end:
        found = 0
        for place in range(at, min(at + _STRIDE, end)):
            found |= (view[place] == 1) & (
                (view[place + 1] == 57) & (view[place + 2] == 54) & (view[place + 3] == 61)
                | (view[place + 1] == 53)
                & (view[place + 2] == 53)
                & ((view[place + 3] == 51) | (view[place + 3] == 52))
                & (view[place + 4] == 61)
            )
        if found:
            return True
        at += _STRIDE
    return data.endswith(b"\x0196=")
