"""Instruments that come, change and go, and the venue's own status: rows, events and findings."""

import pytest
from feeds import LIST, FeedPlay, standing
from fix import listing

from capture.findings import InstrumentChanged, InstrumentsListed, TradingStatusArrived


def changes(play: FeedPlay) -> list[tuple[str, int, bool]]:
    """What was found of instruments since the last call."""
    return [(it.symbol, it.status, it.precision_changed) for it in play.found(InstrumentChanged)]


def told(play: FeedPlay, kind: str = "instrument_status") -> list[tuple[str | None, ...]]:
    """Events of a kind as symbol, before, after."""
    return [(row["symbol"], row["expected"], row["received"]) for row in play.events(kind)]


def versions(play: FeedPlay, symbol: str) -> list[tuple[int, int]]:
    """The versions of an instrument as status and decimals of the price."""
    return [(row["status"], row["price_precision"]) for row in play.rows("instruments") if row["symbol"] == symbol]


def status(symbol: str, number: int) -> str:
    """An update with one instrument in another status."""
    return listing(symbol).replace("5032=1", f"5032={number}")


def test_first_list_of_a_run_is_no_news() -> None:
    """Each instrument is found with its status before the list is, and none has an event."""
    play = FeedPlay()
    play.open(listed=LIST)

    found = [it for it in play.findings if isinstance(it, InstrumentChanged | InstrumentsListed)]

    assert found == [
        InstrumentChanged("BTC/USD", 1),
        InstrumentChanged("ETH/USD", 1),
        InstrumentsListed(("BTC/USD", "ETH/USD")),
    ]
    assert told(play) == []


def test_update_is_found_for_its_instrument_alone() -> None:
    """A new instrument and a changed status are an event each, and no list; what says nothing new is neither."""
    play = FeedPlay()
    play.open(listed=LIST)
    play.findings.clear()

    play.venue(listing("NEW/USD"), status("ETH/USD", 6), listing("BTC/USD"))

    assert changes(play) == [("NEW/USD", 1, False), ("ETH/USD", 6, False)]
    assert told(play) == [("NEW/USD", None, "online"), ("ETH/USD", "online", "delisted")]
    assert versions(play, "ETH/USD") == [(1, 1), (6, 1)]


def test_instrument_that_a_whole_list_lacks_is_unlisted() -> None:
    """Only the first list of a session can lack one; it is a version of its own, and another when it is back."""
    play = FeedPlay()
    play.open(listed=LIST)
    play.venue(listing("BTC/USD"))
    assert told(play) == [], "an update lacks nothing"
    play.close()
    play.findings.clear()

    play.open(listed=listing("BTC/USD"))
    assert changes(play) == [("ETH/USD", -1, False)]
    play.close()
    play.open(listed=LIST)

    assert changes(play) == [("ETH/USD", 1, False)]
    assert told(play) == [("ETH/USD", "online", "unlisted"), ("ETH/USD", "unlisted", "online")]
    assert versions(play, "ETH/USD") == [(1, 1), (-1, 1), (1, 1)]


def test_fragments_lack_nothing_until_all_are_in() -> None:
    """An instrument is missing from the whole list or not at all."""
    play = FeedPlay()
    play.open(listed=LIST)
    play.close()
    play.findings.clear()
    play.open(listed=listing("BTC/USD", extra="393=2 893=N "))
    assert changes(play) == []

    play.venue(listing("ETH/USD", extra="393=2 893=Y "))

    assert changes(play) == []
    assert told(play) == []


def test_empty_list_lacks_nothing() -> None:
    """A list without instruments is none: it ends no version, and the next one is the whole one."""
    play = FeedPlay()
    play.open(listed=LIST)
    play.close()
    play.findings.clear()

    play.open(listed="35=y 320=L1 322=1 560=0")
    assert play.findings[-1] == InstrumentsListed(())
    assert changes(play) == []
    play.venue(listing("BTC/USD"))

    assert changes(play) == [("ETH/USD", -1, False)]


def test_entry_that_cannot_be_read_is_listed_all_the_same() -> None:
    """Its last version stands; where there is none it is no instrument."""
    play = FeedPlay()
    play.open(listed=LIST)
    play.close()
    play.findings.clear()

    play.open(listed=listing("BTC/USD", "ETH/USD", "NEW/USD").replace("2349=1", "2349=x"))

    assert play.findings[-1] == InstrumentsListed(("BTC/USD", "ETH/USD"))
    assert changes(play) == []
    assert {row["symbol"] for row in play.events("malformed")} == {"BTC/USD", "ETH/USD", "NEW/USD"}


def test_changed_precision_is_found_as_such() -> None:
    """It says so beside the suspect book, so that the subscription is begun anew at once."""
    play = standing()
    play.findings.clear()

    play.venue(listing("BTC/USD", price_precision=2))

    assert changes(play) == [("BTC/USD", 1, True)]
    assert told(play) == []
    assert told(play, "precision_change") == [("BTC/USD", None, None)]


def test_status_of_the_venue_is_an_event_and_a_finding() -> None:
    """Each status is told with the one before; books go on."""
    play = standing()
    play.findings.clear()

    play.venue("35=h 335=S1 336=SESSION 340=2", "35=h 335=S1 336=SESSION 340=102")
    play.venue(play.proven("new bid 99.5 1"))

    assert [it.status for it in play.findings if isinstance(it, TradingStatusArrived)] == [2, 102]
    assert told(play, "trading_status") == [(None, None, "online"), (None, "online", "post-only")]
    assert play.feed.books_proven == 1


@pytest.mark.parametrize("text", ["35=h 335=S1 336=SESSION 340=0 567=103"])
def test_refused_status_request_is_a_reject(text: str) -> None:
    """It says why, and no status follows from it."""
    play = FeedPlay()
    play.open(listed=LIST)

    play.venue(text)

    assert play.found(TradingStatusArrived) == []
    assert [row["text"] for row in play.events("reject", "trading_status")] == ["trading status: already subscribed"]
