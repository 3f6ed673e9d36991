"""Both ways of a merge, compiled and plain, over odd messages: the same lines, and the same rows of them."""

from random import Random

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st
from odd_rows import make_odd
from two_recorders import Recorded, Truth, arrow_tables
from unions import Tables, known_of, lines_of, plainly_told, told_of, united_rows

from storage.union.line import Ref
from storage.union.walk import Walk


@st.composite
def odd_tables(draw: st.DrawFn) -> list[Tables]:
    """Two recorders' tables: losses, outages, clocks apart, and messages made odd alike or by one alone."""
    random = Random(draw(st.integers(0, 2**32)))  # noqa: S311
    edits = [
        (random.choice(["bid", "offer"]), random.randrange(1, 30), random.randrange(4))
        for _ in range(draw(st.integers(15, 60)))
    ]
    truth, said, often = Truth(edits), random.randrange(2**32), draw(st.sampled_from([0, 0.3, 1]))
    tables = []
    for _ in range(2):
        fates = ["got"] * len(edits)
        for _ in range(random.randrange(3)):
            fate, begin = random.choice(["down", "lost"]), random.randrange(len(edits))
            count = random.randrange(1, 15 if fate == "down" else 3)
            fates[begin : begin + count] = [fate] * len(fates[begin : begin + count])
        offset_ns, seed = random.randrange(-50_000_000, 50_000_000), random.randrange(99)
        recorded = Recorded(truth, fates, offset_ns=offset_ns, seed=seed, patience=random.randrange(3))
        tables.append(arrow_tables(make_odd(recorded.play.feed.take_columns(), said, random, often)))
    return tables


@settings(max_examples=25, deadline=None)
@given(tables=odd_tables(), cut=st.integers(0, 40))
def test_messages_are_put_together_as_row_by_row(tables: list[Tables], cut: int) -> None:
    """Columns come to the messages that dictionaries come to, whatever was taken before; equal ones say the same."""
    known = known_of(tables)
    whole = [plainly_told(of_one, known.breaks[which], None) for which, of_one in enumerate(tables)]
    taken: list[Ref | None] = [None if cut >= len(told) else told[cut].ref for told in whole]

    lines = lines_of(tables, known, taken)

    by_content: dict[bytes, object] = {}
    for which, of_one in enumerate(tables):
        told = told_of(lines, which)
        assert told == plainly_told(of_one, known.breaks[which], taken[which])
        contents = lines.line(which, "BTC/USD").contents
        for content, message in zip(contents, told, strict=True):
            said = (message.msg_type, message.checksum, message.entries)
            assert by_content.setdefault(content, said) == said
    assert len(by_content) == len(set(by_content.values()))


@settings(max_examples=40, deadline=None)
@given(tables=odd_tables(), cut=st.integers(0, 60))
def test_a_run_writes_the_rows_of_message_by_message(tables: list[Tables], cut: int) -> None:
    """Every table is the same whether runs go by the compiled lane or nothing does."""
    fast = united_rows(tables, cut)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Walk, "_run", lambda _self, _line, index, _count, _output: index)
        slow = united_rows(tables, cut)

    for row in fast["events"]:
        event(row["kind"])
    assert fast == slow
