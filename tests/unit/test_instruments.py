"""SecurityList messages to instruments, whole or in fragments."""

import pytest
from fix import listing, message

from capture.errors import ValueMalformed
from capture.market import instruments
from capture.market.instruments import Instrument, InstrumentList, ListRefused

GUIDE = (
    "35=y 320=SLS1000002 322=1697104455317568799 560=0 146=1 55=BTC/USD 562=0.00000001 5010=8 5011=0.0001 2349=1"
    " 5022=0.1 5032=1"
)


def added(*texts: str) -> list[instruments.ListPart]:
    """What one list makes of messages."""
    whole = InstrumentList()
    return [whole.add(message(text)) for text in texts]


def test_guide_s_instrument_is_read() -> None:
    """The venue's own example is read field by field, its steps as scaled integers."""
    (part,) = added(GUIDE)

    assert part.complete
    assert part.instruments == (
        Instrument(
            symbol="BTC/USD",
            price_precision=1,
            size_precision=8,
            tick=1,
            lot=1,
            tick_size="0.1",
            lot_size="0.00000001",
            size_min="0.0001",
            size_max="",
            cost_min="",
            status=1,
        ),
    )


def test_fields_of_an_entry_may_come_in_any_order() -> None:
    """Only the first field of an entry is fixed; 560 may stand after the group."""
    (part,) = added("35=y 320=1 146=2 55=A/B 2349=2 5010=8.0 5032=4 55=C/D 5010=3 2349=0 5013=0.5 5012=9 560=0")

    assert [(it.symbol, it.price_precision, it.size_precision) for it in part.instruments] == [
        ("A/B", 2, 8),
        ("C/D", 0, 3),
    ]
    assert part.instruments[0].status == 4
    assert part.instruments[1].cost_min == "0.5"
    assert part.instruments[1].size_max == "9"


def test_step_finer_than_the_precision_cannot_be_checked() -> None:
    """A tick with more decimals than a price can have is kept as text and never enforced."""
    (part,) = added(GUIDE.replace("5022=0.1", "5022=0.05"))

    assert part.instruments[0].tick == 0
    assert part.instruments[0].tick_size == "0.05"


@pytest.mark.parametrize(
    "bad",
    [
        "2349=x",
        "2349=1.5",
        "2349=",
        "5010=99",
        "5010=-1",
        "5022=0,1",
        "562=1e-8",
        "5032=on",
        "5032=128",
        "2349=" + "1" * 5000,
    ],
)
def test_malformed_instrument_does_not_cost_the_others(bad: str) -> None:
    """An entry that cannot be read is named, and the rest of the list is taken."""
    tag = bad.partition("=")[0]
    broken = " ".join(bad if field.startswith(f"{tag}=") else field for field in GUIDE.split())

    (part,) = added(broken.replace("146=1", "146=2") + " 55=ETH/USD 5010=8 2349=2")

    assert part.malformed == ("BTC/USD",)
    assert [it.symbol for it in part.instruments] == ["ETH/USD"]
    assert part.complete


def test_fragments_are_gathered_until_the_last() -> None:
    """A fragmented list is whole with its last fragment, and not before."""
    parts = added(
        listing("A/B", extra="393=3 893=N "), listing("C/D", extra="393=3 893=N "), listing("E/F", extra="393=3 893=Y ")
    )

    assert [it.complete for it in parts] == [False, False, True]


def test_fragments_are_whole_by_their_count() -> None:
    """Without 893 a list is whole when as many instruments as 393 says are in hand."""
    parts = added(listing("A/B", extra="393=2 "), listing("C/D", extra="393=2 "))

    assert [it.complete for it in parts] == [False, True]


def test_fragment_that_comes_again_is_not_counted_twice() -> None:
    """A list asked for again begins again: its first fragment does not complete the one that was cut short."""
    first, second = listing("A/B", extra="393=2 893=N "), listing("C/D", extra="393=2 893=Y ")

    assert [it.complete for it in added(first, first, second)] == [False, False, True]


def test_update_amid_fragments_completes_nothing() -> None:
    """An update of one instrument that comes between fragments is taken, and the list stays open."""
    parts = added(
        listing("A/B", extra="393=2 893=N "), listing("A/B"), listing("C/D", extra="393=2 893=Y "), listing("A/B")
    )

    assert [it.complete for it in parts] == [False, False, True, True]


@pytest.mark.parametrize(
    ("text", "reason"), [("35=y 560=2 58=nothing matches", "nothing matches"), ("35=y 560=4", "4")]
)
def test_refused_list_says_why(text: str, reason: str) -> None:
    """A result other than 0 is an error with the venue's words."""
    with pytest.raises(ListRefused, match=reason):
        added(text)


def test_list_after_a_refusal_begins_anew() -> None:
    """Fragments gathered before a refusal do not count for the list after it."""
    whole = InstrumentList()
    whole.add(message(listing("A/B", extra="393=2 893=N ")))
    with pytest.raises(ListRefused):
        whole.add(message("35=y 560=4"))

    assert not whole.add(message(listing("C/D", extra="393=2 893=N "))).complete


def test_number_of_instruments_is_bounded() -> None:
    """A list that does not end is refused, and the next one begins anew."""
    whole = InstrumentList()
    number = iter(range(10**6))

    def fragment() -> str:
        return "35=y 393=999999 893=N " + " ".join(f"55=S{next(number)} 2349=1 5010=8" for _ in range(4000))

    for _ in range(5):
        whole.add(message(fragment()))
    with pytest.raises(ValueMalformed, match="at most 20000 instruments"):
        whole.add(message(fragment()))
    assert whole.add(message(listing("A/B"))).complete


def test_number_of_fragments_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Empty fragments without end are refused too."""
    monkeypatch.setattr(instruments, "FRAGMENTS_LIMIT", 5)
    whole = InstrumentList()
    empty = message("35=y 560=0 393=9 893=N")

    parts = [whole.add(empty) for _ in range(5)]

    assert not any(it.complete for it in parts)
    with pytest.raises(ValueMalformed):
        whole.add(empty)


def test_list_without_instruments_is_a_list() -> None:
    """A venue that lists nothing has answered."""
    (part,) = added("35=y 320=1 560=0")

    assert part.complete
    assert part.instruments == ()
