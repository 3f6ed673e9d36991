"""Two lines of one symbol as one: the same message found by its content, all others put where they belong.

Layer: storage, pure: no file, no clock.
Source: patience diff: what is unique on both sides is paired first, and the longest chain of pairs that keeps the order
    of both holds; between two of them the search is small.
Left to others: what a message is (`storage.union.lines`), what the one line makes of a book (`storage.union.walk`).

No pair ever crosses another, so the one line has the order of both. What only one saw goes by the venue's time. A
snapshot is never paired, for each recorder has its own; it stands right before the refresh that follows it at its
recorder, as far on as it can: what the other saw before that refresh is in the snapshot already.
"""

from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Final, NamedTuple

from storage.union.line import Line

APART_MS_LIMIT: Final = 10_000  # Further apart by SendingTime(52), equal messages are two.
GAP_CELLS_LIMIT: Final = 1_000_000  # Of the table by which what lies between two pairs is searched.
NOBODY: Final = -1  # Instead of a place in a line.

_LAST: Final = 2**63


class Pair(NamedTuple):
    """Places in both lines: of one message, NOBODY where one recorder did not see it."""

    a: int
    b: int


def unite(a: Line, b: Line) -> list[Pair]:
    """Return both lines as one in which each keeps its order."""
    united: list[Pair] = []
    pairs = pairs_of(a, b)
    pairs.append(Pair(a.count, b.count))
    before_a = before_b = -1
    for pair in pairs:
        if pair.a - before_a > 1 or pair.b - before_b > 1:
            united += _between(a, b, Pair(before_a, before_b), pair)
        united.append(pair)
        before_a, before_b = pair
    united.pop()
    return united


def pairs_of(a: Line, b: Line) -> list[Pair]:
    """Return which messages are the same, in order; none crosses another."""
    found: list[Pair] = []
    before = Pair(-1, -1)
    for after in (*_chain(_unique_pairs(a, b)), Pair(a.count, b.count)):
        if after.a - before.a > 1 and after.b - before.b > 1:
            found += _search(a, b, before, after)
        found.append(after)
        before = after
    found.pop()
    return found


def _unique_pairs(a: Line, b: Line) -> list[Pair]:
    """Return the pairs of equal messages of which, near in time, there is just one on each side; by the first line."""
    places_b = {content: index for index, content in enumerate(b.contents) if not b.is_snapshot[index]}
    places_a = {content: index for index, content in enumerate(a.contents) if not a.is_snapshot[index]}
    repeated = _repeated(a, len(places_a)) | _repeated(b, len(places_b))
    pairs = []
    for content, index in places_a.items():
        partner = places_b.get(content)
        if (
            partner is not None
            and content not in repeated
            and -APART_MS_LIMIT <= a.sending_ms[index] - b.sending_ms[partner] <= APART_MS_LIMIT
        ):
            pairs.append(Pair(index, partner))
    if repeated:
        pairs += _unique_in_time(a, b, repeated)
        pairs.sort()
    return pairs


def _repeated(line: Line, different: int) -> set[bytes]:
    """Return the contents that a line has more than once, given how many different ones it has."""
    if line.count == different:
        return set()
    said = Counter(content for content, snapshot in zip(line.contents, line.is_snapshot, strict=True) if not snapshot)
    return {content for content, count in said.items() if count > 1}


def _unique_in_time(a: Line, b: Line, contents: set[bytes]) -> Iterator[Pair]:
    """Yield the pairs of messages of some contents that are said more than once, but not within the time limit."""
    places: dict[bytes, tuple[list[int], list[int]]] = defaultdict(lambda: ([], []))
    for line, which in ((a, 0), (b, 1)):
        for index, content in enumerate(line.contents):
            if content in contents and not line.is_snapshot[index]:
                places[content][which].append(index)
    for of_a, of_b in places.values():
        if not of_a or not of_b:
            continue
        of_b.sort(key=lambda index: b.sending_ms[index])  # As they are, but where a message was sent again.
        times_a, times_b = sorted(a.sending_ms[it] for it in of_a), [b.sending_ms[it] for it in of_b]
        for index in of_a:
            near = _near(times_b, a.sending_ms[index])
            if len(near) == 1 and len(_near(times_a, times_b[near[0]])) == 1:
                yield Pair(index, of_b[near[0]])


