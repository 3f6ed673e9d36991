"""A lake on disk from rows by hand."""

from pathlib import Path

from capture.columns import Columns
from storage.lake import Lake


def make_lake(root: Path, *batches: Columns) -> Path:
    """Write batches into the lake of a tape, one commit each, and return the tape's root."""
    lake = Lake.create_or_open(root / "lake")
    first = (lake.last_version("test") or 0) + 1
    for version, columns in enumerate(batches, first):
        lake.write_batch(columns, label=f"b{version:04}", version=version, app_id="test", at_ns=0, metadata={})
    return root
