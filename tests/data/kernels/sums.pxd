cdef class Sum:
    cdef int total
    cpdef int add(self, int byte)
