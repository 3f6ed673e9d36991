from capture.wire.sums cimport Sum
