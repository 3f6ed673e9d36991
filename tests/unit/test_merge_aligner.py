"""Two lines of messages as one: pairs by content, an order that both agree with, snapshots where they belong."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from capture.sinks import Position
from storage.union.aligner import APART_MS_LIMIT, Sighting, pairs_of, unite
from storage.union.line import Breaks, Ref, Seen

PLACE = Position("segment", 0)


def line(*said: tuple[str, int], session: str = "S", broken: frozenset[int] = frozenset()) -> list[Seen]:
    """A line of messages, each by what it says and when; W is a snapshot. broken: places before which some are lost."""
    made: list[Seen] = []
    for index, (text, at_ms) in enumerate(said):
        kind = "W" if text == "W" else "X"
        before = made[-1].ref if made and index not in broken else None
        ref = Ref(session, index + 1, at_ms * 1_000_000)
        made.append(Seen(ref, before, at_ms, at_ms, (kind, None, (), hash(text)), 7, 0, 100, PLACE))
    return made


def told(united: list[Sighting], a: list[Seen], b: list[Seen]) -> str:
    """The one line in words: a place of the first line, of the second, or of both."""
    names = {id(seen): f"{name}{index}" for name, of_one in (("a", a), ("b", b)) for index, seen in enumerate(of_one)}
    return " ".join("=".join(names[id(seen)] for seen in sighting if seen is not None) for sighting in united)


def test_what_one_missed_is_put_between() -> None:
    """A message that only one has stands between its neighbours."""
    a = line(("p", 1), ("r", 3), ("s", 4))
    b = line(("p", 1), ("q", 2), ("s", 4), session="T")

    assert told(unite(a, b), a, b) == "a0=b0 b1 a1 a2=b2"


def test_equal_messages_are_paired_in_their_order() -> None:
    """The same thing said three times is three messages; where one has two of them, one is alone."""
    a = line(("x", 1), ("x", 2), ("y", 3), ("x", 4))
    b = line(("x", 1), ("y", 3), ("x", 4), session="T")

    assert told(unite(a, b), a, b) in ("a0=b0 a1 a2=b1 a3=b2", "a0 a1=b0 a2=b1 a3=b2")


def test_equal_messages_far_apart_are_two() -> None:
    """What the venue says again much later is another message."""
    a, b = line(("x", 1)), line(("x", 2 + APART_MS_LIMIT), session="T")

    assert pairs_of(a, b) == []


def test_a_snapshot_stands_right_before_what_follows_it() -> None:
    """A snapshot made before messages of the other, by its time, is put behind those that it holds already."""
    a = line(("p", 1), ("q", 2), ("r", 3), ("s", 9))
    b = line(("W", 1), ("s", 9), session="T")

    assert told(unite(a, b), a, b) == "a0 a1 a2 b0 a3=b1"


def test_a_snapshot_that_leads_to_nothing_goes_by_its_time() -> None:
    """Where messages after a snapshot were lost, nothing tells what it holds but its time."""
    a = line(("p", 1), ("q", 2), ("r", 3), ("s", 9))
    b = line(("W", 2), ("s", 9), session="T", broken=frozenset({1}))

    assert told(unite(a, b), a, b) == "a0 a1 b0 a2 a3=b1"


lines = st.lists(st.sampled_from("pqrstWW"), max_size=30)


@given(lines, lines, st.integers(0, 5))
def test_the_one_line_has_the_order_of_both(said_a: list[str], said_b: list[str], later_ms: int) -> None:
    """Whatever both say, each message comes once, in its recorder's order, and pairs say the same and never cross."""
    a = line(*((text, at) for at, text in enumerate(said_a)))
    b = line(*((text, at + later_ms) for at, text in enumerate(said_b)), session="T")

    united = unite(a, b)

    assert [it.a for it in united if it.a is not None] == a
    assert [it.b for it in united if it.b is not None] == b
    assert all(it.a.content == it.b.content and not it.a.is_snapshot for it in united if it.a and it.b)


@given(st.lists(st.integers(0, 3), min_size=1, max_size=40), st.sets(st.integers(0, 39)), st.sets(st.integers(0, 39)))
def test_all_that_both_saw_of_one_feed_is_paired(feed: list[int], lost_a: set[int], lost_b: set[int]) -> None:
    """Of a feed that repeats itself as many messages are paired as both have of it at least."""
    said = [(str(text), at) for at, text in enumerate(feed)]
    a = line(*(it for it in said if it[1] not in lost_a))
    b = line(*(it for it in said if it[1] not in lost_b), session="T")

    pairs = pairs_of(a, b)

    assert len(pairs) >= len([it for it in said if it[1] not in lost_a | lost_b])
    assert all(one.a < other.a and one.b < other.b for one, other in pairwise(pairs))


def test_a_break_is_between_the_messages_around_it() -> None:
    """What was lost for good parts the messages around it, and those of two sessions are parted always."""
    breaks = Breaks()
    breaks.add("S", 50)

    assert breaks.between(Ref("S", 1, 40), Ref("S", 2, 60))
    assert not breaks.between(Ref("S", 2, 60), Ref("S", 3, 70))
    assert not breaks.between(Ref("S", 1, 30), Ref("S", 2, 40))
    assert breaks.between(Ref("S", 3, 70), Ref("T", 1, 80))
