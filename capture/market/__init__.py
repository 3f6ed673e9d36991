"""Market data as the venue sends it: instruments, requests, and the decoding of snapshots and refreshes."""