def _near(times: Sequence[int], at_ms: int) -> range:
    return range(bisect_left(times, at_ms - APART_MS_LIMIT), bisect_right(times, at_ms + APART_MS_LIMIT))


def _same(a: Line, index: int, b: Line, partner: int) -> bool:
    return (
        a.contents[index] == b.contents[partner]
        and not a.is_snapshot[index]
        and abs(a.sending_ms[index] - b.sending_ms[partner]) <= APART_MS_LIMIT
    )


def _chain(pairs: Sequence[Pair]) -> list[Pair]:
    """Return the longest chain of pairs that rises on both sides; pairs come by the first."""
    if all(one.b < other.b for one, other in pairwise(pairs)):
        return list(pairs)  # As nearly always, for both saw one feed.
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


def _search(a: Line, b: Line, before: Pair, after: Pair) -> list[Pair]:
    """Return the pairs between two: what follows the one, what leads to the other, and the longest chain within."""
    begin, end = Pair(before.a + 1, before.b + 1), after
    head: list[Pair] = []
    while begin.a < end.a and begin.b < end.b and _same(a, begin.a, b, begin.b):
        head.append(begin)
        begin = Pair(begin.a + 1, begin.b + 1)
    tail: list[Pair] = []
    while begin.a < end.a and begin.b < end.b and _same(a, end.a - 1, b, end.b - 1):
        end = Pair(end.a - 1, end.b - 1)
        tail.append(end)
    return [*head, *_longest(a, b, begin, end), *reversed(tail)]


def _longest(a: Line, b: Line, begin: Pair, end: Pair) -> Iterator[Pair]:
    """Yield the longest chain of equal messages between two places; none where it would take too long to find."""
    rows, columns = end.a - begin.a, end.b - begin.b
    if not rows or not columns or rows * columns > GAP_CELLS_LIMIT:
        return
    lengths = [[0] * (columns + 1) for _ in range(rows + 1)]
    for row in range(rows - 1, -1, -1):
        for column in range(columns - 1, -1, -1):
            same = _same(a, begin.a + row, b, begin.b + column)
            lengths[row][column] = (
                lengths[row + 1][column + 1] + 1 if same else max(lengths[row + 1][column], lengths[row][column + 1])
            )
    row = column = 0
    while row < rows and column < columns:
        if _same(a, begin.a + row, b, begin.b + column):
            yield Pair(begin.a + row, begin.b + column)
            row, column = row + 1, column + 1
        elif lengths[row + 1][column] >= lengths[row][column + 1]:
            row += 1
        else:
            column += 1


def _between(a: Line, b: Line, before: Pair, after: Pair) -> Iterator[Pair]:
    """Yield what lies between two pairs, each from one recorder, by the venue's time."""
    at_a, at_b = before.a + 1, before.b + 1
    keys_a, keys_b = _keys(a, at_a, after.a), _keys(b, at_b, after.b)
    while at_a < after.a or at_b < after.b:
        if at_b == after.b or (at_a < after.a and keys_a[at_a - before.a - 1] <= keys_b[at_b - before.b - 1]):
            yield Pair(at_a, NOBODY)
            at_a += 1
        else:
            yield Pair(NOBODY, at_b)
            at_b += 1


def _keys(line: Line, begin: int, end: int) -> list[int]:
    """Return by what each message goes: its time, or of a snapshot the time of the refresh that it leads to."""
    keys: list[int] = []
    key = _LAST
    for index in range(end - 1, begin - 1, -1):
        leads = index + 1 < line.count and line.linked[index + 1]
        key = key if line.is_snapshot[index] and leads else line.key_ms[index]
        keys.append(key)
    return keys[::-1]
