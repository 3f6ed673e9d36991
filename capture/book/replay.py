# cython: language_level=3, annotation_typing=False
"""Rows of book changes to books at instants: the loop of a replay.

Layer: book, over `levels`. Knows integer columns; no Arrow, no file, no symbol. Plain Python that Cython compiles, by
the types in the .pxd beside it.
Source: venue reference 4.8; design section 7, `replay`.
Left to others: which rows, in which order, and of which session (`queries.replay`); numbers of other scales
(`queries.replay`): all that is bound at a time is of the scales of its book.
"""

from array import array
from typing import Any, Final

import cython

from capture.book.levels import BookSide
from capture.columns import Action

UNSEEN_LIMIT: Final = 4096  # Levels out of sight that are remembered a side; the farthest are forgotten first.
LEVEL_NUMBERS: Final = 2  # Price and size.

_NULL = cython.declare(cython.longlong, -(2**63))
_CUT = cython.declare(cython.longlong, 2**31)  # Where a local cut stands in its message: after every entry.

# Of `columns`: Action, Flag and Proof. A test holds them equal.
_SNAPSHOT = cython.declare(cython.int, 0)
_CHANGE = cython.declare(cython.int, 2)
_EVICT = cython.declare(cython.int, 4)
_CLEAR = cython.declare(cython.int, 5)
_SUSPECT_BOOK = cython.declare(cython.int, 4)
_PROVEN = cython.declare(cython.int, 7)


@cython.final
@cython.cclass
class ReplayedBook:
    """The book of one session while its rows are applied, and what it rests on.

    stands: whether it began, with a snapshot or, as is_key_frame says, a key frame. begin_ns, snapshot_seq: receive
    time and MsgSeqNum(34) of that. rows: applied from there on, a snapshot's own included; of them rows_suspect were
    recorded while the book was suspect, rows_unproven lack a witness that they could have. last_*: of the newest row.
    unseen_bids, unseen_offers: levels evicted and not named since, if asked for by `tracks_unseen`.
    code: of its session. price_scale, size_scale: of all its numbers; row_price_scale, row_size_scale: as the newest
    row was written, kept by whoever binds rows.
    """

    def __init__(self, code: int = 0, *, tracks_unseen: bool = False) -> None:
        self.bids, self.offers = BookSide(0), BookSide(1)
        self.unseen_bids, self.unseen_offers = BookSide(0), BookSide(1)
        self.tracks_unseen = tracks_unseen
        self.stands = self.is_key_frame = False
        self.code = code
        self.price_scale = self.size_scale = self.row_price_scale = self.row_size_scale = 0
        self.snapshot_seq = self.begin_ns = self.last_ns = self.last_seq = _NULL
        self.last_proof = self.last_flags = 0
        self.rows = self.rows_suspect = self.rows_unproven = 0

    def begin(self, seq: int, at_ns: int, proof: int, flags: int) -> None:
        """Stand empty from a message on; whoever has a key frame then sets its levels."""
        self._begin(seq, at_ns)
        self.last_seq, self.last_ns, self.last_proof, self.last_flags = seq, at_ns, proof, flags

    def rescale(self, price_scale: int, size_scale: int) -> None:
        """Hold the same levels in finer scales. Errors: OverflowError beyond an int64."""
        price_factor = 10 ** (price_scale - self.price_scale)
        size_factor = 10 ** (size_scale - self.size_scale)
        for side in (self.bids, self.offers, self.unseen_bids, self.unseen_offers):
            levels = side.best(side.count)
            side.clear()
            for level in levels:
                side.set(level.price * price_factor, level.size * size_factor)
        self.price_scale, self.size_scale = price_scale, size_scale

    def _begin(self, seq: int, at_ns: int) -> None:
        self.bids.count = self.offers.count = self.unseen_bids.count = self.unseen_offers.count = 0
        self.bids._changed = self.offers._changed = True
        self.stands, self.is_key_frame = True, False
        self.snapshot_seq, self.begin_ns = seq, at_ns
        self.rows = self.rows_suspect = self.rows_unproven = 0

    def _track(self, side: int, action: int, price: int, size: int) -> int:
        """Remember a level that left the depth; forget one that is named again."""
        unseen = self.unseen_offers if side else self.unseen_bids
        if action == _EVICT:
            unseen._set(price, size)
            if unseen.count > UNSEEN_LIMIT:
                unseen._drop(1)
        else:
            unseen._remove(price)
        return 0


