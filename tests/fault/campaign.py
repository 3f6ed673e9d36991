"""How large campaigns are, from which seed, and where their summary lines go."""

import os
from pathlib import Path
from random import Random

SEED = int(os.environ.get("FIXTAPE_FAULTS_SEED", "1"))
LONG = bool(os.environ.get("FIXTAPE_FAULTS_LONG"))
RESULTS = Path(__file__).parents[2] / "build" / "fault-results.txt"


def scaled(short, long):
    """How many of something: of every change, or of a release."""
    return long if LONG else short


def chance(campaign):
    """What a campaign draws from: the same for the same seed, whichever campaigns ran before it."""
    return Random(f"fixtape faults {campaign} {SEED}")  # noqa: S311 - faults, not a secret


def report(line):
    """Print a campaign's summary, and keep it for docs/faults.md."""
    line = f"{line}, seed {SEED}"
    print(f"\n{line}", flush=True)
    RESULTS.parent.mkdir(exist_ok=True)
    with RESULTS.open("a") as file:
        file.write(f"{line}\n")
