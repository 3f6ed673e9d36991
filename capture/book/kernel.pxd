# C types of kernel.py: layouts and signatures, for the compiler alone.

cimport cython

from capture.book.levels cimport BookCore, BookSide


@cython.final
cdef class BookKernel:
    cdef public int stopped
    cdef public long long entries
    cdef public long long trades
    cdef public long long verified
    cdef public long long unverified

    # Of the message before, where it is notable.
    cdef public int verdict
    cdef public long long computed
    cdef public int violation_count
    cdef int[::1] _violation
    cdef long long[::1] _violation_first
    cdef long long[::1] _violation_second
    cdef list _books
    cdef long long _touched  # Of no meaning: it keeps the compiler from leaving out what is only touched.
    cdef object _columns
    cdef tuple _bound
    cdef int _first_entry  # Of the message at hand, and the one after its last.
    cdef int _end_entry

    # Where the frames stand in the journal: from which byte of the buffer on, in which segment, at which offset.
    cdef long long[::1] _place_begin
    cdef int[::1] _place_segment
    cdef long long[::1] _place_offset
    cdef int _places

    # As in `market.kernel.Staged`.
    cdef int[::1] _begin
    cdef int[::1] _size
    cdef int[::1] _subscription
    cdef signed char[::1] _snapshot
    cdef long long[::1] _seq
    cdef long long[::1] _sending_ms
    cdef long long[::1] _checksum
    cdef int[::1] _entry_end
    cdef signed char[::1] _update
    cdef signed char[::1] _entry_type
    cdef long long[::1] _price
    cdef long long[::1] _entry_size
    cdef long long[::1] _entry_ms
    cdef int[::1] _id_begin
    cdef int[::1] _id_size
    cdef signed char[::1] _order_type
    cdef signed char[::1] _aggressor_side

    # The columns, as in `columns.LAYOUTS`, and how far they are written.
    cdef Py_ssize_t _change_rows
    cdef Py_ssize_t _trade_rows
    cdef Py_ssize_t _quote_rows
    cdef Py_ssize_t _message_rows
    cdef int _type_snapshot
    cdef int _type_refresh
    cdef long long[::1] _change_receive_ns
    cdef long long[::1] _change_sending_ms
    cdef int[::1] _change_session_id
    cdef long long[::1] _change_msg_seq_num
    cdef int[::1] _change_symbol
    cdef signed char[::1] _change_proof
    cdef short[::1] _change_flags
    cdef int[::1] _change_entry_index
    cdef signed char[::1] _change_side
    cdef signed char[::1] _change_action
    cdef long long[::1] _change_price
    cdef long long[::1] _change_size
    cdef signed char[::1] _change_price_scale
    cdef signed char[::1] _change_size_scale
    cdef long long[::1] _change_entry_ms
    cdef long long[::1] _change_remaining_size
    cdef long long[::1] _trade_receive_ns
    cdef long long[::1] _trade_sending_ms
    cdef int[::1] _trade_session_id
    cdef long long[::1] _trade_msg_seq_num
    cdef int[::1] _trade_symbol
    cdef signed char[::1] _trade_proof
    cdef short[::1] _trade_flags
    cdef int[::1] _trade_entry_index
    cdef int[::1] _trade_entry_id_end
    cdef unsigned char[::1] _trade_entry_id
    cdef signed char[::1] _trade_aggressor_side
    cdef signed char[::1] _trade_order_type
    cdef long long[::1] _trade_price
    cdef long long[::1] _trade_size
    cdef signed char[::1] _trade_price_scale
    cdef signed char[::1] _trade_size_scale
    cdef long long[::1] _trade_entry_ms
    cdef long long[::1] _quote_receive_ns
    cdef long long[::1] _quote_sending_ms
    cdef int[::1] _quote_session_id
    cdef long long[::1] _quote_msg_seq_num
    cdef int[::1] _quote_symbol
    cdef signed char[::1] _quote_proof
    cdef short[::1] _quote_flags
    cdef long long[::1] _quote_bid_price
    cdef long long[::1] _quote_bid_size
    cdef long long[::1] _quote_bid_total
    cdef long long[::1] _quote_offer_price
    cdef long long[::1] _quote_offer_size
    cdef long long[::1] _quote_offer_total
    cdef signed char[::1] _quote_price_scale
    cdef signed char[::1] _quote_size_scale
    cdef long long[::1] _message_receive_ns
    cdef long long[::1] _message_sending_ms
    cdef int[::1] _message_session_id
    cdef long long[::1] _message_msg_seq_num
    cdef int[::1] _message_symbol
    cdef signed char[::1] _message_proof
    cdef short[::1] _message_flags
    cdef int[::1] _message_msg_type
    cdef int[::1] _message_bytes
    cdef int[::1] _message_entries
    cdef long long[::1] _message_checksum_received
    cdef long long[::1] _message_checksum_computed
    cdef signed char[::1] _message_verdict
    cdef int[::1] _message_segment
    cdef long long[::1] _message_segment_offset

    cdef int _apply(self, unsigned char[::1] buffer, int first, int count, long long at_ns, int session_code, Py_ssize_t changes_room, Py_ssize_t trades_room, Py_ssize_t quotes_room, Py_ssize_t messages_room, Py_ssize_t text_room) except? -1
    cdef int _fetch(self, int index, int count) except -1
    cdef bint _in_order(self) except -1
    cdef int _trades(self, unsigned char[::1] buffer, BookCore book, long long at_ns, int session_code, int index, Py_ssize_t text_room) except? -1
    cdef int _load(self, BookCore book) except -1
    cdef int _refresh(self, BookCore book) except -1
    cdef void _finish(self, BookCore book) noexcept
    cdef void _cut(self, BookCore book, BookSide side, int kind) noexcept
    cdef void _change(self, int entry, int action, long long size, long long remaining_size) noexcept
    cdef void _quote(self, BookCore book, long long at_ns, int session_code, int index, int proof, int flags) noexcept
    cdef void _violate(self, int invariant, long long first, long long second) noexcept
