"""A disk that fails at chosen calls, between the journal's writer and the file system; and what a power cut leaves.

A sync that fails loses the pages that it was to write: the file holds zeros in their place from then on, and the next
sync of the same descriptor says success. So has the kernel been measured to do it.
"""

import errno
import os
from pathlib import Path


class FailingDisk:
    """Stands for the module `os` in `storage.journal.appending`.

    faults: by the number of a call, from zero, over all calls that can fail: an errno, or a negative number for a write
    that takes so many bytes and then fails with EIO.
    """

    def __init__(self, faults=None):
        self.faults = faults or {}
        self.calls = 0
        self.durable = {}  # By inode: how many bytes survive.
        self.synced_after_failure = []
        self._failed = set()

    def __getattr__(self, name):
        return getattr(os, name)

    def _fault(self, fd=None, data=b""):
        number, self.calls = self.calls, self.calls + 1
        fault = self.faults.get(number)
        if fault is None:
            return
        if fault < 0:
            if fd is not None and data:
                os.write(fd, bytes(data[:-fault]))
            fault = errno.EIO
        raise OSError(fault, os.strerror(fault))

    def write(self, fd, data):
        self._fault(fd, data)
        return os.write(fd, data)

    def ftruncate(self, fd, size):
        self._fault()
        os.ftruncate(fd, size)

    def fdatasync(self, fd):
        status = os.fstat(fd)
        if fd in self._failed:
            self.synced_after_failure.append(fd)
        try:
            self._fault()
        except OSError:
            self._failed.add(fd)
            self._lose(fd, status)
            raise
        self.durable[status.st_ino] = status.st_size

    def fsync(self, fd):
        self._fault()

    def close(self, fd):
        self._failed.discard(fd)
        os.close(fd)

    def _lose(self, fd, status):
        kept = self.durable.get(status.st_ino, 0)
        with Path(f"/proc/self/fd/{fd}").open("r+b") as file:
            file.seek(kept)
            file.write(bytes(status.st_size - kept))

    def cut_power(self, root):
        """Take from each file under a root what was not durable."""
        for path in root.rglob("*.pcapng*"):
            os.truncate(path, self.durable.get(path.stat().st_ino, 0))
