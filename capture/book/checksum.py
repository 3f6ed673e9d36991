"""CRC32 checksum over the top of a book.

Layer: book. Knows no wire, no clock, no file.
Source: venue guide "Book checksum (FIX)", ChecksumOrderBook(5041); venue reference section 5. The FIX pages do not say
how orders are summed: as the venue's WebSocket guide for level3 has it.
Left to others: comparing with the received value and resubscribing (`book.book`, `subscriber`); speed (`book.kernel`,
which is held against this).
"""

import zlib
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

CHECKSUM_LEVELS: Final = 10  # Fixed by the venue, whatever the depth subscribed.


def book_checksum(offers: Sequence[tuple[int, int]], bids: Sequence[tuple[int, int]]) -> int:
    """Return the CRC32 of the ten best price levels of each side, offers first.

    Shapes: (price, size) pairs, best price first on both sides; levels past the tenth are ignored, a short side is
        taken whole.
    Units: price and size as integers scaled by the instrument's precisions, so their decimal digits already are the
        venue's "format to precision, drop the point, drop leading zeros".
    Errors: AssertionError if a side is not strictly sorted; that is our bug, never the venue's.
    Source: venue guide "Book checksum (FIX)"; reproduces its published vectors.
    """
    offers, bids = offers[:CHECKSUM_LEVELS], bids[:CHECKSUM_LEVELS]
    assert all(a[0] < b[0] for a, b in pairwise(offers)), "offers not ascending"
    assert all(a[0] > b[0] for a, b in pairwise(bids)), "bids not descending"
    return zlib.crc32("".join([f"{price}{size}" for price, size in (*offers, *bids)]).encode("ascii"))


def orders_checksum(offers: Sequence[tuple[int, Sequence[int]]], bids: Sequence[tuple[int, Sequence[int]]]) -> int:
    """Return the CRC32 of all orders at the ten best prices of each side, offers first.

    Shapes: (price, sizes in queue order) pairs, best price first; else as `book_checksum`, units too.
    Source: venue reference 5.1, last point; reproduces the published vector.
    """
    offers, bids = offers[:CHECKSUM_LEVELS], bids[:CHECKSUM_LEVELS]
    assert all(a[0] < b[0] for a, b in pairwise(offers)), "offers not ascending"
    assert all(a[0] > b[0] for a, b in pairwise(bids)), "bids not descending"
    digits = "".join([f"{price}{size}" for price, sizes in (*offers, *bids) for size in sizes])
    return zlib.crc32(digits.encode("ascii"))
