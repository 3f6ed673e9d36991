"""Two lines of messages as one: pairs by content, an order that both agree with, snapshots where they belong."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from storage.union.aligner import APART_MS_LIMIT, NOBODY, Pair, pairs_of, unite
from storage.union.line import Breaks, Line, Ref


def line(*said: tuple[str, int], broken: frozenset[int] = frozenset()) -> Line:
    """A line of messages, each by what it says and when; W is a snapshot. broken: places before which some are lost."""
    times = [at_ms for _, at_ms in said]
    linked = [index > 0 and index not in broken for index in range(len(said))]
    return Line([text.encode() for text, _ in said], times, times, linked, [text == "W" for text, _ in said])


def told(united: list[Pair]) -> str:
    """The one line in words: a place of the first line, of the second, or of both."""
    return " ".join(
        "=".join(f"{name}{place}" for name, place in zip("ab", pair, strict=True) if place != NOBODY) for pair in united
    )


def test_what_one_missed_is_put_between() -> None:
    """A message that only one has stands between its neighbours."""
    a = line(("p", 1), ("r", 3), ("s", 4))
    b = line(("p", 1), ("q", 2), ("s", 4))

    assert told(unite(a, b)) == "a0=b0 b1 a1 a2=b2"


def test_equal_messages_are_paired_in_their_order() -> None:
    """The same thing said three times is three messages; where one has two of them, one is alone."""
    a = line(("x", 1), ("x", 2), ("y", 3), ("x", 4))
    b = line(("x", 1), ("y", 3), ("x", 4))

    assert told(unite(a, b)) in ("a0=b0 a1 a2=b1 a3=b2", "a0 a1=b0 a2=b1 a3=b2")


def test_equal_messages_far_apart_are_two() -> None:
    """What the venue says again much later is another message."""
    a, b = line(("x", 1)), line(("x", 2 + APART_MS_LIMIT))

    assert pairs_of(a, b) == []


def test_a_snapshot_stands_right_before_what_follows_it() -> None:
    """A snapshot made before messages of the other, by its time, is put behind those that it holds already."""
    a = line(("p", 1), ("q", 2), ("r", 3), ("s", 9))
    b = line(("W", 1), ("s", 9))

    assert told(unite(a, b)) == "a0 a1 a2 b0 a3=b1"


def test_a_snapshot_that_leads_to_nothing_goes_by_its_time() -> None:
    """Where messages after a snapshot were lost, nothing tells what it holds but its time."""
    a = line(("p", 1), ("q", 2), ("r", 3), ("s", 9))
    b = line(("W", 2), ("s", 9), broken=frozenset({1}))

    assert told(unite(a, b)) == "a0 a1 b0 a2 a3=b1"


lines = st.lists(st.sampled_from("pqrstWW"), max_size=30)


@given(lines, lines, st.integers(0, 5))
def test_the_one_line_has_the_order_of_both(said_a: list[str], said_b: list[str], later_ms: int) -> None:
    """Whatever both say, each message comes once, in its recorder's order, and pairs say the same and never cross."""
    a = line(*((text, at) for at, text in enumerate(said_a)))
    b = line(*((text, at + later_ms) for at, text in enumerate(said_b)))

    united = unite(a, b)

    assert [it.a for it in united if it.a != NOBODY] == list(range(a.count))
    assert [it.b for it in united if it.b != NOBODY] == list(range(b.count))
    both = [it for it in united if NOBODY not in it]
    assert all(a.contents[it.a] == b.contents[it.b] and not a.is_snapshot[it.a] for it in both)


@given(st.lists(st.integers(0, 3), min_size=1, max_size=40), st.sets(st.integers(0, 39)), st.booleans())
def test_all_that_one_saw_of_what_the_other_has_whole_is_paired(
    feed: list[int], lost: set[int], first_lost: bool
) -> None:
    """However a feed repeats itself, each message of a recorder with losses is found at one without any."""
    said = [(str(text), at) for at, text in enumerate(feed)]
    whole, part = line(*said), line(*(it for it in said if it[1] not in lost))
    a, b = (part, whole) if first_lost else (whole, part)

    pairs = pairs_of(a, b)

    assert len(pairs) == part.count
    assert all(one.a < other.a and one.b < other.b for one, other in pairwise(pairs))


def test_a_break_is_between_the_messages_around_it() -> None:
    """What was lost for good parts the messages around it, and those of two sessions are parted always."""
    breaks = Breaks()
    breaks.add("S", 50)

    assert breaks.between(Ref("S", 1, 40), Ref("S", 2, 60))
    assert not breaks.between(Ref("S", 2, 60), Ref("S", 3, 70))
    assert not breaks.between(Ref("S", 1, 30), Ref("S", 2, 40))
    assert breaks.between(Ref("S", 3, 70), Ref("T", 1, 80))
