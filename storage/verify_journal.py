"""The journal's own verification as findings of a tape's.

Layer: storage, above the journal. Reads only.
Source: design section 4.
"""

from collections.abc import Iterator
from pathlib import Path

from storage.journal.segments import segment_paths
from storage.journal.verify import SegmentReport, summarize_segment, verify_journal
from storage.verify import Checked, Finding, Scope


def verify_segments(root: Path, scope: Scope, checked: Checked) -> Iterator[Finding]:
    """Yield what is wrong with the segments of the days in scope; quick, by what they say of themselves.

    A torn tail is no damage: a recorder may be at work, and the next one to start cuts what a killed one left.
    """
    for report in _reports(root, scope):
        if not report.path.parent.name.startswith(scope.date):
            continue
        checked.segments += 1
        for finding in report.findings:
            where = f"journal/{report.path.parent.name}/{report.path.name}, block at {finding.offset}"
            yield Finding(where, finding.what, finding.expected, finding.received, finding.remedy)


def _reports(root: Path, scope: Scope) -> Iterator[SegmentReport]:
    if scope.full:
        yield from verify_journal(root)  # All of it: a connection goes on over midnight.
        return
    for path in segment_paths(root):
        if path.parent.name.startswith(scope.date):
            yield summarize_segment(path)
