# C types of levels.py: layouts and signatures, for the compiler alone.

cimport cython


@cython.final
cdef class BookSide:
    # In this order, so that all but the levels stand in one cache line: a view is 200 bytes long.
    cdef readonly Py_ssize_t count
    cdef long long _sign
    cdef Py_ssize_t _capacity
    cdef unsigned int _crc  # Of the best ten, and of how many bytes.
    cdef int _text_bytes
    cdef bint _changed  # The best ten are others than those of `_crc`.
    cdef long long[::1] _levels
    cdef long long[::1] _sums

    cdef bint _set(self, long long price, long long size) except -1
    cdef bint _remove(self, long long price) except -1
    cdef Py_ssize_t _find(self, long long key) except? -1
    cdef int _insert(self, Py_ssize_t index, long long key, long long size) except -1
    cdef void _drop(self, Py_ssize_t excess) noexcept
    cdef long long _total(self) noexcept
    cdef void _sum(self) noexcept


cdef long long _level_sum(long long price, long long size) noexcept
cdef unsigned int _crc32(unsigned char* text, int at) noexcept
cdef unsigned int _shift(unsigned int crc, int count) noexcept


cdef class BookCore:
    cdef public BookSide bids
    cdef public BookSide offers
    cdef public long long depth
    cdef public int live
    cdef public bint proven
    cdef public long long good_ns
    cdef public long long tick
    cdef public long long lot
    cdef public int price_scale
    cdef public int size_scale
    cdef public int symbol_code
    cdef public long long rows
    cdef public long long last_ns
    cdef public long long last_ms
    cdef public long long last_seq
    cdef public int proof

    # The top of book as last told, and the checksum.
    cdef long long _bid_price
    cdef long long _bid_size
    cdef long long _offer_price
    cdef long long _offer_size
    cdef unsigned int _crc

    @cython.final
    cdef unsigned int _checksum(self) except? 0
    @cython.final
    cdef bint _moved(self) except -1
