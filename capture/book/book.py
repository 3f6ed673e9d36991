"""One symbol's book under one subscription: entries applied, cut to depth, compared with the venue's checksum.

Layer: book. Knows decoded entries, no fields and no session.
Source: venue reference 4.8, rule by rule, and section 5; design section 6 for the invariants.
Left to others: what to do about a mismatch (`subscriber`), rows (`feed`).
"""

from enum import Enum
from typing import Final, NamedTuple

from capture.book.checksum import CHECKSUM_LEVELS, book_checksum
from capture.book.invariants import Invariant, Violation
from capture.book.levels import BookCore, BookSide, PriceLevel
from capture.columns import Action, Side, Verdict
from capture.market.decoder import TRADE, UPDATE_CHANGE, UPDATE_DELETE, UPDATE_NEW, Decoded, Entry
from capture.market.instruments import Instrument

# Such integers are scaled otherwise than the book's: the message is kept as rows, but never applied.
_BEYOND: Final = Violation(Invariant.BEYOND_PRECISION)
_ACTIONS: Final = {UPDATE_NEW: Action.NEW, UPDATE_CHANGE: Action.CHANGE}


class BookState(Enum):
    """How far a book can be believed; numbered as `kernel` does."""

    AWAITING_SNAPSHOT = 0  # Refreshes are not applied before it.
    LIVE = 1
    SUSPECT = 2  # Wrong, or possibly so, until a new snapshot.


class Change(NamedTuple):
    """What one entry, or the cut after the message, did to one level.

    entry_index: the entry's place in its message, -1 for a cut.
    size: what the level holds now; remaining_size: what an evicted level still holds out of sight, else None.
    """

    entry_index: int
    side: Side | None
    action: Action
    price: int
    size: int
    price_scale: int
    size_scale: int
    entry_ms: int | None
    remaining_size: int | None


class Applied(NamedTuple):
    """What one message did.

    violations: the invariants that it broke; empty when all hold.
    """

    changes: list[Change]
    verdict: Verdict
    computed: int | None
    violations: list[Violation]


