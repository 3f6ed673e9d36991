"""The formats there are, by name.

Layer: queries, export. A format is loaded when it is asked for.
"""

import importlib
from collections.abc import Callable, Mapping
from typing import Final, Protocol

from queries.errors import Misused
from queries.export.outputs import Outputs
from queries.export.source import SymbolDay

# Name: module and class.
FORMATS: Final[Mapping[str, tuple[str, str]]] = {
    "tardis-incremental": ("tardis", "Incremental"),
    "tardis-snapshot": ("tardis", "Snapshots"),
    "tardis-trades": ("tardis", "Trades"),
    "tardis-quotes": ("tardis", "Quotes"),
    "hftbacktest": ("hftbacktest", "HftBacktest"),
    "nautilus": ("nautilus", "Nautilus"),
    "dbn": ("dbn", "Dbn"),
    "lobster": ("lobster", "Lobster"),
    "parquet": ("plain", "ParquetTables"),
    "csv": ("plain", "CsvTables"),
}
PEER_FORMAT: Final = "nautilus"  # Written by its own library, in its own environment.
DEPTH_LIMIT: Final = 1000


class ExportFormat(Protocol):
    """Writes one symbol and day.

    suffix: what the names of its files end in. depth: levels a side unless asked otherwise, None where it has no depth.
    """

    name: str
    suffix: str
    depth: int | None

    def write(self, day: SymbolDay, outputs: Outputs) -> int:
        """Write all files of a day, in bounded memory; return how many rows.

        Errors: DoesNotFit where the format cannot hold what was recorded; PeerFailed; FilesDamaged; BeyondInt64;
            OSError.
        """


def export_format(name: str, *, python: str | None = None) -> ExportFormat:
    """Return a format by its name. python: of the environment that the format's library is in. Errors: Misused."""
    if name not in FORMATS:
        raise Misused(f"export: format is {name}; use one of {', '.join(FORMATS)}")
    module, attribute = FORMATS[name]
    make: Callable[..., ExportFormat] = getattr(importlib.import_module(f"queries.export.{module}"), attribute)
    if name == PEER_FORMAT:
        return make(python)
    if python is not None:
        raise Misused(f"export: {name} needs no Python of another environment; leave it out")
    return make()


def depth_of(form: ExportFormat, asked: int | None) -> int:
    """Return how many levels a side a format is to have. Errors: Misused."""
    if asked is None:
        return form.depth or 0
    if form.depth is None:
        raise Misused(f"export: {form.name} has no depth, all levels are in it; leave it out")
    if not 1 <= asked <= DEPTH_LIMIT:
        raise Misused(f"export: depth is {asked}; use 1 to {DEPTH_LIMIT}")
    return asked
