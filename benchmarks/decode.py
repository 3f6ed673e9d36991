"""Question 1: what decoding costs, on the same bytes of real recordings.

Ours frames, verifies BodyLength(9) and CheckSum(10) and makes entries with exact integers; the table says what the
others do. Run it alone as `python benchmarks/decode.py`.
"""

from collections.abc import Sequence

import material
from rounds import Entry, Result, alternate, environment, ratio, spread, table


def measure(rounds: int, seconds: float, *, sets: Sequence[str] = material.SETS, limit: int | None = None) -> None:
    """Print a table for each recording. limit: refreshes of it that are used."""
    peers = environment("FIXTAPE_PEERS_PYTHON")
    with material.folders(sets, limit) as folders:
        for recorded, folder in folders:
            entries = [Entry("ours.py", folder, seconds, arguments=("decode",))]
            entries += [Entry(script, folder, seconds) for script in ("opponent_simplefix.py", "opponent_split.py")]
            if peers is not None:
                entries.append(Entry("opponent_quickfix.py", folder, seconds, peers))
            _print(recorded, alternate(entries, rounds))


def _print(recorded: material.Set, results: list[Result]) -> None:
    ours = results[0]
    size = sum(map(len, recorded.refreshes)) / len(recorded.refreshes)
    print(f"Decode, `{recorded.name}`, refreshes of {size:.0f} bytes, messages a second of one core:\n")
    table(
        ("contender", "messages/s", "ours to it", "what it does"),
        [(it.name, spread(it.speeds), "" if it is ours else ratio(ours.speeds, it.speeds), it.note) for it in results],
    )


if __name__ == "__main__":
    measure(5, 1.0)
