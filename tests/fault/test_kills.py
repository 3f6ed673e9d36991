"""A1, A2: a recorder killed at 20,000 messages a second, at random and at chosen calls, started again each time.

Every cycle takes the same root on. After each kill the journal holds at least what was called durable; after some
tens of kills the tape is recovered, twice, and its journal, rows and files are held against what the venue sent.
"""

import shutil
import signal
import time
from dataclasses import dataclass, field

import checker
import pytest
import shim
from aftermath import Aftermath
from campaign import chance, report, scaled

pytestmark = [pytest.mark.faults, pytest.mark.timeout(7200)]

KILLS = scaled(60, 600)
KILLS_A_ROUND = 30
RUN_S = 1.2  # At most, of a run that is killed at random.
AIMED_S = 2.5  # A call that was not reached until then is not: that run is killed as it stands.
FIRST_S_LIMIT = 5.0
END_S = 10.0


@dataclass
class Tally:
    """What a campaign came to."""

    kills: int = 0
    random: int = 0
    aimed: int = 0
    inside: int = 0
    torn: int = 0
    committed: int = 0
    committed_lost: int = 0
    first_s: list = field(default_factory=list)
    after: Aftermath = field(default_factory=Aftermath)


def _rules(draw, root):
    """How the next run is killed: rules, or none for a kill at a random instant; and whether it is within a write."""
    kind = draw.random()
    if kind < 0.5:
        return "", False
    if kind < 0.75:
        return shim.rule("KILL", on="write", path=f"{root}/journal", at=draw.randrange(1, 900), size=_cut(draw)), True
    if kind < 0.85:
        return shim.rule("KILL", on="write", path=f"{root}/lake", at=draw.randrange(1, 120), size=_cut(draw)), True
    after = draw.random() < 0.5
    if kind < 0.9:
        return shim.rule(
            "KILL", on="fsync|fdatasync|open|mkdir", path=str(root), at=draw.randrange(1, 40), after=after
        ), False
    calls = "open|fsync|rename|link|unlink|mkdir"
    return shim.rule("KILL", on=calls, path=f"{root}/lake", at=draw.randrange(1, 120), after=after), False


def _cut(draw):
    """How many bytes of a write still happen."""
    return draw.choice([-1, draw.randrange(1, 200), draw.randrange(1, 5000)])


def _cycle(rig, root, draw, tally):
    """Start a recorder, kill it, and see that what it called durable is there."""
    before = checker.paths_under(root)
    rules, inside = _rules(draw, root)
    run = rig.start(root, rules=rules)
    deadline = time.monotonic() + (AIMED_S if rules else draw.uniform(0.02, RUN_S))
    while time.monotonic() < deadline and not run.ended():
        time.sleep(0.002)
    run.kill()
    assert run.wait(END_S) == -signal.SIGKILL, run.text()
    told = run.told()
    torn = tally.after.acknowledge(checker.paths_under(root) - before, told)
    tally.kills += 1
    hit = bool(run.counts.made())
    tally.aimed += hit
    tally.random += not hit
    tally.inside += hit and inside
    tally.torn += len(torn)
    tally.committed += told["committed"]
    if told["first_ns"]:
        tally.first_s.append((told["first_ns"] - run.began_ns) / 1e9)
    assert told["mismatches"] == 0


def _check(rig, root, folder, tally):
    """See that what was committed is there, and hold everything against what the venue sent."""
    tally.committed_lost += max(0, tally.committed - checker.lake_rows(root / "lake"))
    tally.committed = 0
    tally.after.take(root, rig.truth, folder)


def test_kills_lose_nothing_and_double_nothing(busy_rig, tmp_path):
    """No byte that was called durable is missing, no row is missing or there twice, and it records again at once."""
    draw, tally = chance("kills"), Tally()
    while tally.kills < KILLS:
        folder = tmp_path / f"round-{tally.kills}"
        root = folder / "tape"
        for _ in range(min(KILLS_A_ROUND, KILLS - tally.kills)):
            _cycle(busy_rig, root, draw, tally)
        _check(busy_rig, root, folder, tally)
        busy_rig.truth.clear(busy_rig.truth.paths())
        shutil.rmtree(folder)

    report(
        f"kills {tally.kills} ({tally.random} random, {tally.aimed} aimed, {tally.inside} inside a write): "
        f"torn {tally.torn}; {tally.after.text()}; recovery twice unchanged; "
        f"first record within {max(tally.first_s):.1f} s"
    )
    assert tally.after.holds()
    assert tally.committed_lost == 0
    assert tally.inside >= tally.kills / 5, "too few kills inside a write: the campaign is blind"
    assert max(tally.first_s) < FIRST_S_LIMIT
