# cython: language_level=3, annotation_typing=False
"""The fast lane's second half: decoded messages to books, checksums and rows.

Layer: book, beside `book`, whose results it must give wherever it gives any. No I/O, no clock. Plain Python that Cython
compiles, by the types in the .pxd beside it; it allocates nothing for a message.
Source: design sections 3 and 6; venue reference 4.8 and 5.
Left to others: decoding (`market.kernel`); what a message means for its subscription (`feed`); books that are not live,
which go by the slow lane (`book.book`).
"""

from array import array
from typing import Any, Final

import cython

from capture.book.levels import BookCore, BookSide

KEPT_VIOLATIONS: Final = 8

# What a call stopped at.
DONE: Final = 0
NOTABLE: Final = 1  # The message before has consequences: a snapshot, a mismatch, a broken invariant.
REFUSED: Final = 2  # The next message is not this lane's: its book is not live.
NO_ROOM: Final = 3  # No room in the columns for the next message.

_NULL = cython.declare(cython.longlong, -(2**63))
_TOP = cython.declare(cython.int, 10)  # As `checksum.CHECKSUM_LEVELS`.
_LIVE = cython.declare(cython.int, 1)
_SUSPECT = cython.declare(cython.int, 2)

# Of `columns`: Action, Verdict, Proof and Flag. A test holds them equal.
_SNAPSHOT = cython.declare(cython.int, 0)
_NEW = cython.declare(cython.int, 1)
_DELETE = cython.declare(cython.int, 3)
_EVICT = cython.declare(cython.int, 4)
_CLEAR = cython.declare(cython.int, 5)
_NOT_DUE = cython.declare(cython.int, 0)
_VERIFIED = cython.declare(cython.int, 1)
_MISMATCH = cython.declare(cython.int, 2)
_UNVERIFIED = cython.declare(cython.int, 3)
_BY_SEQUENCE = cython.declare(cython.int, 1)
_BY_CHECKSUM = cython.declare(cython.int, 2)
_BY_INVARIANTS = cython.declare(cython.int, 4)
_LAST_ENTRY = cython.declare(cython.int, 1)
_OF_SNAPSHOT = cython.declare(cython.int, 2)
_SUSPECT_BOOK = cython.declare(cython.int, 4)
_LEVEL_NOT_HELD = cython.declare(cython.int, 1)
_OFF_TICK = cython.declare(cython.int, 2)
_OFF_LOT = cython.declare(cython.int, 3)
_CROSSED = cython.declare(cython.int, 4)


