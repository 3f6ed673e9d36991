"""What a child does that does not record: the commands that make, tidy and check a tape, without their command line."""

import time
from pathlib import Path

from storage.journal.compress import compress_segment
from storage.journal.segments import plain_paths
from storage.lake import Lake
from storage.rebuild import rebuild as rebuild_lake
from storage.trim import trim as trim_tape

SOFTWARE = "fixtape faults"


def rebuild(root, lake):
    """Make or complete a lake from the journal under a root."""
    rebuild_lake(Path(root) / "journal", Path(lake), software=SOFTWARE)


def compress(root):
    """Compress the sealed segments of a tape."""
    for path in plain_paths(Path(root)):
        compress_segment(path)


def trim(root):
    """Remove the segments whose rows are proven to be in the lake."""
    now_ns = time.time_ns()
    for _ in trim_tape(Path(root), Lake.open(Path(root) / "lake"), before_ns=now_ns, now_ns=now_ns):
        pass
