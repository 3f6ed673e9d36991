"""Two books side by side: on which prices they differ, and at which precisions one has a given checksum.

Layer: book. Pure. Source: venue reference 4.5 and 5.
Left to others: what follows from it (`classifier`).
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

from capture.book.checksum import CHECKSUM_LEVELS, book_checksum
from capture.book.levels import PriceLevel
from capture.market.decoder import Decoded, Entry
from capture.wire.values import MILLISECOND_NS

PRECISION_LIMIT: Final = 16  # Decimals of price and size that are tried.


class Levels(NamedTuple):
    """Both sides of a book, best level first. Units: integers scaled by the instrument's precisions."""

    bids: Sequence[PriceLevel] = ()
    offers: Sequence[PriceLevel] = ()

    def checksum(self) -> int:
        """Return the CRC32 by the slow lane's own code; a book of orders has another, of its queues."""
        return book_checksum(self.offers, self.bids)

    def differences(self, other: "Levels") -> int:
        """Return on how many prices the two books differ, both sides together."""
        return sum(
            len({it.price for it in set(ours) ^ set(theirs)})
            for ours, theirs in ((self.bids, other.bids), (self.offers, other.offers))
        )


class Comparison(NamedTuple):
    """How a book and a later snapshot compare.

    differing: on so many prices. unchanged: levels of the snapshot that have not changed since by their
    MDEntryTime(273), and that the book lacks. is_older: no entry of the snapshot is as new as the book's newest, so
    that its levels tell nothing of the book's time.
    """

    differing: int
    unchanged: int
    is_older: bool

    def __str__(self) -> str:
        if not self.differing:
            return "the next snapshot is that book, level by level"
        told = f"{self.unchanged} of them have not changed since by their MDEntryTime(273)"
        if self.is_older:
            told = "none of its entries is as new as the book's newest, so that tells nothing"
        return f"the next snapshot differs from it on {self.differing} prices; {told}"


def against_snapshot(levels: Levels, snapshot: Decoded, entry_ms: int | None) -> Comparison:
    """Return how a book compares with a later snapshot.

    entry_ms: time of the newest entry that the book took. A level of the snapshot that bears no later MDEntryTime(273)
    was there already; where it stands no further down than the book's worst level, the book should have it.
    """
    theirs = snapshot_levels(snapshot)
    times = [(it.entry_type, it.price, time_of(it)) for it in snapshot.entries]
    newest_ms = max((at_ms for *_, at_ms in times if at_ms is not None), default=None)
    if entry_ms is None or newest_ms is None or newest_ms < entry_ms:
        return Comparison(levels.differences(theirs), 0, is_older=True)
    changed = {(side, price) for side, price, at_ms in times if at_ms is None or at_ms > entry_ms}
    unchanged = 0
    for side, (ours, shown) in enumerate(zip(levels, theirs, strict=True)):
        held = set(ours)
        unchanged += sum(
            (side, it.price) not in changed and it not in held and _within(it.price, ours, bids=not side)
            for it in shown
        )
    return Comparison(levels.differences(theirs), unchanged, is_older=False)


def snapshot_levels(snapshot: Decoded) -> Levels:
    """Return the levels of a snapshot; of single orders, their sums."""
    sides: tuple[dict[int, int], dict[int, int]] = ({}, {})
    for entry in snapshot.entries:
        if entry.size:
            sides[entry.entry_type][entry.price] = sides[entry.entry_type].get(entry.price, 0) + entry.size
    bids, offers = ([PriceLevel(*it) for it in sorted(side.items())] for side in sides)
    return Levels(tuple(reversed(bids)), tuple(offers))


def time_of(entry: Entry) -> int | None:
    """Return when an entry came about, in ms since the epoch; an order says it by MDEntryTimestamp(5060)."""
    return entry.entry_ms if entry.update_ns is None else entry.update_ns // MILLISECOND_NS


def precisions_of(checksum: int | None, levels: Levels, known: tuple[int, int]) -> tuple[int, int] | None:
    """Return other precisions at which a book has a checksum, or None."""
    if checksum is None or not (levels.bids or levels.offers):
        return None
    best = Levels(levels.bids[:CHECKSUM_LEVELS], levels.offers[:CHECKSUM_LEVELS])
    for price in range(PRECISION_LIMIT):
        for size in range(PRECISION_LIMIT):
            if (price, size) == known:
                continue
            rescaled = _rescaled(best, price - known[0], size - known[1])
            if rescaled is not None and rescaled.checksum() == checksum:
                return price, size
    return None


def _rescaled(levels: Levels, price_by: int, size_by: int) -> Levels | None:
    """Return levels at so many decimals more, or fewer where only zeros are lost; None where digits would be."""
    sides = []
    for side in levels:
        scaled = [(_shifted(it.price, price_by), _shifted(it.size, size_by)) for it in side]
        whole = [PriceLevel(price, size) for price, size in scaled if price is not None and size is not None]
        if len(whole) < len(side):
            return None
        sides.append(whole)
    return Levels(*sides)


def _shifted(number: int, by: int) -> int | None:
    factor = int(10 ** abs(by))
    if by >= 0:
        return number * factor
    shifted, lost = divmod(number, factor)
    return None if lost else shifted


def _within(price: int, held: Sequence[PriceLevel], *, bids: bool) -> bool:
    if not held:
        return False
    return price >= held[-1].price if bids else price <= held[-1].price
