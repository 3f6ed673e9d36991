"""What a child does that does not record: the commands that make, tidy and check a tape, without their command line."""

from pathlib import Path

from storage.rebuild import rebuild as rebuild_lake

SOFTWARE = "fixtape faults"


def rebuild(root, lake):
    """Make or complete a lake from the journal under a root."""
    rebuild_lake(Path(root) / "journal", Path(lake), software=SOFTWARE)
