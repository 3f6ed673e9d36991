"""Which runs the lake holds whole, so that not every one is told again at each start.

Layer: storage. One small file, replaced whole and synced.
Source: faults section 1, clause 3, for the steps.

It is a shortcut and never believed against the logs: of each run it states the last batch in each table, and where a
log says anything else, the run is told again. Without the file all of them are.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

from storage.access import FILE_MODE
from storage.stores import sync_directory
from storage.tape_layout import WHOLE_RUNS

SCHEMA: Final = 1

LastBatches = Mapping[str, int]  # By table; a table without a row of the run has none.


class _Content(msgspec.Struct, frozen=True):
    schema: int
    runs: dict[str, dict[str, int]]


class WholeRuns:
    """The runs of a tape that are whole in its lake, as far as is written down."""

    def __init__(self, root: Path) -> None:
        self._path = root / WHOLE_RUNS
        self._runs: dict[str, dict[str, int]] = {}
        try:
            content = msgspec.json.decode(self._path.read_bytes(), type=_Content)
        except (FileNotFoundError, msgspec.DecodeError, UnicodeDecodeError):
            return  # Then every run is told again, which costs time and nothing else.
        if content.schema == SCHEMA:
            self._runs = content.runs

    def holds(self, run: str, last_batches: LastBatches) -> bool:
        """Return whether a run is written down as whole, and the logs say the same of it."""
        return self._runs.get(run) == last_batches

    def add(self, run: str, last_batches: LastBatches) -> None:
        """Write a run down as whole, durably. Errors: OSError."""
        if self._runs.get(run) == last_batches:
            return
        self._runs[run] = dict(last_batches)
        self._write()

    def keep_only(self, runs: set[str]) -> None:
        """Forget runs of which the journal has nothing left. Errors: OSError."""
        gone = self._runs.keys() - runs
        if gone:
            self._runs = {run: batches for run, batches in self._runs.items() if run not in gone}
            self._write()

    def _write(self) -> None:
        temporary = self._path.with_name(f"{self._path.name}.tmp")
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
        with os.fdopen(os.open(temporary, flags, FILE_MODE), "wb") as file:
            file.write(msgspec.json.encode(_Content(SCHEMA, dict(sorted(self._runs.items())))) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        temporary.rename(self._path)
        sync_directory(self._path.parent)