class Book(BookCore):
    """A book; apply snapshots and refreshes in the order of their MsgSeqNum(34).

    This is the slow lane: message by message, whatever it holds. `kernel` does the same to the same levels for what is
    good, and is held equal to it by tests.
    """

    def __init__(self, instrument: Instrument, depth: int) -> None:
        super().__init__(depth)
        self.instrument = instrument
        self._sides = (self.bids, self.offers)
        self._full = (False, False)  # Whether each side had all its depth when the present message began.

    @property
    def instrument(self) -> Instrument:
        """The instrument by whose precisions and steps the book is kept; another one is of the same precisions."""
        return self._instrument

    @instrument.setter
    def instrument(self, instrument: Instrument) -> None:
        self._instrument = instrument
        self.price_scale, self.size_scale = instrument.price_precision, instrument.size_precision
        self.tick, self.lot = instrument.tick, instrument.lot

    @property
    def state(self) -> BookState:
        """How far it can be believed."""
        return BookState(self.live)

    @state.setter
    def state(self, state: BookState) -> None:
        self.live = state.value

    def suspect(self) -> None:
        """Believe it no more until the next snapshot; one that never had a snapshot goes on waiting."""
        self.proven = False
        if self.state is BookState.LIVE:
            self.state = BookState.SUSPECT

    def checksum(self) -> int:
        """Return the CRC32 of the book as it stands."""
        return book_checksum(self.offers.best(CHECKSUM_LEVELS), self.bids.best(CHECKSUM_LEVELS))

    def snapshot(self, decoded: Decoded) -> Applied:
        """Replace the whole book; an empty snapshot clears it, and refreshes may follow."""
        self.bids.clear()
        self.offers.clear()
        self.state = BookState.LIVE
        self.proven = False
        changes: list[Change] = []
        violations: list[Violation] = []
        if decoded.beyond_precision:
            self.state = BookState.SUSPECT
            changes = [
                _change(index, entry, Action.SNAPSHOT, entry.size, None) for index, entry in enumerate(decoded.entries)
            ]
            return Applied(changes, Verdict.UNVERIFIED, None, [_BEYOND])
        for index, entry in enumerate(decoded.entries):
            if entry.size and self._sides[entry.entry_type].set(entry.price, entry.size):
                violations.append(Violation(Invariant.LEVEL_TWICE, entry.price))
            changes.append(_change(index, entry, Action.SNAPSHOT, entry.size, None))
        if not changes:
            instrument = self.instrument
            scales = (instrument.price_precision, instrument.size_precision)
            changes.append(Change(0, None, Action.CLEAR, 0, 0, *scales, None, None))
        return self._finish(decoded, changes, violations)

    def refresh(self, decoded: Decoded) -> Applied:
        """Apply the book entries of an incremental refresh in order, then cut to depth, then verify.

        Before a snapshot, or on a suspect book, nothing is applied: the changes say what the venue sent.
        """
        if decoded.beyond_precision:
            self.suspect()
        apply = self.state is BookState.LIVE
        self._full = (len(self.bids) >= self.depth, len(self.offers) >= self.depth)
        changes: list[Change] = []
        violations: list[Violation] = []
        for index, entry in enumerate(decoded.entries):
            if entry.entry_type != TRADE:
                changes.append(self._entry(index, entry, violations, apply=apply))
        if not changes:
            return Applied(changes, Verdict.NOT_DUE, None, violations)
        if not apply:
            return Applied(changes, Verdict.UNVERIFIED, None, [_BEYOND] if decoded.beyond_precision else [])
        return self._finish(decoded, changes, violations)

    def _entry(self, index: int, entry: Entry, violations: list[Violation], *, apply: bool) -> Change:
        side = self._sides[entry.entry_type]
        if entry.update == UPDATE_DELETE:
            if apply and not side.remove(entry.price) and not self._may_be_out_of_sight(side, entry):
                violations.append(Violation(Invariant.LEVEL_NOT_HELD, entry.price))
            if entry.size:
                return _change(index, entry, Action.EVICT, 0, entry.size)
            return _change(index, entry, Action.DELETE, 0, None)
        if apply:
            if entry.size:
                side.set(entry.price, entry.size)
            else:
                side.remove(entry.price)
        return _change(index, entry, _ACTIONS[entry.update], entry.size, None)

    def _may_be_out_of_sight(self, side: BookSide, entry: Entry) -> bool:
        """Return whether an unknown delete is innocent: of a level that was cut here, or told to be out of depth."""
        return bool(entry.size) or (self._full[entry.entry_type] and side.is_beyond_worst(entry.price))

    def _finish(self, decoded: Decoded, changes: list[Change], violations: list[Violation]) -> Applied:
        for side, kind in ((self.bids, Side.BID), (self.offers, Side.OFFER)):
            changes.extend(self._cut_row(kind, level) for level in side.cut(self.depth))
        self._check_steps(decoded, violations)
        bid, offer = self.bids.best_price(), self.offers.best_price()
        if bid is not None and offer is not None and bid >= offer:
            violations.append(Violation(Invariant.CROSSED, bid, offer))
        if decoded.checksum is None or self.depth < CHECKSUM_LEVELS:
            self.proven = False
            return Applied(changes, Verdict.UNVERIFIED, None, violations)
        computed = self.checksum()
        self.proven = computed == decoded.checksum
        return Applied(changes, Verdict.VERIFIED if self.proven else Verdict.MISMATCH, computed, violations)

    def _check_steps(self, decoded: Decoded, violations: list[Violation]) -> None:
        tick, lot = self.instrument.tick, self.instrument.lot
        scales = (self.price_scale, self.size_scale)
        for entry in decoded.entries:
            if (entry.price_scale, entry.size_scale) != scales:
                continue  # A trade of more decimals than the book's: its integers are on another scale.
            if tick and entry.price % tick:
                violations.append(Violation(Invariant.OFF_TICK, entry.price, tick))
            if lot and entry.size % lot:
                violations.append(Violation(Invariant.OFF_LOT, entry.size, lot))

    def _cut_row(self, side: Side, level: PriceLevel) -> Change:
        scales = (self.instrument.price_precision, self.instrument.size_precision)
        return Change(-1, side, Action.EVICT, level.price, 0, *scales, None, level.size)


def _change(index: int, entry: Entry, action: Action, size: int, remaining_size: int | None) -> Change:
    side = Side.OFFER if entry.entry_type else Side.BID
    scales = (entry.price_scale, entry.size_scale)
    return Change(index, side, action, entry.price, size, *scales, entry.entry_ms, remaining_size)
