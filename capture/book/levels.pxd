# C types of levels.py: layouts and signatures, for the compiler alone.

cimport cython


@cython.final
cdef class BookSide:
    cdef readonly Py_ssize_t count
    cdef long long _sign
    cdef Py_ssize_t _capacity
    cdef long long[::1] _keys
    cdef long long[::1] _sizes
    cdef unsigned char[::1] _text  # Of the best ten, as the checksum reads them.
    cdef int _text_begin  # It ends with the buffer.
    cdef bint _changed  # The best ten are not as `_text` says.

    cdef bint _set(self, long long price, long long size)
    cdef bint _remove(self, long long price)
    cdef Py_ssize_t _find(self, long long key)
    cdef int _insert(self, Py_ssize_t index, long long key, long long size)
    cdef void _drop(self, Py_ssize_t excess) noexcept
    cdef long long _total(self)
    cdef void _write_text(self) noexcept


cdef unsigned int _crc32(unsigned int crc, unsigned char[::1] data, int at, int size)


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

    # The top of book as last told, and the checksum's state after the offers.
    cdef long long _bid_price
    cdef long long _bid_size
    cdef long long _offer_price
    cdef long long _offer_size
    cdef unsigned int _offers_crc
    cdef unsigned int _crc

    @cython.final
    cdef unsigned int _checksum(self)
    @cython.final
    cdef bint _moved(self)
