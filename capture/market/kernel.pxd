# C types of kernel.py: layouts and signatures, for the compiler alone.

cimport cython


@cython.final
cdef class MarketDecoder:
    cdef public int stopped
    cdef public long long next_seq
    cdef public long long earliest_ms
    cdef public long long latest_ms
    cdef public object staged
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
    cdef signed char[::1] _price_decimals
    cdef signed char[::1] _size_decimals
    cdef signed char[::1] _price_digits
    cdef signed char[::1] _size_digits
    cdef long long[::1] _powers
    cdef unsigned char[::1] _buffer  # That is being decoded; `_nothing` else.
    cdef unsigned char[::1] _nothing
    cdef unsigned char[::1] _template
    cdef unsigned char[::1] _sender
    cdef unsigned char[::1] _target
    cdef unsigned char[::1] _date
    cdef long long _midnight_ms

    # Subscriptions: a table by hash in which each is one cache line, and where in it each index stands.
    cdef int[::1] _slots
    cdef unsigned int _mask
    cdef int _count
    cdef int _capacity
    cdef list _registered

    cdef unsigned char[::1] _known

    # What the fields of one frame came to.
    cdef long long _parsed
    cdef int _decimals

    cdef int _decode(self, Py_ssize_t at, Py_ssize_t end) except? -1
    cdef int _fields(self, Py_ssize_t at, Py_ssize_t end, bint incremental, int count, int first, long long seq) except? -1
    cdef bint _finish(self, Py_ssize_t known, int first, int end, long long sending_ms) except -1
    cdef bint _integer(self, Py_ssize_t at, Py_ssize_t size) except -1
    cdef int _decimal(self, Py_ssize_t at, Py_ssize_t size) except? -1
    cdef bint _time_of_day(self, Py_ssize_t at, Py_ssize_t size) except -1
    cdef int _two_digits(self, Py_ssize_t at) noexcept
    cdef bint _sending(self, Py_ssize_t at, Py_ssize_t size) except -1
    cdef Py_ssize_t _find(self, Py_ssize_t id_at, Py_ssize_t id_size, Py_ssize_t symbol_at, Py_ssize_t symbol_size) except? -1
    cdef bint _same(self, Py_ssize_t at, Py_ssize_t size, unsigned char[::1] expected) except -1
    cdef unsigned int _hash(self, Py_ssize_t at, Py_ssize_t size) noexcept
