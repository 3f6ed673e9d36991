# cython: language_level=3, annotation_typing=False
"""The two loops of a merge: rows of lakes to lines of messages, and a line to a book and rows again.

Layer: storage, below lines and walks. Knows integer columns and `capture.book.kernel`; no Arrow, no file. Plain Python
that Cython compiles, by the types in the .pxd beside it.
Source: `capture.book.kernel`, which applies each message here as it does live.
Left to others: columns out of tables (`storage.union.lines`); messages with consequences or of no book that stands
(`storage.union.walk`).
"""

from typing import Any, Final

import cython

from capture.book.kernel import BookKernel
from capture.book.levels import BookCore

# What a message is to a book.
NO_BOOK: Final = 0
REFRESH: Final = 1
SNAPSHOT: Final = 2

# Where a recorder's book stands, beside places in its line.
NOWHERE: Final = -2
ANY_SCALE: Final = -1  # Of a message without entries.

HEAD_BYTES: Final = 16  # Of a content: type, checksum and size.
ENTRY_BYTES: Final = 32  # Of each entry in it; the text of a trade's MDEntryID(278) follows.

# What a run stopped at.
DONE: Final = 0
NOTABLE: Final = 1  # The message before has consequences: a mismatch, a broken invariant.
REFUSED: Final = 2  # The next message is for the slow lane.
NO_ROOM: Final = 3  # No room in the columns for the next message.

_NULL = cython.declare(cython.longlong, -(2**63))
_NO_BOOK = cython.declare(cython.int, 0)
_REFRESH = cython.declare(cython.int, 1)
_NOWHERE = cython.declare(cython.longlong, -2)
_ANY_SCALE = cython.declare(cython.int, -1)
_TRADE = cython.declare(cython.int, 2)
_LIVE = cython.declare(cython.int, 1)  # As `capture.book.levels`.
_PROVEN = cython.declare(cython.int, 7)  # As Proof and Flag of `capture.columns`; a test holds them equal.
_KEPT_FLAGS = cython.declare(cython.int, 8 | 16 | 32)
_KERNEL_DONE = cython.declare(cython.int, 0)  # As `capture.book.kernel`.
_KERNEL_NO_ROOM = cython.declare(cython.int, 3)


