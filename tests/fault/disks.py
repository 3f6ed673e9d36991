"""File systems of the tests' own: small ones, ones whose power is cut, ones that stand still. Root only.

Whatever is mounted here is unmounted at the end, thawed before that; loop devices go with their mount.
"""

import fcntl
import os
import shutil
import struct
import subprocess
from contextlib import contextmanager, suppress

import pytest

SHUTDOWN = 0x8004587D  # EXT4_IOC_SHUTDOWN and XFS_IOC_GOINGDOWN are one number.
WITHOUT_LOG = 2  # What is in memory alone is gone, the file system's own log included: as by a power cut.
COMMAND_S = 60
MAKE = {"ext4": ["mkfs.ext4", "-q", "-F"], "xfs": ["mkfs.xfs", "-q", "-f"]}


def require_root(*programs):
    """Skip with a reason where this cannot be run; fail instead where FIXTAPE_REQUIRE_ROOT is set."""
    missing = [] if os.geteuid() == 0 else ["root"]
    missing += [it for it in programs if shutil.which(it) is None]
    if not missing:
        return
    reason = f"needs {', '.join(missing)}"
    if os.environ.get("FIXTAPE_REQUIRE_ROOT"):
        pytest.fail(f"{reason}, and FIXTAPE_REQUIRE_ROOT is set")
    pytest.skip(reason)


def _run(*command):
    subprocess.run(command, check=True, timeout=COMMAND_S, capture_output=True)


class Disk:
    """A mounted file system. path: where."""

    def __init__(self, path, mount):
        self.path, self._mount = path, mount
        self._frozen = self.mounted = False
        path.mkdir()
        self.mount()

    def mount(self):
        _run(*self._mount, str(self.path))
        self.mounted = True

    def unmount(self):
        self.thaw()
        if self.mounted:
            _run("umount", str(self.path))
            self.mounted = False

    def cut(self):
        """Cut the power: from here on nothing reaches the disk, and what had not is lost."""
        fd = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.ioctl(fd, SHUTDOWN, struct.pack("<I", WITHOUT_LOG))
        finally:
            os.close(fd)

    def remount(self, options):
        _run("mount", "-o", f"remount,{options}", str(self.path))

    def freeze(self):
        self._frozen = True
        _run("fsfreeze", "--freeze", str(self.path))

    def thaw(self):
        if self._frozen:
            _run("fsfreeze", "--unfreeze", str(self.path))
            self._frozen = False

    def close(self):
        self.thaw()
        with suppress(subprocess.CalledProcessError):
            self.unmount()
        if self.mounted:
            _run("umount", "--lazy", str(self.path))


@contextmanager
def image(folder, kind, *, mib=600):
    """A file system of a kind on a loop device."""
    require_root("losetup", MAKE[kind][0])
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{kind}.img"
    with file.open("wb") as opened:
        opened.truncate(mib * 2**20)
    _run(*MAKE[kind], str(file))
    disk = Disk(folder / kind, ["mount", "-o", "loop", "-t", kind, str(file)])
    try:
        yield disk
    finally:
        disk.close()
        file.unlink()


@contextmanager
def memory(folder, *, kib, name="small"):
    """A small file system in memory, which is soon full."""
    require_root("mount")
    folder.mkdir(parents=True, exist_ok=True)
    disk = Disk(folder / name, ["mount", "-t", "tmpfs", "-o", f"size={kib}k,mode=750", "tmpfs"])
    try:
        yield disk
    finally:
        disk.close()
