"""One symbol's book under one subscription: entries applied, cut to depth, compared with the venue's checksum.

Layer: book. Knows decoded entries, no fields and no session.
Source: venue reference 4.8, rule by rule, and section 5; design section 6 for the invariants.
Left to others: what to do about a mismatch (`subscriber`), rows (`feed`), the orders of Level 3 (`book.orders`, a book
that does some of it otherwise).
"""

from collections.abc import Iterator
from enum import Enum
from typing import ClassVar, Final, NamedTuple

from capture.book.checksum import CHECKSUM_LEVELS, book_checksum
from capture.book.invariants import Invariant, Violation
from capture.book.levels import BookCore
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
    """What one entry, or the cut after the message, did to one level, or of Level 3 to one order.

    entry_index: the entry's place in its message, -1 for a cut.
    size: what it holds now; remaining_size: what it was said to hold still when it was evicted or deleted, else None.
    order_id, update_ns, queue_ns: of an order, as the entry gave them.
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
    order_id: str = ""
    update_ns: int | None = None
    queue_ns: int | None = None


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

    # Whether a delete with a size tells that something left the depth and still exists (reference 4.6).
    evictions_are_told: ClassVar[bool] = True

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
        self._clear()
        self.state = BookState.LIVE
        self.proven = False
        changes: list[Change] = []
        violations: list[Violation] = []
        refusal = self._refusal(decoded)
        if refusal is not None:
            self.state = BookState.SUSPECT
        for index, entry in enumerate(decoded.entries):
            if entry.size and refusal is None and self._set(entry):
                violations.append(self._twice(entry))
            changes.append(self._change(index, entry, Action.SNAPSHOT, entry.size, None))
        if refusal is not None:
            return Applied(changes, Verdict.UNVERIFIED, None, [refusal])
        if not changes:
            instrument = self.instrument
            scales = (instrument.price_precision, instrument.size_precision)
            changes.append(Change(0, None, Action.CLEAR, 0, 0, *scales, None, None))
        return self._finish(decoded, changes, violations)

    def refresh(self, decoded: Decoded) -> Applied:
        """Apply the book entries of an incremental refresh in order, then cut to depth, then verify.

        Before a snapshot, or on a suspect book, nothing is applied: the changes say what the venue sent.
        """
        refusal = self._refusal(decoded)
        if refusal is not None:
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
            return Applied(changes, Verdict.UNVERIFIED, None, [] if refusal is None else [refusal])
        return self._finish(decoded, changes, violations)

    def _entry(self, index: int, entry: Entry, violations: list[Violation], *, apply: bool) -> Change:
        if entry.update == UPDATE_DELETE:
            if apply and not self._remove(entry) and not self._may_be_out_of_sight(entry):
                violations.append(self._not_held(entry))
            action = Action.EVICT if entry.size and self.evictions_are_told else Action.DELETE
            return self._change(index, entry, action, 0, entry.size or None)
        if apply:
            if entry.size:
                self._set(entry)
            else:
                self._remove(entry)
        return self._change(index, entry, _ACTIONS[entry.update], entry.size, None)

    def _may_be_out_of_sight(self, entry: Entry) -> bool:
        """Return whether an unknown delete is innocent: of a level that was cut here, or told to be out of depth."""
        if entry.size and self.evictions_are_told:
            return True
        return self._full[entry.entry_type] and self._sides[entry.entry_type].is_beyond_worst(entry.price)

    def _finish(self, decoded: Decoded, changes: list[Change], violations: list[Violation]) -> Applied:
        changes.extend(self._cut())
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

    # What a book of orders does otherwise.

    def _refusal(self, decoded: Decoded) -> Violation | None:
        """Return why none of a message can be applied, or None."""
        return _BEYOND if decoded.beyond_precision else None

    def _clear(self) -> None:
        self.bids.clear()
        self.offers.clear()

    def _set(self, entry: Entry) -> bool:
        """Set what an entry names; return whether it was held before."""
        return bool(self._sides[entry.entry_type].set(entry.price, entry.size))

    def _remove(self, entry: Entry) -> bool:
        """Remove what an entry names; return whether it was held."""
        return bool(self._sides[entry.entry_type].remove(entry.price))

    def _cut(self) -> Iterator[Change]:
        """Drop the levels beyond the depth, worst first; yield what was dropped."""
        scales = (self.price_scale, self.size_scale)
        for side, kind in zip(self._sides, Side, strict=True):
            for level in side.cut(self.depth):
                yield Change(-1, kind, Action.EVICT, level.price, 0, *scales, None, level.size)

    def _change(self, index: int, entry: Entry, action: Action, size: int, remaining_size: int | None) -> Change:
        side = Side.OFFER if entry.entry_type else Side.BID
        scales = (entry.price_scale, entry.size_scale)
        return Change(index, side, action, entry.price, size, *scales, entry.entry_ms, remaining_size)

    def _twice(self, entry: Entry) -> Violation:
        return Violation(Invariant.LEVEL_TWICE, entry.price)

    def _not_held(self, entry: Entry) -> Violation:
        return Violation(Invariant.LEVEL_NOT_HELD, entry.price)
