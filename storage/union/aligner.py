"""Two lines of one symbol as one: the same message found by its content, all others put where they belong.

Layer: storage, pure: no file, no clock.
Source: patience diff: what is unique on both sides is paired first, and the longest chain of pairs that keeps the order
    of both holds; between two of them the search is small.
Left to others: what a message is (`storage.union.line`), what the one line makes of a book (`storage.union.walk`).

No pair ever crosses another, so the one line has the order of both. What only one saw goes by the venue's time. A
snapshot is never paired, for each recorder has its own; it stands right before the refresh that follows it at its
recorder, as far on as it can: what the other saw before that refresh is in the snapshot already.
"""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Final, NamedTuple

from storage.union.line import Content, Seen

APART_MS_LIMIT: Final = 10_000  # Further apart by SendingTime(52), equal messages are two.
GAP_CELLS_LIMIT: Final = 1_000_000  # Of the table by which what lies between two pairs is searched.

_LAST: Final = 2**63


class Sighting(NamedTuple):
    """One message of the venue, and who saw it: the first recorder, the second, or both."""

    a: Seen | None
    b: Seen | None


class Pair(NamedTuple):
    """Places in both lines."""

    a: int
    b: int


def unite(a: Sequence[Seen], b: Sequence[Seen]) -> list[Sighting]:
    """Return both lines as one in which each keeps its order."""
    united: list[Sighting] = []
    pairs = [Pair(-1, -1), *pairs_of(a, b), Pair(len(a), len(b))]
    for before, after in pairwise(pairs):
        united += _between(a, b, before, after)
        if after.a < len(a):
            united.append(Sighting(a[after.a], b[after.b]))
    return united


def pairs_of(a: Sequence[Seen], b: Sequence[Seen]) -> list[Pair]:
    """Return which messages are the same, in order; none crosses another."""
    found: list[Pair] = []
    anchors = [Pair(-1, -1), *_chain(_unique_pairs(a, b)), Pair(len(a), len(b))]
    for before, after in pairwise(anchors):
        found += _search(a, b, before, after)
        if after.a < len(a):
            found.append(after)
    return found


def _unique_pairs(a: Sequence[Seen], b: Sequence[Seen]) -> list[Pair]:
    """Return the pairs of equal messages of which, near in time, there is just one on each side; by the first line."""
    places: dict[Content, tuple[list[int], list[int]]] = defaultdict(lambda: ([], []))
    for line, which in ((a, 0), (b, 1)):
        for index, seen in enumerate(line):
            if not seen.is_snapshot:
                places[seen.content][which].append(index)
    pairs = []
    for of_a, of_b in places.values():
        if not of_a or not of_b:
            continue
        of_b.sort(key=lambda index: b[index].sending_ms)  # As they are, but where a message was sent again.
        times_a, times_b = sorted(a[it].sending_ms for it in of_a), [b[it].sending_ms for it in of_b]
        for index in of_a:
            near = _near(times_b, a[index].sending_ms)
            if len(near) == 1:
                partner = of_b[near[0]]
                if _same(a[index], b[partner]) and len(_near(times_a, b[partner].sending_ms)) == 1:
                    pairs.append(Pair(index, partner))
    return sorted(pairs)


def _near(times: Sequence[int], at_ms: int) -> range:
    return range(bisect_left(times, at_ms - APART_MS_LIMIT), bisect_right(times, at_ms + APART_MS_LIMIT))


def _same(one: Seen, other: Seen) -> bool:
    return (
        one.content == other.content
        and not one.is_snapshot
        and abs(one.sending_ms - other.sending_ms) <= APART_MS_LIMIT
    )


def _chain(pairs: Sequence[Pair]) -> list[Pair]:
    """Return the longest chain of pairs that rises on both sides; pairs come by the first."""
    ends: list[int] = []  # Of the best chain of each length, where it ends in the second line.
    holders: list[int] = []
    before: list[int | None] = []
    for index, pair in enumerate(pairs):
        length = bisect_left(ends, pair.b)
        before.append(holders[length - 1] if length else None)
        if length == len(ends):
            ends.append(pair.b)
            holders.append(index)
        else:
            ends[length], holders[length] = pair.b, index
    chain: list[Pair] = []
    place = holders[-1] if holders else None
    while place is not None:
        chain.append(pairs[place])
        place = before[place]
    return chain[::-1]


def _search(a: Sequence[Seen], b: Sequence[Seen], before: Pair, after: Pair) -> list[Pair]:
    """Return the pairs between two: what follows the one, what leads to the other, and the longest chain within."""
    begin, end = Pair(before.a + 1, before.b + 1), after
    head: list[Pair] = []
    while begin.a < end.a and begin.b < end.b and _same(a[begin.a], b[begin.b]):
        head.append(begin)
        begin = Pair(begin.a + 1, begin.b + 1)
    tail: list[Pair] = []
    while begin.a < end.a and begin.b < end.b and _same(a[end.a - 1], b[end.b - 1]):
        end = Pair(end.a - 1, end.b - 1)
        tail.append(end)
    return [*head, *_longest(a, b, begin, end), *reversed(tail)]


def _longest(a: Sequence[Seen], b: Sequence[Seen], begin: Pair, end: Pair) -> Iterator[Pair]:
    """Yield the longest chain of equal messages between two places; none where it would take too long to find."""
    rows, columns = end.a - begin.a, end.b - begin.b
    if not rows or not columns or rows * columns > GAP_CELLS_LIMIT:
        return
    lengths = [[0] * (columns + 1) for _ in range(rows + 1)]
    for row in range(rows - 1, -1, -1):
        for column in range(columns - 1, -1, -1):
            same = _same(a[begin.a + row], b[begin.b + column])
            lengths[row][column] = (
                lengths[row + 1][column + 1] + 1 if same else max(lengths[row + 1][column], lengths[row][column + 1])
            )
    row = column = 0
    while row < rows and column < columns:
        if _same(a[begin.a + row], b[begin.b + column]):
            yield Pair(begin.a + row, begin.b + column)
            row, column = row + 1, column + 1
        elif lengths[row + 1][column] >= lengths[row][column + 1]:
            row += 1
        else:
            column += 1


def _between(a: Sequence[Seen], b: Sequence[Seen], before: Pair, after: Pair) -> Iterator[Sighting]:
    """Yield what lies between two pairs, each from one recorder, by the venue's time."""
    of_a, of_b = list(a[before.a + 1 : after.a]), list(b[before.b + 1 : after.b])
    keys_a = _keys(of_a, a[after.a] if after.a < len(a) else None)
    keys_b = _keys(of_b, b[after.b] if after.b < len(b) else None)
    at_a = at_b = 0
    while at_a < len(of_a) or at_b < len(of_b):
        if at_b == len(of_b) or (at_a < len(of_a) and keys_a[at_a] <= keys_b[at_b]):
            yield Sighting(of_a[at_a], None)
            at_a += 1
        else:
            yield Sighting(None, of_b[at_b])
            at_b += 1


def _keys(line: Sequence[Seen], after: Seen | None) -> list[int]:
    """Return by what each message goes: its time, or of a snapshot the time of the refresh that it leads to."""
    keys: list[int] = []
    follower, key = after, _LAST
    for seen in reversed(line):
        leads = follower is not None and follower.before == seen.ref
        keys.append(key if seen.is_snapshot and leads else seen.key_ms)
        follower, key = seen, keys[-1]
    return keys[::-1]