class Samples:
    """Books at instants, column by column, with room for so many; `Replayer.count` says how many there are.

    levels: for each instant, bids then offers; of each side `depth` levels, best first; of each level price and size,
    both 0 where there is none. at_ns: the instant. receive_ns, seq, proof, flags, session: of the last row applied;
    receive_ns and seq are null, and all levels 0, where no book stands.
    """

    def __init__(self, room: int, depth: int) -> None:
        def zeros(kind: str, count: int) -> "array[int]":
            made = array(kind, (0,))
            made *= count
            return made

        self.at_ns, self.receive_ns, self.seq = zeros("q", room), zeros("q", room), zeros("q", room)
        self.session, self.proof, self.flags = zeros("i", room), zeros("b", room), zeros("h", room)
        self.price_scale, self.size_scale = zeros("b", room), zeros("b", room)
        self.levels = zeros("q", room * 2 * depth * LEVEL_NUMBERS)


@cython.locals(
    values=cython.longlong[::1],
    levels=cython.longlong[::1],
    offset=cython.Py_ssize_t,
    instant=cython.Py_ssize_t,
    level=cython.Py_ssize_t,
    instants=cython.Py_ssize_t,
    held=cython.Py_ssize_t,
)
def side_numbers(samples: Samples, count: int, depth: int, side: int, number: int) -> "array[int]":
    """Return prices (number 0) or sizes (1) of a side of the first `count` instants, each instant level by level."""
    made = array("q", bytes(8 * count * depth))
    values, levels, instants, held = made, samples.levels, count, depth
    offset = 2 * held * side + number
    for instant in range(instants):
        for level in range(held):
            values[instant * held + level] = levels[instant * 4 * held + 2 * level + offset]
    return made


