# C types of replay.py: layouts and signatures, for the compiler alone.

cimport cython

from capture.book.levels cimport BookSide


@cython.final
cdef class ReplayedBook:
    cdef public BookSide bids
    cdef public BookSide offers
    cdef public BookSide unseen_bids
    cdef public BookSide unseen_offers
    cdef public bint tracks_unseen
    cdef public bint stands
    cdef public bint is_key_frame
    cdef public int code
    cdef public int price_scale
    cdef public int size_scale
    cdef public int row_price_scale
    cdef public int row_size_scale
    cdef public long long snapshot_seq
    cdef public long long begin_ns
    cdef public long long last_ns
    cdef public long long last_seq
    cdef public int last_proof
    cdef public int last_flags
    cdef public long long rows
    cdef public long long rows_suspect
    cdef public long long rows_unproven

    cdef void _begin(self, long long seq, long long at_ns) noexcept
    cdef int _track(self, int side, int action, long long price, long long size) except -1


@cython.final
cdef class Replayer:
    cdef public int count
    cdef readonly int depth
    cdef readonly int room
    cdef readonly object out
    cdef int _next
    cdef int _time_count
    cdef bint _by_event
    cdef bint _pending
    cdef const long long[::1] _times

    cdef const long long[::1] _receive_ns
    cdef const long long[::1] _seq
    cdef const int[::1] _entry_index
    cdef const int[::1] _side
    cdef const int[::1] _action
    cdef const long long[::1] _price
    cdef const long long[::1] _size
    cdef const signed char[::1] _proof
    cdef const short[::1] _flags
    cdef const int[::1] _sides
    cdef const int[::1] _actions

    cdef long long[::1] _out_at_ns
    cdef long long[::1] _out_receive_ns
    cdef long long[::1] _out_seq
    cdef int[::1] _out_session
    cdef signed char[::1] _out_proof
    cdef short[::1] _out_flags
    cdef signed char[::1] _out_price_scale
    cdef signed char[::1] _out_size_scale
    cdef long long[::1] _out_levels

    cdef int _apply(self, ReplayedBook book, Py_ssize_t index) except -1
    cdef void _emit(self, ReplayedBook book, long long at_ns) noexcept
    cdef void _emit_side(self, BookSide side, Py_ssize_t base, int sign) noexcept
