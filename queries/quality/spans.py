"""Stretches of whole seconds: joined, cut, taken away, counted.

Layer: queries, lowest of quality. Knows nothing of a tape.
Shapes: a stretch is half open, in seconds since the epoch; a list of them is sorted and has no two that touch.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple


class Span(NamedTuple):
    """From a second to the one after the last."""

    begin: int
    end: int


Spans = list[Span]


def merged(spans: Iterable[tuple[int, int]]) -> Spans:
    """Return stretches in any order as a list of them; empty ones are left out."""
    found: Spans = []
    for begin, end in sorted(spans):
        if begin >= end:
            continue
        if found and begin <= found[-1].end:
            found[-1] = Span(found[-1].begin, max(found[-1].end, end))
        else:
            found.append(Span(begin, end))
    return found


def common(left: Spans, right: Spans) -> Spans:
    """Return what is in both."""
    found: Spans = []
    for begin, end in left:
        at = max(bisect_right(right, (begin,)) - 1, 0)
        while at < len(right) and right[at].begin < end:
            cut = Span(max(begin, right[at].begin), min(end, right[at].end))
            if cut.begin < cut.end:
                found.append(cut)
            at += 1
    return found


def without(left: Spans, right: Spans) -> Spans:
    """Return what is in the first and not in the second."""
    found: Spans = []
    for begin, end in left:
        at = begin
        for hole in common([Span(begin, end)], right):
            if at < hole.begin:
                found.append(Span(at, hole.begin))
            at = hole.end
        if at < end:
            found.append(Span(at, end))
    return found


def seconds(spans: Iterable[Span]) -> int:
    """Return how many seconds they are together."""
    return sum(end - begin for begin, end in spans)


def each(spans: Spans, bounds: Sequence[int]) -> list[int]:
    """Return how many seconds lie between each bound and the next."""
    return [seconds(common(spans, [Span(begin, end)])) for begin, end in pairwise(bounds)]