@cython.final
@cython.cclass
class BookKernel:
    """Applies decoded messages to their books and writes their rows.

    Tell it the `books` by the index of their subscription, and `bind` it to the columns; then `apply` what was decoded.
    The counters are of one call of `apply`: messages and entries applied, trades among them, and verdicts.
    """

    def __init__(self, staged: Any) -> None:
        self._begin, self._size = staged.begin, staged.size
        self._subscription, self._snapshot, self._seq = staged.subscription, staged.snapshot, staged.seq
        self._sending_ms, self._checksum, self._entry_end = staged.sending_ms, staged.checksum, staged.entry_end
        self._update, self._entry_type = staged.update, staged.entry_type
        self._price, self._entry_size, self._entry_ms = staged.price, staged.entry_size, staged.entry_ms
        self._id_begin, self._id_size = staged.id_begin, staged.id_size
        self._order_type, self._aggressor_side = staged.order_type, staged.aggressor_side
        self._violation = array("i", bytes(4 * KEPT_VIOLATIONS))
        self._violation_first = array("q", bytes(8 * KEPT_VIOLATIONS))
        self._violation_second = array("q", bytes(8 * KEPT_VIOLATIONS))
        self._books: list[Any] = []
        self._columns: Any = None
        self._bound: tuple[Any, ...] = ()
        self._touched = 0
        self.stopped = DONE

    def books(self, books: list[Any]) -> None:
        """Say which book each subscription feeds, by its index: the list is the owner's, and may grow."""
        self._books = books

    def violations(self) -> list[tuple[int, int, int]]:
        """Return what the message before broke: invariant and its two numbers, at most so many."""
        return [
            (self._violation[n], self._violation_first[n], self._violation_second[n])
            for n in range(min(self.violation_count, KEPT_VIOLATIONS))
        ]

    def bind(self, columns: Any) -> None:
        """Write into these columns from here on. Columns that grew are bound again by the next `apply`."""
        self._columns = columns
        names = columns.names
        self._type_snapshot, self._type_refresh = names["msg_type"].code("W"), names["msg_type"].code("X")
        changes, trades = columns.book_changes.arrays, columns.trades.arrays
        quotes, messages = columns.quotes.arrays, columns.messages.arrays
        self._bound = (changes, trades, quotes, messages, trades["entry_id"].data)
        self._change_receive_ns = changes["receive_ns"]
        self._change_sending_ms = changes["sending_ms"]
        self._change_session_id = changes["session_id"]
        self._change_msg_seq_num = changes["msg_seq_num"]
        self._change_symbol = changes["symbol"]
        self._change_proof = changes["proof"]
        self._change_flags = changes["flags"]
        self._change_entry_index = changes["entry_index"]
        self._change_side = changes["side"]
        self._change_action = changes["action"]
        self._change_price = changes["price"]
        self._change_size = changes["size"]
        self._change_price_scale = changes["price_scale"]
        self._change_size_scale = changes["size_scale"]
        self._change_entry_ms = changes["entry_ms"]
        self._change_remaining_size = changes["remaining_size"]
        self._trade_receive_ns = trades["receive_ns"]
        self._trade_sending_ms = trades["sending_ms"]
        self._trade_session_id = trades["session_id"]
        self._trade_msg_seq_num = trades["msg_seq_num"]
        self._trade_symbol = trades["symbol"]
        self._trade_proof = trades["proof"]
        self._trade_flags = trades["flags"]
        self._trade_entry_index = trades["entry_index"]
        self._trade_entry_id_end, self._trade_entry_id = trades["entry_id"].offsets, trades["entry_id"].data
        self._trade_aggressor_side = trades["aggressor_side"]
        self._trade_order_type = trades["order_type"]
        self._trade_price = trades["price"]
        self._trade_size = trades["size"]
        self._trade_price_scale = trades["price_scale"]
        self._trade_size_scale = trades["size_scale"]
        self._trade_entry_ms = trades["entry_ms"]
        self._quote_receive_ns = quotes["receive_ns"]
        self._quote_sending_ms = quotes["sending_ms"]
        self._quote_session_id = quotes["session_id"]
        self._quote_msg_seq_num = quotes["msg_seq_num"]
        self._quote_symbol = quotes["symbol"]
        self._quote_proof = quotes["proof"]
        self._quote_flags = quotes["flags"]
        self._quote_bid_price = quotes["bid_price"]
        self._quote_bid_size = quotes["bid_size"]
        self._quote_bid_total = quotes["bid_total"]
        self._quote_offer_price = quotes["offer_price"]
        self._quote_offer_size = quotes["offer_size"]
        self._quote_offer_total = quotes["offer_total"]
        self._quote_price_scale = quotes["price_scale"]
        self._quote_size_scale = quotes["size_scale"]
        self._message_receive_ns = messages["receive_ns"]
        self._message_sending_ms = messages["sending_ms"]
        self._message_session_id = messages["session_id"]
        self._message_msg_seq_num = messages["msg_seq_num"]
        self._message_symbol = messages["symbol"]
        self._message_proof = messages["proof"]
        self._message_flags = messages["flags"]
        self._message_msg_type = messages["msg_type"]
        self._message_bytes = messages["bytes"]
        self._message_entries = messages["entries"]
        self._message_checksum_received = messages["checksum_received"]
        self._message_checksum_computed = messages["checksum_computed"]
        self._message_verdict = messages["verdict"]
        self._message_segment = messages["segment"]
        self._message_segment_offset = messages["segment_offset"]

    def _rebind(self) -> None:
        """Bind again where a table grew since."""
        columns, bound = self._columns, self._bound
        if (
            columns.book_changes.arrays is not bound[0]
            or columns.trades.arrays is not bound[1]
            or columns.quotes.arrays is not bound[2]
            or columns.messages.arrays is not bound[3]
            or columns.trades.arrays["entry_id"].data is not bound[4]
        ):
            self.bind(columns)

    def place(self, begins: Any, segments: Any, offsets: Any) -> None:
        """Say where the bytes of the buffer stand in the journal, as columns, earliest first."""
        self._place_begin, self._place_segment, self._place_offset = begins, segments, offsets
        self._places = len(begins)

    @cython.locals(index=cython.int, count=cython.int)
    def apply(self, buffer: bytearray, first: int, count: int, at_ns: int, session_code: int) -> int:
        """Apply the decoded messages from `first` to `count`; return where it stopped: the next one.

        `stopped` says why. Rows are in the columns and books are changed for all before it.
        """
        self._rebind()
        columns = self._columns
        self.entries = self.trades = self.verified = self.unverified = 0
        self._change_rows, self._trade_rows = columns.book_changes.count, columns.trades.count
        self._quote_rows, self._message_rows = columns.quotes.count, columns.messages.count
        index = self._apply(
            buffer,
            first,
            count,
            at_ns,
            session_code,
            columns.book_changes.capacity,
            columns.trades.capacity,
            columns.quotes.capacity,
            columns.messages.capacity,
            len(columns.trades.arrays["entry_id"].data),
        )
        columns.book_changes.count, columns.trades.count = self._change_rows, self._trade_rows
        columns.quotes.count, columns.messages.count = self._quote_rows, self._message_rows
        return int(index)

    @cython.locals(
        index=cython.int,
        entries=cython.int,
        trades=cython.int,
        place=cython.int,
        snapshot=cython.bint,
        book=BookCore,
        verdict=cython.int,
        computed=cython.longlong,
        received=cython.longlong,
        proof=cython.int,
        flags=cython.int,
        row=cython.Py_ssize_t,
        begin=cython.Py_ssize_t,
        moved=cython.bint,
    )
    def _apply(
        self,
        buffer: Any,
        first: int,
        count: int,
        at_ns: int,
        session_code: int,
        changes_room: int,
        trades_room: int,
        quotes_room: int,
        messages_room: int,
        text_room: int,
    ) -> int:
        place = 0
        index = first
        while index < count:
            if cython.compiled:
                self._fetch(index, count)
            book = self._books[self._subscription[index]]
            snapshot = self._snapshot[index]
            self._first_entry = self._entry_end[index - 1] if index else 0
            self._end_entry = self._entry_end[index]
            entries = self._end_entry - self._first_entry
            if (
                self._change_rows + 2 * entries + 1 > changes_room
                or self._trade_rows + entries > trades_room
                or self._quote_rows + 1 > quotes_room
                or self._message_rows + 1 > messages_room
            ):
                self.stopped = NO_ROOM
                return index
            if (book.live != _LIVE and not snapshot) or (snapshot and not self._in_order()):
                self.stopped = REFUSED
                return index
            trades = self._trades(buffer, book, at_ns, session_code, index, text_room)
            if trades < 0:
                self.stopped = NO_ROOM
                return index

            self.violation_count = 0
            begin = self._change_rows
            received = self._checksum[index]
            computed = _NULL
            moved = False
            if snapshot:
                self._load(book)
            elif trades < entries:
                self._refresh(book)
            if self._change_rows == begin and not snapshot:
                verdict = _NOT_DUE
            else:
                self._finish(book)
                if received == _NULL or book.depth < _TOP:
                    verdict = _UNVERIFIED
                    book.proven = False
                    self.unverified += 0 if snapshot else 1
                else:
                    computed = book._checksum()
                    book.proven = computed == received
                    verdict = _VERIFIED if book.proven else _MISMATCH
                moved = book._moved() or snapshot

            proof = _BY_SEQUENCE
            if self.violation_count == 0:
                proof |= _BY_INVARIANTS
            flags = 0
            for row in range(self._trade_rows - trades, self._trade_rows):
                self._trade_proof[row] = proof
            if verdict == _VERIFIED:
                proof |= _BY_CHECKSUM
                book.good_ns = at_ns
                self.verified += 1
            elif verdict == _MISMATCH:
                book.live = _SUSPECT
                flags = _SUSPECT_BOOK
            if snapshot:
                flags |= _OF_SNAPSHOT
            for row in range(begin, self._change_rows):
                self._change_receive_ns[row] = at_ns
                self._change_sending_ms[row] = self._sending_ms[index]
                self._change_session_id[row] = session_code
                self._change_msg_seq_num[row] = self._seq[index]
                self._change_symbol[row] = book.symbol_code
                self._change_proof[row] = proof
                self._change_flags[row] = flags
                self._change_price_scale[row] = book.price_scale
                self._change_size_scale[row] = book.size_scale
            if self._change_rows > begin:
                self._change_flags[self._change_rows - 1] = flags | _LAST_ENTRY
                book.rows = 0 if snapshot else book.rows + self._change_rows - begin
                book.last_ns, book.last_ms, book.last_seq = at_ns, self._sending_ms[index], self._seq[index]
                book.proof = proof
            if moved:
                self._quote(book, at_ns, session_code, index, proof, flags)

            while place + 1 < self._places and self._place_begin[place + 1] <= self._begin[index]:
                place += 1
            row = self._message_rows
            self._message_receive_ns[row] = at_ns
            self._message_sending_ms[row] = self._sending_ms[index]
            self._message_session_id[row] = session_code
            self._message_msg_seq_num[row] = self._seq[index]
            self._message_symbol[row] = book.symbol_code
            self._message_proof[row] = proof
            self._message_flags[row] = 0
            self._message_msg_type[row] = self._type_snapshot if snapshot else self._type_refresh
            self._message_bytes[row] = self._size[index]
            self._message_entries[row] = entries
            self._message_checksum_received[row] = received
            self._message_checksum_computed[row] = computed
            self._message_verdict[row] = verdict
            self._message_segment[row] = self._place_segment[place]
            self._message_segment_offset[row] = self._place_offset[place]
            self._message_rows = row + 1
            self.entries += entries
            self.trades += trades
            index += 1
            if snapshot or verdict == _MISMATCH or self.violation_count:
                self.verdict, self.computed = verdict, computed
                self.stopped = NOTABLE
                return index
        self.stopped = DONE
        return index

    @cython.locals(book=BookCore)
    def _fetch(self, index: int, count: int) -> int:
        """Touch what the next three messages will need, a step of the way to each book's levels apiece.

        A thousand books do not stay in the nearer caches. Touched beforehand, their lines come from memory while the
        present message is worked on, and not one after the other when it is their turn.
        """
        if index + 3 < count:
            book = self._books[self._subscription[index + 3]]
            self._touched ^= book.live
        if index + 2 < count:
            book = self._books[self._subscription[index + 2]]
            self._touched ^= book.bids.count ^ book.offers.count
        if index + 1 < count:
            book = self._books[self._subscription[index + 1]]
            if book.bids.count and book.offers.count:
                self._touched ^= book.bids._levels[2 * book.bids.count - 2]
                self._touched ^= book.offers._levels[2 * book.offers.count - 2]
                self._touched ^= book.bids._sums[book.bids.count - 1] ^ book.offers._sums[book.offers.count - 1]
        return 0

    @cython.locals(entry=cython.int, bid=cython.longlong, offer=cython.longlong)
    def _in_order(self) -> bool:
        """Return whether a snapshot's levels come best first on each side, none twice and none empty."""
        bid = offer = -1
        for entry in range(self._first_entry, self._end_entry):
            if self._entry_size[entry] == 0:
                return False
            if self._entry_type[entry] == 0:
                if bid >= 0 and self._price[entry] >= bid:
                    return False
                bid = self._price[entry]
            else:
                if self._price[entry] <= offer:
                    return False
                offer = self._price[entry]
        return True

    @cython.locals(
        entry=cython.int, row=cython.Py_ssize_t, text=cython.Py_ssize_t, place=cython.Py_ssize_t, trades=cython.int
    )
    def _trades(self, buffer: Any, book: Any, at_ns: int, session_code: int, index: int, text_room: int) -> int:
        """Write the trades of a message; return how many there are, or -1 where their texts have no room."""
        trades = 0
        row = self._trade_rows
        for entry in range(self._first_entry, self._end_entry):
            if self._entry_type[entry] != 2:
                continue
            text = self._trade_entry_id_end[row]
            if text + self._id_size[entry] > text_room:
                return -1
            for place in range(self._id_size[entry]):
                self._trade_entry_id[text + place] = buffer[self._id_begin[entry] + place]
            self._trade_entry_id_end[row + 1] = text + self._id_size[entry]
            self._trade_receive_ns[row] = at_ns
            self._trade_sending_ms[row] = self._sending_ms[index]
            self._trade_session_id[row] = session_code
            self._trade_msg_seq_num[row] = self._seq[index]
            self._trade_symbol[row] = book.symbol_code
            self._trade_flags[row] = 0
            self._trade_entry_index[row] = entry - self._first_entry
            self._trade_aggressor_side[row] = self._aggressor_side[entry]
            self._trade_order_type[row] = self._order_type[entry]
            self._trade_price[row] = self._price[entry]
            self._trade_size[row] = self._entry_size[entry]
            self._trade_price_scale[row] = book.price_scale
            self._trade_size_scale[row] = book.size_scale
            self._trade_entry_ms[row] = self._entry_ms[entry]
            row += 1
            trades += 1
        if trades:
            self._trade_flags[row - 1] = _LAST_ENTRY
            self._trade_rows = row
        return trades

    @cython.locals(entry=cython.int, row=cython.Py_ssize_t, side=BookSide)
    def _load(self, book: Any) -> int:
        """Replace a book by a snapshot whose levels are in order; an empty one clears it."""
        book.bids.count = book.offers.count = 0
        book.bids._changed = book.offers._changed = True
        book.live = _LIVE
        entry = self._end_entry - 1
        while entry >= self._first_entry:  # Worst first: each level is put behind the others.
            side = book.offers if self._entry_type[entry] else book.bids
            side._insert(side.count, self._price[entry] * side._sign, self._entry_size[entry])
            entry -= 1
        for entry in range(self._first_entry, self._end_entry):
            self._change(entry, _SNAPSHOT, self._entry_size[entry], _NULL)
        if self._first_entry == self._end_entry:
            row = self._change_rows
            self._change_entry_index[row] = 0
            self._change_side[row] = -1
            self._change_action[row] = _CLEAR
            self._change_price[row] = self._change_size[row] = _NULL
            self._change_entry_ms[row] = self._change_remaining_size[row] = _NULL
            self._change_rows = row + 1
        return 0

    @cython.locals(
        entry=cython.int,
        side=BookSide,
        bids_full=cython.bint,
        offers_full=cython.bint,
        full=cython.bint,
        price=cython.longlong,
        size=cython.longlong,
    )
    def _refresh(self, book: Any) -> int:
        """Apply the book entries of a refresh in their order."""
        bids_full = book.bids.count >= book.depth
        offers_full = book.offers.count >= book.depth
        for entry in range(self._first_entry, self._end_entry):
            if self._entry_type[entry] == 2:
                continue
            if self._entry_type[entry]:
                side, full = book.offers, offers_full
            else:
                side, full = book.bids, bids_full
            price, size = self._price[entry], self._entry_size[entry]
            if self._update[entry] == 2:
                if (
                    not side._remove(price)
                    and size == 0
                    # Innocent where it may have been out of sight: cut here, or said to be.
                    and not (full and (side.count == 0 or price * side._sign < side._levels[0]))
                ):
                    self._violate(_LEVEL_NOT_HELD, price, 0)
                if size:
                    self._change(entry, _EVICT, 0, size)
                else:
                    self._change(entry, _DELETE, 0, _NULL)
            else:
                if size:
                    side._set(price, size)
                else:
                    side._remove(price)
                self._change(entry, _NEW + self._update[entry], size, _NULL)
        return 0

    @cython.locals(entry=cython.int, bid=cython.longlong, offer=cython.longlong)
    def _finish(self, book: Any) -> None:
        """Cut both sides to the depth, and hold the message and the book against the invariants."""
        if book.bids.count > book.depth:
            self._cut(book, book.bids, 0)
        if book.offers.count > book.depth:
            self._cut(book, book.offers, 1)
        if book.tick > 1 or book.lot > 1:
            for entry in range(self._first_entry, self._end_entry):
                if book.tick > 1 and self._price[entry] % book.tick:
                    self._violate(_OFF_TICK, self._price[entry], book.tick)
                if book.lot > 1 and self._entry_size[entry] % book.lot:
                    self._violate(_OFF_LOT, self._entry_size[entry], book.lot)
        if book.bids.count and book.offers.count:
            bid = book.bids._levels[2 * book.bids.count - 2]
            offer = -book.offers._levels[2 * book.offers.count - 2]
            if bid >= offer:
                self._violate(_CROSSED, bid, offer)

    @cython.locals(excess=cython.Py_ssize_t, place=cython.Py_ssize_t, row=cython.Py_ssize_t)
    def _cut(self, book: Any, side: Any, kind: int) -> None:
        """Drop the levels beyond the depth, worst first, each a row."""
        excess = side.count - book.depth
        row = self._change_rows
        for place in range(excess):
            self._change_entry_index[row] = -1
            self._change_side[row] = kind
            self._change_action[row] = _EVICT
            self._change_price[row] = side._levels[2 * place] * side._sign
            self._change_size[row] = 0
            self._change_entry_ms[row] = _NULL
            self._change_remaining_size[row] = side._levels[2 * place + 1]
            row += 1
        self._change_rows = row
        side._drop(excess)

    @cython.locals(row=cython.Py_ssize_t)
    def _change(self, entry: int, action: int, size: int, remaining_size: int) -> None:
        """Write what is an entry's own of its row."""
        row = self._change_rows
        self._change_entry_index[row] = entry - self._first_entry
        self._change_side[row] = self._entry_type[entry]
        self._change_action[row] = action
        self._change_price[row] = self._price[entry]
        self._change_size[row] = size
        self._change_entry_ms[row] = self._entry_ms[entry]
        self._change_remaining_size[row] = remaining_size
        self._change_rows = row + 1

    @cython.locals(row=cython.Py_ssize_t)
    def _quote(self, book: Any, at_ns: int, session_code: int, index: int, proof: int, flags: int) -> None:
        """Write the top of book."""
        row = self._quote_rows
        self._quote_receive_ns[row] = at_ns
        self._quote_sending_ms[row] = self._sending_ms[index]
        self._quote_session_id[row] = session_code
        self._quote_msg_seq_num[row] = self._seq[index]
        self._quote_symbol[row] = book.symbol_code
        self._quote_proof[row] = proof
        self._quote_flags[row] = flags
        self._quote_bid_price[row] = book._bid_price
        self._quote_bid_size[row] = book._bid_size
        self._quote_bid_total[row] = book.bids._total()
        self._quote_offer_price[row] = book._offer_price
        self._quote_offer_size[row] = book._offer_size
        self._quote_offer_total[row] = book.offers._total()
        self._quote_price_scale[row] = book.price_scale
        self._quote_size_scale[row] = book.size_scale
        self._quote_rows = row + 1

    def _violate(self, invariant: int, first: int, second: int) -> None:
        if self.violation_count < 8:
            self._violation[self.violation_count] = invariant
            self._violation_first[self.violation_count] = first
            self._violation_second[self.violation_count] = second
        self.violation_count += 1
