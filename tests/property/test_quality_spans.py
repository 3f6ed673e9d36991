"""Stretches of seconds behave as the sets of seconds that they are."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from queries.quality.spans import Span, common, each, merged, seconds, without

SPANS = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), max_size=8)


def as_set(spans):
    return {second for begin, end in spans for second in range(begin, end)}


@given(left=SPANS, right=SPANS)
def test_stretches_are_sets(left, right):
    """Joined, in both, in one alone, counted between bounds."""
    a, b = merged(left), merged(right)

    assert as_set(a) == as_set(left)
    assert all(one.end < other.begin for one, other in pairwise(a))
    assert common(a, b) == merged(Span(it, it + 1) for it in as_set(a) & as_set(b))
    assert without(a, b) == merged(Span(it, it + 1) for it in as_set(a) - as_set(b))
    assert seconds(a) == len(as_set(a)) == sum(each(a, range(0, 41, 5)))