@cython.final
@cython.cclass
class LineReader:
    """Puts the messages of one recorder together from its rows, behind what is there already.

    Bind `messages`, `changes` and `trades`, give each an order, then `read`. `count`, `entries`, `id_bytes` and
    `content_bytes` say how far `storage.union.lines.Lines` is filled.
    """

    def __init__(self, lines: Any) -> None:
        self.count = self.entries = self.id_bytes = self.content_bytes = 0
        self._own_seq, self._session, self._receive_ns = lines.own_seq, lines.session, lines.receive_ns
        self._sending_ms, self._key_ms, self._checksum = lines.sending_ms, lines.key_ms, lines.checksum
        self._kind, self._msg_type, self._linked = lines.kind, lines.msg_type, lines.linked
        self._proof, self._flags, self._size = lines.proof, lines.flags, lines.size
        self._segment, self._segment_offset = lines.segment, lines.segment_offset
        self._plain, self._of_price, self._of_size = lines.plain, lines.price_scale, lines.size_scale
        self._entry_end, self._content_end = lines.entry_end, lines.content_end
        self._update, self._entry_type = lines.update, lines.entry_type
        self._price, self._entry_size, self._entry_ms = lines.price, lines.entry_size, lines.entry_ms
        self._price_scale, self._size_scale = lines.entry_price_scale, lines.entry_size_scale
        self._id_begin, self._id_size, self._ids = lines.id_begin, lines.id_size, lines.ids
        self._order_type, self._aggressor_side = lines.order_type, lines.aggressor_side
        self._content = lines.content
        self._entry_room, self._id_room = len(lines.update), len(lines.ids)

    def messages(self, columns: Any) -> None:
        """Take the columns of messages: views of equal length, as `storage.union.lines.MESSAGE_COLUMNS` has them."""
        (
            self._m_symbol,
            self._m_session,
            self._m_seq,
            self._m_receive_ns,
            self._m_sending_ms,
            self._m_proof,
            self._m_flags,
            self._m_type,
            self._m_bytes,
            self._m_entries,
            self._m_checksum,
            self._m_malformed,
            self._m_segment,
            self._m_offset,
        ) = columns

    def changes(self, columns: Any) -> None:
        """Take the columns of book changes, as `storage.union.lines.CHANGE_COLUMNS` has them."""
        (
            self._c_symbol,
            self._c_session,
            self._c_seq,
            self._c_index,
            self._c_price,
            self._c_size,
            self._c_price_scale,
            self._c_size_scale,
            self._c_entry_ms,
            self._c_side,
            self._c_update,
            self._c_remaining,
        ) = columns

    def trades(self, columns: Any) -> None:
        """Take the columns of trades, as `storage.union.lines.TRADE_COLUMNS` has them, and the texts of their ids."""
        (
            self._t_symbol,
            self._t_session,
            self._t_seq,
            self._t_index,
            self._t_price,
            self._t_size,
            self._t_price_scale,
            self._t_size_scale,
            self._t_entry_ms,
            self._t_order_type,
            self._t_aggressor_side,
            self._t_id_end,
            self._t_id,
        ) = columns

    @cython.locals(row=cython.Py_ssize_t, rows=cython.Py_ssize_t, held=cython.Py_ssize_t, out=cython.longlong[::1])
    def order_changes(self, order: Any, count: int) -> int:
        """Write the rows that are entries of a message into an order; return how many they are.

        What was cut locally is none, nor is the mark of an empty snapshot.
        """
        out, rows = order, count
        held = 0
        for row in range(rows):
            if self._c_index[row] >= 0 and self._c_side[row] >= 0:
                out[held] = row
                held += 1
        return int(held)

    @cython.locals(
        place=cython.Py_ssize_t,
        before=cython.Py_ssize_t,
        row=cython.Py_ssize_t,
        rows=cython.Py_ssize_t,
        by=cython.longlong[::1],
    )
    def are_ordered(self, order: Any, count: int, columns: Any) -> bool:
        """Return whether rows follow each other by four columns: symbol, session, number, place in their message."""
        self._o_symbol, self._o_session, self._o_seq, self._o_index = columns
        by, rows = order, count
        for place in range(1, rows):
            before, row = by[place - 1], by[place]
            if self._o_symbol[row] != self._o_symbol[before]:
                if self._o_symbol[row] < self._o_symbol[before]:
                    return False
            elif self._o_session[row] != self._o_session[before]:
                if self._o_session[row] < self._o_session[before]:
                    return False
            elif self._o_seq[row] != self._o_seq[before]:
                if self._o_seq[row] < self._o_seq[before]:
                    return False
            elif self._o_index[row] < self._o_index[before]:
                return False
        return True

    @cython.locals(
        place=cython.Py_ssize_t,
        rows=cython.Py_ssize_t,
        row=cython.Py_ssize_t,
        c=cython.Py_ssize_t,
        t=cython.Py_ssize_t,
        out=cython.Py_ssize_t,
        begin=cython.Py_ssize_t,
        symbol=cython.int,
        session=cython.int,
        last_session=cython.int,
        seq=cython.longlong,
        kind=cython.int,
        readable=cython.bint,
        by_message=cython.longlong[::1],
        by_change=cython.longlong[::1],
        by_trade=cython.longlong[::1],
        change_rows=cython.Py_ssize_t,
        trade_rows=cython.Py_ssize_t,
        taken_sessions=cython.int[::1],
        taken_seqs=cython.longlong[::1],
        kind_of=cython.int[::1],
        first_session=cython.int,
    )
    def read(
        self,
        orders: Any,
        counts: Any,
        taken: Any,
        kinds: Any,
        session_code: int,
    ) -> list[tuple[int, int, int]]:
        """Append all messages; return the symbols in their order, each with its first place and the one after its last.

        orders, counts: of messages, changes and trades. taken: of each symbol session and number of the last message
        that was taken already, session -1 for none. kinds: what each type is to a book. session_code: of session 0.
        """
        by_message, by_change, by_trade = orders
        rows, change_rows, trade_rows = counts
        taken_sessions, taken_seqs = taken
        kind_of, first_session = kinds, session_code
        spans: list[tuple[int, int, int]] = []
        c = t = 0
        begin = out = self.count
        symbol = last_session = -1
        readable = True
        for place in range(rows):
            row = by_message[place]
            if self._m_symbol[row] != symbol:
                if symbol >= 0:
                    spans.append((symbol, begin, out))
                symbol, begin, readable = self._m_symbol[row], out, True
                last_session = taken_sessions[symbol]
            session, seq = self._m_session[row], self._m_seq[row]
            if session < taken_sessions[symbol] or (session == taken_sessions[symbol] and seq <= taken_seqs[symbol]):
                continue
            while c < change_rows and self._is_before(
                self._c_symbol[by_change[c]],
                self._c_session[by_change[c]],
                self._c_seq[by_change[c]],
                symbol,
                session,
                seq,
            ):
                c += 1
            while t < trade_rows and self._is_before(
                self._t_symbol[by_trade[t]],
                self._t_session[by_trade[t]],
                self._t_seq[by_trade[t]],
                symbol,
                session,
                seq,
            ):
                t += 1
            kind = kind_of[self._m_type[row]]
            self._entry_end[out] = self.entries
            self._kind[out] = kind
            if kind != _NO_BOOK and (
                self._m_malformed[row] == 1
                or not self._entries(row, out, by_change, c, change_rows, by_trade, t, trade_rows)
            ):
                readable = False
                continue
            self._own_seq[out], self._session[out] = seq, first_session + session
            self._receive_ns[out], self._sending_ms[out] = self._m_receive_ns[row], self._m_sending_ms[row]
            self._proof[out], self._flags[out] = self._m_proof[row], self._m_flags[row]
            self._size[out], self._msg_type[out] = self._m_bytes[row], self._m_type[row]
            self._checksum[out] = _NULL if kind == _NO_BOOK else self._m_checksum[row]
            self._segment[out], self._segment_offset[out] = self._m_segment[row], self._m_offset[row]
            self._linked[out] = readable and session == last_session
            self._finish(out, kind)
            last_session, readable = session, True
            out += 1
        if symbol >= 0:
            spans.append((symbol, begin, out))
        self.count = out
        return spans

    def _is_before(self, symbol: int, session: int, seq: int, of: int, of_session: int, of_seq: int) -> bool:
        if symbol != of:
            return symbol < of
        if session != of_session:
            return session < of_session
        return seq < of_seq

    @cython.locals(
        entry=cython.Py_ssize_t,
        change=cython.Py_ssize_t,
        trade=cython.Py_ssize_t,
        expected=cython.int,
        symbol=cython.int,
        session=cython.int,
        seq=cython.longlong,
        has_change=cython.bint,
        has_trade=cython.bint,
        place=cython.Py_ssize_t,
        text=cython.Py_ssize_t,
    )
    def _entries(
        self, row: int, out: int, by_change: Any, c: int, change_rows: int, by_trade: Any, t: int, trade_rows: int
    ) -> bool:
        """Write the entries of a message; return whether all of them are there, each once."""
        symbol, session, seq = self._m_symbol[row], self._m_session[row], self._m_seq[row]
        entry, text = self.entries, self.id_bytes
        expected = 0
        change = trade = 0
        while True:
            has_change = has_trade = False
            if c < change_rows:
                change = by_change[c]
                has_change = (
                    self._c_symbol[change] == symbol
                    and self._c_session[change] == session
                    and self._c_seq[change] == seq
                )
            if t < trade_rows:
                trade = by_trade[t]
                has_trade = (
                    self._t_symbol[trade] == symbol and self._t_session[trade] == session and self._t_seq[trade] == seq
                )
            if not has_change and not has_trade:
                break
            if entry == self._entry_room:
                return False  # Messages that are there twice have the entries of one.
            if has_change and (not has_trade or self._c_index[change] <= self._t_index[trade]):
                if self._c_index[change] != expected:
                    return False
                self._update[entry], self._entry_type[entry] = self._c_update[change], self._c_side[change]
                self._price[entry] = self._c_price[change]
                self._entry_size[entry] = self._c_size[change]
                if self._entry_size[entry] == 0 or self._entry_size[entry] == _NULL:
                    self._entry_size[entry] = 0 if self._c_remaining[change] == _NULL else self._c_remaining[change]
                self._price_scale[entry] = self._c_price_scale[change]
                self._size_scale[entry] = self._c_size_scale[change]
                self._entry_ms[entry] = self._c_entry_ms[change]
                self._id_begin[entry], self._id_size[entry] = text, 0
                self._order_type[entry] = self._aggressor_side[entry] = 0
                c += 1
            else:
                if self._t_index[trade] != expected:
                    return False
                self._update[entry], self._entry_type[entry] = 0, _TRADE
                self._price[entry], self._entry_size[entry] = self._t_price[trade], self._t_size[trade]
                self._price_scale[entry] = self._t_price_scale[trade]
                self._size_scale[entry] = self._t_size_scale[trade]
                self._entry_ms[entry] = self._t_entry_ms[trade]
                self._id_begin[entry] = text
                if text + self._t_id_end[trade + 1] - self._t_id_end[trade] > self._id_room:
                    return False
                for place in range(self._t_id_end[trade], self._t_id_end[trade + 1]):
                    self._ids[text] = self._t_id[place]
                    text += 1
                self._id_size[entry] = text - self._id_begin[entry]
                self._order_type[entry] = self._t_order_type[trade]
                self._aggressor_side[entry] = self._t_aggressor_side[trade]
                t += 1
            entry += 1
            expected += 1
        if expected != self._m_entries[row]:
            return False
        self.entries, self.id_bytes = entry, text
        self._entry_end[out] = entry
        return True

    @cython.locals(
        entry=cython.Py_ssize_t,
        begin=cython.Py_ssize_t,
        end=cython.Py_ssize_t,
        at=cython.Py_ssize_t,
        place=cython.Py_ssize_t,
        latest=cython.longlong,
        plain=cython.bint,
    )
    def _finish(self, out: int, kind: int) -> None:
        """Write down what follows from a message's entries: its time, its scales, and its content as bytes."""
        begin = self._entry_end[out - 1] if out else 0
        end = self._entry_end[out]
        latest = _NULL
        plain = kind == _REFRESH
        at = self.content_bytes
        self._put(at, self._msg_type[out])
        self._put(at + 4, 0 if kind != _NO_BOOK else self._size[out])
        self._put_long(at + 8, self._checksum[out])
        at += 16
        for entry in range(begin, end):
            latest = max(latest, self._entry_ms[entry])
            if (
                self._price_scale[entry] != self._price_scale[begin]
                or self._size_scale[entry] != self._size_scale[begin]
            ):
                plain = False
            self._content[at] = self._update[entry] & 255
            self._content[at + 1] = self._entry_type[entry] & 255
            self._content[at + 2] = self._price_scale[entry] & 255
            self._content[at + 3] = self._size_scale[entry] & 255
            self._content[at + 4] = self._order_type[entry] & 255
            self._content[at + 5] = self._aggressor_side[entry] & 255
            self._content[at + 6] = self._id_size[entry] & 255
            self._content[at + 7] = self._id_size[entry] >> 8 & 255
            self._put_long(at + 8, self._price[entry])
            self._put_long(at + 16, self._entry_size[entry])
            self._put_long(at + 24, self._entry_ms[entry])
            at += 32
        for entry in range(begin, end):
            for place in range(self._id_size[entry]):
                self._content[at] = self._ids[self._id_begin[entry] + place]
                at += 1
        self.content_bytes = self._content_end[out] = at
        self._key_ms[out] = self._sending_ms[out] if latest == _NULL or kind != _REFRESH else latest
        self._plain[out] = plain
        self._of_price[out] = self._price_scale[begin] if end > begin else _ANY_SCALE
        self._of_size[out] = self._size_scale[begin] if end > begin else _ANY_SCALE

    @cython.locals(place=cython.int)
    def _put(self, at: int, value: int) -> None:
        for place in range(4):
            self._content[at + place] = value >> 8 * place & 255

    @cython.locals(place=cython.int)
    def _put_long(self, at: int, value: int) -> None:
        for place in range(8):
            self._content[at + place] = value >> 8 * place & 255


