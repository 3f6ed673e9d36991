"""What is left after a fault, held against every invariant, and added up over a campaign."""

import shutil
from dataclasses import dataclass

import checker
from recovery import rebuilt, recover


@dataclass
class Aftermath:
    """Sums over the tapes of a campaign."""

    tapes: int = 0
    messages: int = 0
    rows: int = 0
    lost: int = 0
    twice: int = 0
    acknowledged: int = 0
    missing: int = 0
    files: int = 0

    def acknowledge(self, paths, told):
        """I1: what a run called durable is there, in the segments that it left; call it before anything else."""
        size, torn = checker.whole_bytes(sorted(paths))
        self.acknowledged += told["durable"]
        self.missing += max(0, told["durable"] - size)
        return torn

    def take(self, root, truth, scratch, *, compacted=False):
        """I2 to I6 and I8: recover twice, and hold the tape against what the venue sent and against a rebuild.

        compacted: its rows are those of a rebuild, in other files.
        """
        recover(root)
        first = checker.digest(root)
        recover(root)
        assert checker.digest(root) == first, "recovery a second time changed something"
        checker.check_nothing_left(root)
        journal = checker.read(root)
        journal.check(truth)
        wanted = journal.expected()
        self.tapes += 1
        self.messages += sum(len(it.messages) for it in wanted.values())
        self.files += checker.check_lake(root / "lake")
        rows = checker.market_rows(root / "lake", wanted)
        self.rows += rows.rows
        self.lost += rows.lost
        self.twice += rows.twice + rows.unexpected
        again = rebuilt(root, scratch / "again")
        if checker.file_names(root / "lake") != checker.file_names(again):
            differing = checker.differences(root / "lake", again)
            assert compacted, f"live and rebuilt differ in bytes, and in rows: {differing}"
            assert not differing, f"live and rebuilt differ: {differing}"
        shutil.rmtree(again)
        return journal

    def text(self):
        """The sums for a summary line."""
        return (
            f"acknowledged {self.acknowledged:,} bytes, missing {self.missing}; "
            f"rows {self.rows:,}, lost {self.lost}, duplicate {self.twice}"
        )

    def holds(self):
        """Whether nothing that counts is missing or there twice."""
        return (self.missing, self.lost, self.twice) == (0, 0, 0)
