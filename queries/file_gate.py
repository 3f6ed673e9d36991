"""Files looked at once before DuckDB reads them: one that cannot be read is named, or left out and told.

Layer: queries, below the engine.
Source: faults E4 and E5. DuckDB has no way to leave out a file, and one bad file fails the whole list.
Left to others: what is looked at (`storage.inspection`).
"""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import Final

from queries.errors import FilesDamaged
from storage.inspection import trouble
from storage.lake import FileInfo

LOOKS: Final = 8  # Files looked at a time: a store far away is waited for, not computed with.


class FileGate:
    """Lets files pass that can be read. leaves_out: others are left out, and `left_out` tells of them.

    A file that passed is not looked at again: its name is its content's, so it is not written a second time.
    """

    def __init__(self, *, leaves_out: bool) -> None:
        self._leaves_out = leaves_out
        self._passed: set[str] = set()
        self._left_out: dict[str, str] = {}
        self._lock = Lock()

    @property
    def left_out(self) -> dict[str, str]:
        """What was left out of an answer so far: place, and what is wrong with it."""
        with self._lock:
            return dict(self._left_out)

    def passed(self, files: Iterable[FileInfo]) -> list[FileInfo]:
        """Return the files that can be read. Errors: FilesDamaged, where others are not left out; StoreError."""
        good = list(files)
        troubles = {}
        unknown = [file for file in good if file.place not in self._passed]
        if unknown:
            with ThreadPoolExecutor(LOOKS) as pool:
                reasons = pool.map(_trouble, unknown)
                troubles = {file.place: why for file, why in zip(unknown, reasons, strict=True) if why is not None}
            good = [file for file in good if file.place not in troubles]
        with self._lock:
            self._passed.update(file.place for file in good)
            if self._leaves_out:
                self._left_out.update(troubles)
        if troubles and not self._leaves_out:
            raise FilesDamaged(troubles)
        return good


def _trouble(file: FileInfo) -> str | None:
    return trouble(file.store, file.name, size=file.size, rows=file.rows)