@cython.final
@cython.cclass
class Replayer:
    """Applies rows to books and writes them down at instants.

    First `take_instants` or `take_events`, then for each stretch of rows `bind` and `run`; `advance` where a book stays
    as it is until a moment, `flush` before a message of another book. A call that finds the room used up stops, and
    goes on after the samples were taken: `is_full` tells.
    """

    def __init__(self, depth: int, room: int) -> None:
        assert depth >= 1, "a book has at least one level a side"
        assert room >= 1, "there is room for one instant at least"
        self.depth, self.room = depth, room
        self._by_event = self._pending = False
        self._times = array("q", (0,))
        self._next = self._time_count = 0
        self._sides = array("i", (0,))
        self.count = 0
        self.out: Any = None
        self.renew()

    def renew(self) -> Any:
        """Return the samples so far and begin new ones."""
        out = self.out
        made = self.out = Samples(self.room, self.depth)
        self.count = 0
        self._out_at_ns, self._out_receive_ns, self._out_seq = made.at_ns, made.receive_ns, made.seq
        self._out_session, self._out_proof, self._out_flags = made.session, made.proof, made.flags
        self._out_price_scale, self._out_size_scale = made.price_scale, made.size_scale
        self._out_levels = made.levels
        return out

    def take_instants(self, times: Any) -> None:
        """Write books down at these moments next: int64, ascending, not more than there is room for; none for none."""
        assert len(times) <= self.room - self.count, "there is room for each"
        self._by_event = False
        self._time_count, self._next = len(times), 0
        if self._time_count:
            self._times = times

    def take_events(self) -> None:
        """Write books down after each message that changed them."""
        self._by_event = True

    @property
    def is_full(self) -> bool:
        """Whether the samples are to be taken, or other instants given, before it can go on."""
        if self._by_event:
            return bool(self.count == self.room)
        return bool(self._time_count and self._next == self._time_count)

    def bind(self, columns: Any, sides: Any, actions: Any) -> None:
        """Take rows from these columns: views of equal length, in the order of `queries.replay.COLUMNS`.

        sides, actions: what each code in those two columns means, as Side and Action.
        """
        (
            self._receive_ns,
            self._seq,
            self._entry_index,
            self._side,
            self._action,
            self._price,
            self._size,
            self._proof,
            self._flags,
        ) = columns
        self._sides, self._actions = sides, actions

    @cython.locals(index=cython.Py_ssize_t, count=cython.Py_ssize_t, before=cython.longlong, here=cython.longlong)
    def disorder(self, count: int) -> int:
        """Return the first row that does not follow the one before it, or `count`.

        Rows follow by receive time and number, and within a message by place, what was cut locally at the end.
        """
        before = _NULL
        for index in range(count):
            here = _CUT if self._entry_index[index] < 0 else self._entry_index[index]
            if index and (
                self._receive_ns[index] < self._receive_ns[index - 1]
                or self._seq[index] < self._seq[index - 1]
                or (self._seq[index] == self._seq[index - 1] and here < before)
            ):
                return int(index)
            before = here
        return count

    @cython.locals(book="ReplayedBook", place=cython.Py_ssize_t, last=cython.Py_ssize_t)
    def run(self, book: ReplayedBook, index: int, end: int) -> int:
        """Apply rows of one book from `index` to `end`; return where it stopped: the next one, or `end`."""
        place, last = index, end
        while place < last:
            if self._by_event:
                if self._pending and self._seq[place] != book.last_seq:
                    if self.count == self.room:
                        return int(place)
                    self._pending = False
                    self._emit(book, book.last_ns)
            elif self._time_count:
                while self._next < self._time_count and self._times[self._next] < self._receive_ns[place]:
                    self._emit(book, self._times[self._next])
                    self._next += 1
                if self._next == self._time_count:
                    return int(place)
            self._apply(book, place)
            place += 1
        return int(place)

    @cython.locals(book="ReplayedBook", before=cython.longlong)
    def advance(self, book: ReplayedBook, before_ns: int) -> None:
        """Write a book down as it stands at each instant before a moment. By events there is nothing to do."""
        before = before_ns
        if self._by_event:
            return
        while self._next < self._time_count and self._times[self._next] < before:
            self._emit(book, self._times[self._next])
            self._next += 1

    @cython.locals(book="ReplayedBook")
    def flush(self, book: ReplayedBook) -> bool:
        """Write down what the last message left of its book; return False, and do nothing, where there is no room."""
        if self._pending:
            if self.count == self.room:
                return False
            self._pending = False
            self._emit(book, book.last_ns)
        return True

    @cython.locals(
        seq=cython.longlong, at_ns=cython.longlong, price=cython.longlong, size=cython.longlong,
        action=cython.int, side=cython.int, proof=cython.int, flags=cython.int,
    )  # fmt: skip
    def _apply(self, book: ReplayedBook, index: int) -> int:
        seq, at_ns = self._seq[index], self._receive_ns[index]
        action = self._actions[self._action[index]]
        if action == _SNAPSHOT or action == _CLEAR:
            if seq != book.snapshot_seq or not book.stands:
                book._begin(seq, at_ns)
        elif not book.stands:
            return 0
        if action != _CLEAR:
            side = self._sides[self._side[index]]
            price, size = self._price[index], self._size[index]
            if action <= _CHANGE and size > 0:
                if side:
                    book.offers._set(price, size)
                else:
                    book.bids._set(price, size)
            elif side:
                book.offers._remove(price)
            else:
                book.bids._remove(price)
            if book.tracks_unseen:
                book._track(side, action, price, size)
        proof, flags = self._proof[index], self._flags[index]
        book.rows += 1
        if flags & _SUSPECT_BOOK:
            book.rows_suspect += 1
        if proof != _PROVEN and action != _SNAPSHOT and action != _CLEAR:
            book.rows_unproven += 1
        book.last_seq, book.last_ns, book.last_proof, book.last_flags = seq, at_ns, proof, flags
        self._pending = self._by_event
        return 0

    @cython.locals(base=cython.Py_ssize_t)
    def _emit(self, book: ReplayedBook, at_ns: int) -> None:
        self._out_at_ns[self.count] = at_ns
        self._out_session[self.count] = book.code
        self._out_price_scale[self.count], self._out_size_scale[self.count] = book.price_scale, book.size_scale
        if book.stands:
            self._out_receive_ns[self.count], self._out_seq[self.count] = book.last_ns, book.last_seq
            self._out_proof[self.count], self._out_flags[self.count] = book.last_proof, book.last_flags
            base = 4 * self.depth
            base *= self.count
            self._emit_side(book.bids, base, 1)
            self._emit_side(book.offers, base + 2 * self.depth, -1)
        else:
            self._out_receive_ns[self.count] = self._out_seq[self.count] = _NULL
        self.count += 1

    @cython.locals(level=cython.Py_ssize_t, place=cython.Py_ssize_t)
    def _emit_side(self, side: BookSide, base: int, sign: int) -> None:
        place = 2 * side.count - 2
        for level in range(self.depth):
            if place < 0:
                return
            self._out_levels[base + 2 * level] = sign * side._levels[place]
            self._out_levels[base + 2 * level + 1] = side._levels[place + 1]
            place -= 2


ACTIONS: Final = {action.name.lower(): action.value for action in Action}
