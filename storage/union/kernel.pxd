# C types of kernel.py: layouts and signatures, for the compiler alone.

cimport cython

from capture.book.kernel cimport BookKernel
from capture.book.levels cimport BookCore


@cython.final
cdef class LineReader:
    cdef public Py_ssize_t count
    cdef public Py_ssize_t entries
    cdef public Py_ssize_t id_bytes
    cdef public Py_ssize_t content_bytes

    # As in `storage.union.lines.Lines`.
    cdef long long[::1] _own_seq
    cdef int[::1] _session
    cdef long long[::1] _receive_ns
    cdef long long[::1] _sending_ms
    cdef long long[::1] _key_ms
    cdef long long[::1] _checksum
    cdef signed char[::1] _kind
    cdef int[::1] _msg_type
    cdef signed char[::1] _linked
    cdef signed char[::1] _proof
    cdef short[::1] _flags
    cdef int[::1] _size
    cdef int[::1] _segment
    cdef long long[::1] _segment_offset
    cdef signed char[::1] _plain
    cdef signed char[::1] _of_price
    cdef signed char[::1] _of_size
    cdef int[::1] _entry_end
    cdef long long[::1] _content_end
    cdef signed char[::1] _update
    cdef signed char[::1] _entry_type
    cdef long long[::1] _price
    cdef long long[::1] _entry_size
    cdef long long[::1] _entry_ms
    cdef signed char[::1] _price_scale
    cdef signed char[::1] _size_scale
    cdef int[::1] _id_begin
    cdef int[::1] _id_size
    cdef unsigned char[::1] _ids
    cdef signed char[::1] _order_type
    cdef signed char[::1] _aggressor_side
    cdef unsigned char[::1] _content
    cdef Py_ssize_t _entry_room
    cdef Py_ssize_t _id_room

    # The rows, as tables of a recorder's lake have them.
    cdef const int[::1] _m_symbol
    cdef const int[::1] _m_session
    cdef const long long[::1] _m_seq
    cdef const long long[::1] _m_receive_ns
    cdef const long long[::1] _m_sending_ms
    cdef const signed char[::1] _m_proof
    cdef const short[::1] _m_flags
    cdef const int[::1] _m_type
    cdef const int[::1] _m_bytes
    cdef const int[::1] _m_entries
    cdef const long long[::1] _m_checksum
    cdef const int[::1] _m_malformed
    cdef const int[::1] _m_segment
    cdef const long long[::1] _m_offset
    cdef const int[::1] _c_symbol
    cdef const int[::1] _c_session
    cdef const long long[::1] _c_seq
    cdef const int[::1] _c_index
    cdef const long long[::1] _c_price
    cdef const long long[::1] _c_size
    cdef const signed char[::1] _c_price_scale
    cdef const signed char[::1] _c_size_scale
    cdef const long long[::1] _c_entry_ms
    cdef const int[::1] _c_side
    cdef const int[::1] _c_update
    cdef const long long[::1] _c_remaining
    cdef const int[::1] _t_symbol
    cdef const int[::1] _t_session
    cdef const long long[::1] _t_seq
    cdef const int[::1] _t_index
    cdef const long long[::1] _t_price
    cdef const long long[::1] _t_size
    cdef const signed char[::1] _t_price_scale
    cdef const signed char[::1] _t_size_scale
    cdef const long long[::1] _t_entry_ms
    cdef const signed char[::1] _t_order_type
    cdef const signed char[::1] _t_aggressor_side
    cdef const int[::1] _t_id_end
    cdef const unsigned char[::1] _t_id
    cdef const int[::1] _o_symbol
    cdef const int[::1] _o_session
    cdef const long long[::1] _o_seq
    cdef const int[::1] _o_index

    cdef bint _is_before(self, int symbol, int session, long long seq, int of, int of_session, long long of_seq) noexcept
    cdef bint _entries(self, Py_ssize_t row, Py_ssize_t out, long long[::1] by_change, Py_ssize_t c, Py_ssize_t change_rows, long long[::1] by_trade, Py_ssize_t t, Py_ssize_t trade_rows)
    cdef void _finish(self, Py_ssize_t out, int kind) noexcept
    cdef void _put(self, Py_ssize_t at, int value) noexcept
    cdef void _put_long(self, Py_ssize_t at, long long value) noexcept


@cython.final
cdef class Runner:
    cdef public long long clock_ns
    cdef public long long next_seq
    cdef public long long reach_a
    cdef public long long reach_b
    cdef public int stopped
    cdef BookKernel _kernel
    cdef list _held  # The one book.
    cdef object _columns
    cdef object _sightings
    cdef int _symbol
    cdef int _united
    cdef int _refresh_code
    cdef int[::1] _place_segment
    cdef long long[::1] _place_offset
    cdef unsigned char[::1] _ids
    cdef long long[::1] _seq
    cdef long long[::1] _own_seq
    cdef int[::1] _session
    cdef long long[::1] _receive_ns
    cdef signed char[::1] _linked
    cdef signed char[::1] _plain
    cdef signed char[::1] _proof
    cdef short[::1] _flags
    cdef int[::1] _msg_type
    cdef int[::1] _segment
    cdef long long[::1] _segment_offset
    cdef signed char[::1] _of_price
    cdef signed char[::1] _of_size
    cdef int[::1] _session_code
    cdef int[::1] _segment_code
    cdef Py_ssize_t _changes_room
    cdef Py_ssize_t _trades_room
    cdef Py_ssize_t _quotes_room
    cdef Py_ssize_t _messages_room
    cdef Py_ssize_t _text_room
    cdef Py_ssize_t _sighting_rows
    cdef long long[::1] _s_receive_ns
    cdef int[::1] _s_session
    cdef long long[::1] _s_seq
    cdef int[::1] _s_symbol
    cdef int[::1] _s_type
    cdef list _s_taken
    cdef long long[::1] _s_a_receive_ns
    cdef int[::1] _s_a_session
    cdef long long[::1] _s_a_seq
    cdef long long[::1] _s_b_receive_ns
    cdef int[::1] _s_b_session
    cdef long long[::1] _s_b_seq

    cdef int _one(self, int a, int b) except -1
    cdef int _sight(self, long long at_ns, int a, int b, int which) except -1
