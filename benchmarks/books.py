"""Question 2: what a book with its checksum costs: on decoded messages, and on the whole path from bytes or text.

The same updates of real recordings; order-book and cryptofeed run in an environment of their own. Run it alone as
`python benchmarks/books.py`.
"""

from collections.abc import Sequence

import material
from rounds import Entry, Result, alternate, environment, ratio, spread, table


def measure(rounds: int, seconds: float, *, sets: Sequence[str] = material.SETS, limit: int | None = None) -> None:
    """Print a table for each recording. limit: refreshes of it that are used."""
    opponents = environment("FIXTAPE_OPPONENTS_PYTHON")
    with material.folders(sets, limit) as folders:
        for recorded, folder in folders:
            entries = [Entry("ours.py", folder, seconds, arguments=(question,)) for question in ("books", "path")]
            if opponents is not None:
                scripts = ("opponent_order_book.py", "opponent_cryptofeed.py")
                entries += [Entry(script, folder, seconds, opponents) for script in scripts]
            ours, whole, *theirs = alternate(entries, rounds)
            print(f"Book and 5041, `{recorded.name}`, depth {recorded.depth}, messages a second of one core:\n")
            rows = [_row(ours, None), _row(whole, None)]
            rows += [_row(it, base) for it, base in zip(theirs, (ours, whole), strict=False)]
            table(("contender", "messages/s", "us a message", "ours to it", "what it does"), rows)


def _row(result: Result, ours: Result | None) -> tuple[str, ...]:
    """Return a row; an opponent is held against that of ours which does as much."""
    to_it = "" if ours is None else ratio(ours.speeds, result.speeds)
    return result.name, spread(result.speeds), spread(result.costs_us, ".2f"), to_it, result.note


if __name__ == "__main__":
    measure(5, 1.0)
