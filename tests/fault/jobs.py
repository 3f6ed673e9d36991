"""What a child does that does not record: the commands that make, tidy and check a tape, without their command line."""

import time
from pathlib import Path

from storage.compaction import compact
from storage.journal.compress import compress_segment
from storage.journal.segments import plain_paths
from storage.lake import Lake
from storage.rebuild import rebuild as rebuild_lake
from storage.retention import retain
from storage.trim import trim as trim_tape
from storage.vacuum import vacuum

SOFTWARE = "fixtape faults"
DAYS_NS = 9 * 86_400 * 10**9  # Until every date has long ended.
HOURS_NS = 2 * 3600 * 10**9
KEEP_NS = 2 * 10**9  # Longer than a reader of these tests keeps to the files that it has listed.


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


def tidy(root, seconds):
    """Compact as if every hour had ended, and vacuum after two seconds, again and again; says what it came to."""
    end, lake = time.monotonic() + float(seconds), Path(root) / "lake"
    compactions = files = 0
    while time.monotonic() < end:
        now_ns = time.time_ns() + HOURS_NS
        made = list(compact(Path(root), lake, now_ns=now_ns, software=SOFTWARE))
        assert not [it for it in made if it.kept], made
        compactions += len(made)
        files += sum(it.files for it in vacuum(lake, keep_ns=KEEP_NS, now_ns=now_ns))
        time.sleep(0.2)
    print(f"compactions {compactions}, files vacuumed {files}", flush=True)


def compact_day(root):
    """Compact every date of a lake as if it had ended."""
    now_ns = time.time_ns() + DAYS_NS
    made = list(compact(Path(root), Path(root) / "lake", now_ns=now_ns, software=SOFTWARE))
    assert not [it for it in made if it.kept], made


def retain_nothing(root):
    """Take every date out of a lake as if it were old."""
    list(retain(Path(root) / "lake", days=1, now_ns=time.time_ns() + DAYS_NS, software=SOFTWARE))


def vacuum_all(root):
    """Remove what was taken out of a lake as if that were long ago."""
    list(vacuum(Path(root) / "lake", keep_ns=KEEP_NS, now_ns=time.time_ns() + 2 * DAYS_NS))