@cython.final
@cython.cclass
class Runner:
    """Goes along the united line of one symbol where its book stands and every message is plain.

    `bind` it to the columns, say of which book by `begin`, then `run`. clock_ns: of the last row. next_seq: of the next
    message. reach_a, reach_b: the place of each recorder's message at which the book stands, or NOWHERE. `stopped` says
    why a run ended, `verdict`, `computed` and `violations` what the message before came to.
    """

    def __init__(self, lines: Any) -> None:
        self._kernel = BookKernel(lines)
        self._held: list[Any] = [None]
        self._kernel.books(self._held)
        self._kernel.place(lines.place_begin, lines.place_segment, lines.place_offset)
        self._place_segment, self._place_offset = lines.place_segment, lines.place_offset
        self._ids = lines.ids
        self._seq, self._own_seq, self._session = lines.seq, lines.own_seq, lines.session
        self._receive_ns, self._linked, self._plain = lines.receive_ns, lines.linked, lines.plain
        self._proof, self._flags, self._msg_type = lines.proof, lines.flags, lines.msg_type
        self._segment, self._segment_offset = lines.segment, lines.segment_offset
        self._of_price, self._of_size = lines.price_scale, lines.size_scale
        self._columns: Any = None
        self.clock_ns = 0
        self.next_seq = 0
        self.reach_a = self.reach_b = NOWHERE
        self.stopped = DONE

    def bind(self, columns: Any, sightings: Any, sessions: Any, segments: Any, session: int) -> None:
        """Write into these columns: codes there of each session and segment here, and of the united session."""
        self._columns, self._sightings = columns, sightings
        self._session_code, self._segment_code, self._united = sessions, segments, session
        self._refresh_code = columns.names["msg_type"].code("X")
        self._kernel.bind(columns)

    @property
    def columns(self) -> Any:
        """What it writes into."""
        return self._columns

    @property
    def verdict(self) -> int:
        """The verdict of the message before."""
        return self._kernel.verdict

    @property
    def computed(self) -> int:
        """The checksum of the book after the message before; null if none was due."""
        return self._kernel.computed

    @property
    def violation_count(self) -> int:
        """How many invariants the message before broke."""
        return self._kernel.violation_count

    def violations(self) -> list[tuple[int, int, int]]:
        """Return what the message before broke: invariant and its two numbers."""
        return self._kernel.violations()

    def begin(self, book: Any, symbol_code: int) -> None:
        """Go on with the book of another symbol, by its code in the columns."""
        self._held[0] = book
        book.symbol_code = symbol_code
        self._symbol = symbol_code

    def _bind_sightings(self) -> None:
        arrays = self._sightings.arrays
        self._s_receive_ns, self._s_session, self._s_seq = (
            arrays["receive_ns"],
            arrays["session_id"],
            arrays["msg_seq_num"],
        )
        self._s_symbol, self._s_type, self._s_taken = arrays["symbol"], arrays["msg_type"], arrays["taken"]
        self._s_a_receive_ns, self._s_a_session = arrays["a_receive_ns"], arrays["a_session_id"]
        self._s_a_seq, self._s_b_seq = arrays["a_msg_seq_num"], arrays["b_msg_seq_num"]
        self._s_b_receive_ns, self._s_b_session = arrays["b_receive_ns"], arrays["b_session_id"]

    @cython.locals(
        kernel=BookKernel,
        of_a=cython.int[::1],
        of_b=cython.int[::1],
        stop=cython.Py_ssize_t,
        at=cython.Py_ssize_t,
    )
    def run(self, line: Any, first: int, count: int) -> int:
        """Take messages of a line, by their places in both recorders', from `first` to `count`; return the next one."""
        columns, sightings, kernel = self._columns, self._sightings, self._kernel
        sightings.make_room(count - first)
        self._bind_sightings()
        kernel._rebind()
        kernel.entries = kernel.trades = kernel.verified = kernel.unverified = 0
        kernel._change_rows, kernel._trade_rows = columns.book_changes.count, columns.trades.count
        kernel._quote_rows, kernel._message_rows = columns.quotes.count, columns.messages.count
        self._changes_room, self._trades_room = columns.book_changes.capacity, columns.trades.capacity
        self._quotes_room, self._messages_room = columns.quotes.capacity, columns.messages.capacity
        self._text_room = len(columns.trades.arrays["entry_id"].data)
        self._sighting_rows = sightings.count
        of_a, of_b = line
        at, stop = first, count
        self.stopped = DONE
        while at < stop:
            self.stopped = self._one(of_a[at], of_b[at])
            if self.stopped == REFUSED or self.stopped == NO_ROOM:
                break
            at += 1
            if self.stopped == NOTABLE:
                break
        columns.book_changes.count, columns.trades.count = kernel._change_rows, kernel._trade_rows
        columns.quotes.count, columns.messages.count = kernel._quote_rows, kernel._message_rows
        sightings.count = self._sighting_rows
        return int(at)

    @cython.locals(
        which=cython.int,
        chosen=cython.int,
        flags=cython.int,
        book=BookCore,
        kernel=BookKernel,
        change=cython.Py_ssize_t,
        trade=cython.Py_ssize_t,
        quote=cython.Py_ssize_t,
        row=cython.Py_ssize_t,
        at_ns=cython.longlong,
    )
    def _one(self, a: int, b: int) -> int:
        """Take one message, or nothing of it; return what `stopped` says."""
        kernel, book = self._kernel, self._held[0]
        if a < 0 or b < 0:
            which = 0 if b < 0 else 1
        elif (self._proof[a] == _PROVEN) != (self._proof[b] == _PROVEN):
            which = 0 if self._proof[a] == _PROVEN else 1
        else:
            which = 0 if self._receive_ns[a] <= self._receive_ns[b] else 1
        chosen = b if which else a
        if (
            not self._plain[chosen]
            or book.live != _LIVE
            or (
                self._of_price[chosen] != _ANY_SCALE
                and (self._of_price[chosen] != book.price_scale or self._of_size[chosen] != book.size_scale)
            )
            or not (
                (a >= 0 and self._linked[a] and self.reach_a == a - 1)
                or (b >= 0 and self._linked[b] and self.reach_b == b - 1)
            )
        ):
            return REFUSED
        at_ns = self._receive_ns[chosen]
        at_ns = max(at_ns, self.clock_ns)
        self._seq[chosen] = self.next_seq
        self._place_segment[0] = self._segment_code[self._segment[chosen]]
        self._place_offset[0] = self._segment_offset[chosen]
        change, trade, quote = kernel._change_rows, kernel._trade_rows, kernel._quote_rows
        kernel._apply(
            self._ids,
            chosen,
            chosen + 1,
            at_ns,
            self._united,
            self._changes_room,
            self._trades_room,
            self._quotes_room,
            self._messages_room,
            self._text_room,
        )
        if kernel.stopped == _KERNEL_NO_ROOM:
            return NO_ROOM
        flags = self._flags[chosen] & _KEPT_FLAGS
        if flags:
            for row in range(change, kernel._change_rows):
                kernel._change_flags[row] |= flags
            for row in range(trade, kernel._trade_rows):
                kernel._trade_flags[row] |= flags
            for row in range(quote, kernel._quote_rows):
                kernel._quote_flags[row] |= flags
            kernel._message_flags[kernel._message_rows - 1] |= flags
        self._sight(at_ns, a, b, which)
        self.clock_ns = at_ns
        self.next_seq += 1
        self.reach_a = a if a >= 0 else _NOWHERE
        self.reach_b = b if b >= 0 else _NOWHERE
        return DONE if kernel.stopped == _KERNEL_DONE else NOTABLE

    @cython.locals(row=cython.Py_ssize_t)
    def _sight(self, at_ns: int, a: int, b: int, which: int) -> int:
        """Write who saw a message."""
        row = self._sighting_rows
        self._s_receive_ns[row], self._s_session[row], self._s_seq[row] = at_ns, self._united, self.next_seq
        self._s_symbol[row], self._s_type[row] = self._symbol, self._refresh_code
        self._s_taken.append("b" if which else "a")
        self._s_a_receive_ns[row] = self._receive_ns[a] if a >= 0 else _NULL
        self._s_a_session[row] = self._session_code[self._session[a]] if a >= 0 else -1
        self._s_a_seq[row] = self._own_seq[a] if a >= 0 else _NULL
        self._s_b_receive_ns[row] = self._receive_ns[b] if b >= 0 else _NULL
        self._s_b_session[row] = self._session_code[self._session[b]] if b >= 0 else -1
        self._s_b_seq[row] = self._own_seq[b] if b >= 0 else _NULL
        self._sighting_rows = row + 1
        return 0
