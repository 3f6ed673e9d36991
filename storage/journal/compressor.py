"""Sealed segments compressed beside the recorder, in a thread that yields to everything else.

Layer: journal, above `compress`. Source: design section 4.
Left to others: how one is compressed (`compress`), writing its notes down (the recorder).

It holds one segment and one piece of it at a time. Whatever fails is said once and tried again later: nothing depends
on it, and the recorder goes on.
"""

import os
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

from storage.errors import JournalError
from storage.journal.compress import compress_segment
from storage.journal.segments import plain_paths, segment_name

LOOK_S: Final = 10.0  # How often it is looked for sealed segments.
RETRY_S: Final = 600.0  # After a failure: a full disk does not empty at once.
NICENESS: Final = 19  # The lowest priority there is.
NOTE_KIND: Final = "compress"


class Compressor:
    """Compresses what was sealed under a journal until `finish`; a thread of its own.

    hold: whether to wait, because what room there is is needed for something else.
    current: the name of the segment that is being written; it and later ones are left alone, sealed or not.
    notes: kind and text of what failed, for the recorder to note.
    """

    def __init__(
        self,
        journal: Path,
        level: int,
        current: Callable[[], str],
        *,
        look_s: float = LOOK_S,
        hold: Callable[[], bool] = bool,
    ) -> None:
        self.notes: deque[tuple[str, str]] = deque()
        self.compressed = 0
        self._journal, self._level, self._current, self._look_s = journal, level, current, look_s
        self._hold = hold
        self._unsealed: set[str] = set()  # Of dead runs: they stay as they are until they are sealed by someone.
        self._failed = ""
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="journal-compress", daemon=True)
        self._thread.start()

    def finish(self) -> None:
        """Stop; a segment that is half done is left plain, for the next run."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        with suppress(OSError):  # On Linux a thread has a niceness of its own, and hands it to its own threads.
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
        wait_s = self._look_s
        while not self._stop.wait(wait_s):
            try:
                self._look()
                wait_s, self._failed = self._look_s, ""
            except (JournalError, OSError, MemoryError) as error:
                wait_s = max(RETRY_S, self._look_s)
                if str(error) != self._failed:
                    self._failed = str(error)
                    self.notes.append((NOTE_KIND, self._failed))

    def _look(self) -> None:
        current = self._current()
        for path in plain_paths(self._journal):
            name = segment_name(path)
            if self._stop.is_set() or self._hold() or name >= current:
                return
            if name in self._unsealed:
                continue
            if compress_segment(path, level=self._level, stopped=self._stop.is_set) is not None:
                self.compressed += 1
            elif not self._stop.is_set():
                self._unsealed.add(name)
