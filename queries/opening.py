"""A lake opened for questions: its files as they were listed, and the database over them.

Layer: queries, over the engine; below the tape, and below the parts of a question that another process answers.
Left to others: what is asked (`queries.tape`, `queries.parts`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path

from queries.engine import NO_LIMITS, Engine, Limits
from queries.errors import NotALake
from queries.export.runner import Exporter
from queries.file_gate import FileGate
from queries.times import Time, as_ns
from storage.errors import LakeMissing
from storage.lake import FileInfo, Lake
from storage.places import is_address, open_lake
from storage.schemas import SIGHTINGS, TABLE_LAST, TABLES
from storage.time_travel import versions_at, versions_at_time


@dataclass(frozen=True, slots=True)
class Opening:
    """How another process opens a lake with the same files listed: where, at which version, and how strictly."""

    path: Path | str
    as_of: int | None
    leave_out_damaged: bool

    def lake(self) -> "OpenLake":
        """Return the lake, open as long as this process lives or until another is asked for."""
        return _opened(self)


class OpenLake:
    """A lake as it stood when it was opened or last refreshed. Arguments and errors are those of `Tape`.

    engine: over its files as listed.
    """

    def __init__(
        self,
        path: Path | str,
        *,
        as_of: Time | None = None,
        leave_out_damaged: bool = False,
        locked: bool = True,
        limits: Limits = NO_LIMITS,
    ) -> None:
        self.path = path if is_address(path) else Path(path)
        self.locked = locked
        self._limits, self._leave_out_damaged = limits, leave_out_damaged
        self._gate = FileGate(leaves_out=leave_out_damaged)
        try:
            self.lake = open_lake(self.path)
        except LakeMissing as error:
            raise NotALake(self.path) from error
        self._versions = {} if as_of is None else _versions_as_of(self.lake, as_of)
        self.engine = self._over(self._list())

    def _list(self) -> dict[str, list[FileInfo]]:
        # `events` marks a batch, so its files are listed first: whatever they tell of is then in the other lists too.
        return {table: self.lake.files(table, self._versions.get(table)) for table in (*reversed(TABLES), SIGHTINGS)}

    def _over(self, files: dict[str, list[FileInfo]]) -> Engine:
        return Engine(files, self._gate, locked=self.locked, limits=self._limits)

    def refresh(self) -> None:
        """List anew; where nothing has come the engine stays, and as of another time nothing comes."""
        files = self._list()
        if files != self.engine.listed:
            self.engine = self._over(files)

    @property
    def opening(self) -> Opening:
        """How another process opens it."""
        return Opening(self.path, self.lake.versions().get(TABLE_LAST), self._leave_out_damaged)

    @property
    def left_out(self) -> dict[str, str]:
        """Files whose rows an answer was given without, and what is wrong with each."""
        return self._gate.left_out

    def exporter(self) -> Exporter:
        """Return what exports it, as listed."""
        return Exporter(self.engine, self.lake.versions(), self.path, f"fixtape {version('fixtape')}")


@lru_cache(maxsize=1)
def _opened(opening: Opening) -> OpenLake:
    return OpenLake(opening.path, as_of=opening.as_of, leave_out_damaged=opening.leave_out_damaged)


def _versions_as_of(lake: Lake, as_of: Time) -> Mapping[str, int]:
    return versions_at(lake, as_of) if isinstance(as_of, int) else versions_at_time(lake, as_ns(as_of))
