"""What is asked of the venue, and when it is asked again."""

import pytest
from desk import Desk, standing
from fix import SECOND, listing, refresh

from capture.errors import SymbolUnknown
from capture.findings import (
    BookSuspect,
    InstrumentChanged,
    InstrumentsListed,
    SubscriptionRejected,
    TradingStatusArrived,
)
from capture.market.instruments import UNLISTED
from capture.market.requests import LEVEL_3
from capture.session.events import GapFilled
from capture.subscriber import LIST_REQUESTS_LIMIT, OUTSTANDING_LIMIT

HIDDEN, ONLINE, MAINTENANCE, POST_ONLY, DELISTED = 0, 1, 2, 4, 6


def symbols_of(asked: list[str], kind: str = "subscribe") -> list[str]:
    """The symbols of what was asked, of one kind."""
    return [it.split()[2] for it in asked if it.startswith(f"{kind} ")]


def md_req_id(desk: Desk, symbol: str = "BTC/USD") -> str:
    """The id under which a symbol is subscribed now."""
    return desk.feed.by_symbol[symbol].request.md_req_id


def test_list_and_status_are_asked_for_after_each_logon() -> None:
    """The first things said on a session are the requests for the list and for the status, under new ids."""
    desk = Desk("BTC/USD")
    desk.open()
    (_, *first) = desk.asked()
    desk.close()
    desk.open()
    (_, *second) = desk.asked()

    for list_request, status_request in (first, second):
        assert list_request.startswith("list L1-")
        assert status_request.startswith("status S1-")
    assert set(first).isdisjoint(second), "though both sessions began within one second"


def test_each_symbol_is_asked_for_alone_under_its_own_id() -> None:
    """One request a symbol, each with a new MDReqID that carries the second of the session."""
    desk = Desk("BTC/USD", "ETH/USD")
    desk.open(listed=listing("BTC/USD", "ETH/USD", "XMR/USD"))

    _, _, _, first, second = desk.asked()

    stem = first.split()[1].partition("-")[2]
    assert first == f"subscribe M2-{stem} BTC/USD"
    assert second == f"subscribe M3-{stem} ETH/USD"
    assert len(first.split()[1]) <= 20
    assert not desk.subscriber.settled


def test_level_3_is_asked_for_by_order_and_refused_like_any_symbol() -> None:
    """Every request of a Level 3 run is one; depth 0 of a pattern goes out as it is; refused, it is let be."""
    desk = Desk("BTC/USD", "ETH/USD:0", level=LEVEL_3)
    desk.open(listed=listing("BTC/USD", "ETH/USD"))

    requests = [desk.feed.by_symbol[symbol].request for symbol in ("BTC/USD", "ETH/USD")]
    assert [(it.level, it.depth) for it in requests] == [(LEVEL_3, 10), (LEVEL_3, 0)]
    for request in requests:
        desk.venue(f"35=Y 262={request.md_req_id} 281=B 58=Level 3 not available")
    assert desk.subscriber.settled
    assert set(desk.subscriber.shortfalls().values()) == {"not recorded, the venue refused it: Level 3 not available"}


def test_all_is_every_symbol_of_the_list() -> None:
    """`all` takes what the venue lists, and what it lists later."""
    desk = standing("all")
    assert desk.subscriber.settled

    desk.venue(listing("NEW/USD"))

    assert [it.split()[2] for it in desk.asked()] == ["NEW/USD"]


def test_unknown_symbol_is_an_error_with_a_suggestion() -> None:
    """A typo ends the first list of a run, with the nearest names."""
    desk = Desk("BTC/USDD")

    with pytest.raises(SymbolUnknown, match=r"BTC/USDD: not among the 2 .* did you mean BTC/USD"):
        desk.open(listed=listing("BTC/USD", "ETH/USD"))


def test_symbol_like_none_is_told_of_the_choice() -> None:
    """Where nothing is near, the error says what else to use."""
    desk = Desk("QQQQQ")

    with pytest.raises(SymbolUnknown, match="use `all` or one that it lists"):
        desk.open(listed=listing("BTC/USD"))


def test_symbol_that_goes_missing_later_is_kept_in_mind() -> None:
    """After the first list a missing symbol ends nothing: it is named, and asked for when it comes back."""
    desk = standing("BTC/USD", "XMR/USD")
    desk.close()
    desk.open(listed=listing("BTC/USD"))
    assert desk.subscriber.shortfalls() == {"XMR/USD": "no longer recorded, the venue no longer lists it"}
    desk.asked()

    desk.venue(listing("XMR/USD"))

    (asked,) = desk.asked()
    assert symbols_of([asked]) == ["XMR/USD"]
    desk.serve(asked)
    assert desk.subscriber.shortfalls() == {"XMR/USD": "not recorded for a time, the venue no longer lists it"}


def test_mismatch_stops_the_subscription_and_begins_a_new_one() -> None:
    """The old one is stopped under its id, and a new one is asked for at once, in this order."""
    desk = standing("BTC/USD", "ETH/USD")
    old = md_req_id(desk)

    desk.break_book(old)

    stop, begin = desk.asked()
    assert stop == f"stop {old} BTC/USD"
    assert begin.startswith("subscribe M4-")


def test_retries_back_off() -> None:
    """A book that does not hold is asked for at once, then after 1, 2, 4 s and so on; in between nothing is asked."""
    desk = standing("BTC/USD")
    desk.break_book(md_req_id(desk))
    waited = []

    for _ in range(9):
        desk.serve(next(it for it in desk.asked() if it.startswith("subscribe")))
        desk.break_book(md_req_id(desk))
        seconds = 0
        while not (asked := desk.pass_by(1)):
            seconds += 1
        waited.append(seconds + 1)
        desk._asked = asked

    assert waited == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_book_that_held_begins_its_retries_anew() -> None:
    """After a minute of calm the next mismatch is answered at once again."""
    desk = standing("BTC/USD")
    for _ in range(2):
        desk.break_book(md_req_id(desk))
        (_, begin) = desk.asked() or desk.pass_by(1)
        desk.serve(begin)
    desk.pass_by(60)

    desk.break_book(md_req_id(desk))

    assert len(desk.asked()) == 2


def test_snapshot_that_does_not_come_is_asked_for_again() -> None:
    """After fifteen seconds without a snapshot the subscription is stopped and begun anew."""
    desk = Desk("BTC/USD")
    desk.open(listed=listing("BTC/USD"))
    first = desk.asked()[-1]

    assert desk.pass_by(14.9) == []
    stop, again = desk.pass_by(0.1)

    assert stop == first.replace("subscribe", "stop")
    assert again.startswith("subscribe M3-")


def test_snapshot_that_was_filled_over_is_asked_for_at_once() -> None:
    """A snapshot within numbers that the venue filled over will not come: nobody waits fifteen seconds for it."""
    desk = Desk("BTC/USD")
    desk.open(listed=listing("BTC/USD"))
    first = desk.asked()[-1]

    desk.find(GapFilled(3, 9))

    stop, again = desk.asked()
    assert stop == first.replace("subscribe", "stop")
    assert again.startswith("subscribe M3-")
    desk.serve(again)
    desk.find(GapFilled(12, 12))
    assert desk.asked() == []


def test_gap_asks_for_every_book_anew() -> None:
    """What is missing is asked for first; once it is lost every book has a hole, and is subscribed anew, once."""
    desk = standing("BTC/USD", "ETH/USD")
    missing = desk._their_next

    desk.venue("35=0", seq=20)
    first = [it.partition(" ")[0] for it in desk.asked()]
    desk.venue("35=4 43=Y 123=Y 36=21", seq=missing)
    second = [it.partition(" ")[0] for it in desk.asked()]

    assert first == ["2"]
    assert second == ["stop", "subscribe", "stop", "subscribe"]


def test_refused_symbol_is_not_asked_for_again() -> None:
    """A refusal for good is kept with its text for the rest of the session, and the others go on."""
    desk = Desk("BTC/USD", "ETH/USD")
    desk.open(listed=listing("BTC/USD", "ETH/USD"))
    refused, served = desk.asked()[-2:]
    desk.serve(served)

    desk.venue(f"35=Y 262={refused.split()[1]} 281=0 58=Unknown symbol: BTC/USD")

    assert desk.subscriber.shortfalls() == {
        "BTC/USD": "not recorded, the venue refused it: Unknown symbol: BTC/USD",
    }
    assert desk.subscriber.settled
    assert desk.pass_by(100) == []
    desk.close()
    desk.open(listed=listing("BTC/USD", "ETH/USD"))
    assert symbols_of(desk.asked()) == ["BTC/USD", "ETH/USD"], "the next session asks for it again"


def test_refusal_of_an_earlier_session_is_not_forgotten() -> None:
    """Refused and not served since is not recorded; served by a later session, it was not recorded for a time."""
    desk = Desk("BTC/USD")
    desk.open(listed=listing("BTC/USD"))
    desk.venue(f"35=Y 262={desk.asked()[-1].split()[1]} 281=0 58=no")
    desk.close()

    assert desk.subscriber.shortfalls() == {"BTC/USD": "not recorded, the venue refused it: no"}
    desk.open(listed=listing("BTC/USD"))
    assert desk.subscriber.shortfalls() == {"BTC/USD": "not recorded, the venue refused it: no"}
    desk.serve(desk.asked()[-1])

    assert desk.subscriber.shortfalls() == {"BTC/USD": "not recorded for a time, the venue refused it: no"}


def test_symbol_without_any_snapshot_is_named() -> None:
    """What was asked for, or was still to be, and never came is no silent hole; nor is a run without a list."""
    desk = Desk("BTC/USD", "*/EUR")
    none = "not recorded, the venue sent no instrument list"
    assert desk.subscriber.shortfalls() == {"BTC/USD": none, "*/EUR": none}
    desk.open(listed=listing("BTC/USD", "ETH/EUR", "XMR/USD"))
    desk.serve(desk.asked()[-2])

    assert desk.subscriber.shortfalls() == {"ETH/EUR": "not recorded, no snapshot came"}


def test_end_of_a_subscription_that_was_served_is_not_for_good() -> None:
    """A reject of what was served until now is kept, and the symbol asked for anew; refused again, it is for good."""
    desk = standing("BTC/USD")

    desk.venue(f"35=Y 262={md_req_id(desk)} 281=0 58=gone")
    (again,) = desk.asked()

    assert symbols_of([again]) == ["BTC/USD"]
    assert desk.subscriber.shortfalls() == {"BTC/USD": "no longer recorded, the venue refused it: gone"}
    desk.find(SubscriptionRejected("BTC/USD", again.split()[1], "0", "gone for good"))
    assert desk.pass_by(100) == []
    assert desk.subscriber.shortfalls() == {"BTC/USD": "no longer recorded, the venue refused it: gone for good"}


def test_refusal_without_a_text_names_its_reason() -> None:
    """A reject that says nothing is told by its number."""
    desk = Desk("BTC/USD")
    desk.open(listed=listing("BTC/USD"))
    desk.venue(f"35=Y 262={desk.asked()[-1].split()[1]} 281=5")

    assert desk.subscriber.shortfalls()["BTC/USD"].endswith("the venue refused it: MDReqRejReason(281) 5")


def test_duplicate_id_is_answered_by_a_new_one() -> None:
    """A reject of the id and not of the symbol leads to another id."""
    desk = Desk("BTC/USD")
    desk.open(listed=listing("BTC/USD"))
    first = desk.asked()[-1].split()[1]

    desk.venue(f"35=Y 262={first} 281=1 58=Duplicate MDReqID")

    (again,) = desk.asked()
    assert symbols_of([again]) == ["BTC/USD"]
    desk.serve(again)
    assert desk.subscriber.shortfalls() == {}


def test_reject_of_an_old_subscription_changes_nothing() -> None:
    """A late reject under an id that is no longer used is passed over."""
    desk = standing("BTC/USD")
    old = md_req_id(desk)
    desk.break_book(old)
    desk.serve(desk.asked()[-1])

    desk.venue(f"35=Y 262={old} 281=4 58=what")

    assert desk.subscriber.shortfalls() == {}
    assert desk.subscriber.settled


def test_no_more_than_so_many_requests_are_open() -> None:
    """The pace of subscribing follows the venue's: a new request goes out as a snapshot comes in."""
    symbols = [f"S{number}/USD" for number in range(OUTSTANDING_LIMIT + 3)]
    desk = Desk("all")
    desk.open(listed=listing(*symbols))
    open_requests = desk.asked()[3:]
    assert len(open_requests) == OUTSTANDING_LIMIT

    desk.serve(open_requests[0])
    assert len(desk.asked()) == 1
    desk.serve(open_requests[1])
    desk.venue(f"35=Y 262={open_requests[2].split()[1]} 281=5")

    assert len(desk.asked()) == 2


def test_list_that_does_not_come_is_asked_for_again_then_given_up() -> None:
    """The list is asked for a limited number of times; without it the session is of no use."""
    desk = Desk("BTC/USD")
    desk.open()
    desk.asked()

    for _ in range(LIST_REQUESTS_LIMIT - 1):
        assert desk.pass_by(14.9) == []
        assert desk.pass_by(0.1)[0].startswith("list ")
    assert desk.pass_by(15) == ["logout no instrument list after 3 requests"]
    assert desk.pass_by(60) == []


def test_refused_list_is_asked_for_again_later() -> None:
    """A list that is refused for now is not asked for in a storm."""
    desk = Desk("BTC/USD")
    desk.open(listed="35=y 320=L1 560=4 58=temporarily unavailable")
    desk.asked()

    assert desk.pass_by(14.9) == []
    assert len(desk.pass_by(0.1)) == 1


def test_empty_list_is_none() -> None:
    """A list without a single instrument is asked for again like one that was refused."""
    desk = Desk("all")
    desk.open()
    desk.find(InstrumentsListed(()))
    desk.asked()

    assert desk.pass_by(14.9) == []
    assert [it.partition(" ")[0] for it in desk.pass_by(0.1)] == ["list"]


@pytest.mark.parametrize("by_us", [True, False])
def test_nothing_is_asked_after_a_logout(by_us: bool) -> None:
    """Once either side has said its Logout, no request goes out, whatever is found."""
    desk = standing("BTC/USD")
    current = md_req_id(desk)
    if by_us:
        desk.session.log_out("")
        desk.flush()
    else:
        desk.venue("35=5")
    desk.asked()

    desk.break_book(current)

    assert desk.asked() == []
    assert desk.pass_by(30) == []


def test_wants_survive_the_session() -> None:
    """A new session asks for the same symbols under ids that no session used before."""
    desk = standing("BTC/USD")
    before = md_req_id(desk)
    desk.close()
    desk.after(5)
    desk.open(listed=listing("BTC/USD"))

    assert desk.asked()[-1].endswith(" BTC/USD")
    assert desk.asked() == []
    assert md_req_id(desk) != before


def test_time_is_what_the_owner_says() -> None:
    """Nothing happens by itself: without a tick no time passes."""
    desk = Desk("BTC/USD")
    desk.open(listed=listing("BTC/USD"))
    desk.asked()
    desk.now_ns += 3600 * SECOND

    desk.flush()

    assert desk.asked() == []


# Which symbols, and how deep.


def test_patterns_choose_symbols_and_depths() -> None:
    """Each chosen symbol is asked for at the depth of its last pattern that gives one; the rest is left alone."""
    desk = Desk("*/USD:25", "!XMR/*", "ETH/USD:500", "BTC/EUR")
    desk.open(listed=listing("BTC/EUR", "BTC/USD", "ETH/EUR", "ETH/USD", "XMR/USD"))

    assert symbols_of(desk.asked()) == ["BTC/EUR", "BTC/USD", "ETH/USD"]
    assert {symbol: it.request.depth for symbol, it in desk.feed.by_symbol.items()} == {
        "BTC/EUR": 10,
        "BTC/USD": 25,
        "ETH/USD": 500,
    }


def test_stop_repeats_the_depth_of_its_symbol() -> None:
    """An end of subscription says the depth that began it."""
    desk = Desk("*/USD:25")
    desk.open(listed=listing("BTC/USD"))
    desk.serve(desk.asked()[-1])
    desk.break_book(md_req_id(desk))

    assert [row["count"] for row in desk.events("subscribe", "unsubscribe")] == [25, 25, 25]


def test_glob_that_matches_nothing_ends_the_first_list() -> None:
    """A quote that the venue does not have is an error while a person waits for the answer."""
    desk = Desk("BTC/USD", "*/EURO")

    with pytest.raises(SymbolUnknown, match=r"\*/EURO: matches none of the 2 .*; did you mean \*/EUR"):
        desk.open(listed=listing("BTC/USD", "ETH/EUR"))


def test_list_of_a_later_session_ends_nothing() -> None:
    """Whatever a later list lacks, the run goes on with the rest."""
    desk = standing("BTC/USD", "XMR/*")
    desk.close()
    desk.open(listed=listing("BTC/USD"))

    assert symbols_of(desk.asked()) == ["BTC/USD"]


# Listings that come and go, as the feed finds them.


def test_newly_listed_symbol_is_asked_for_when_it_comes() -> None:
    """An update names a new instrument: it is asked for if a pattern takes it, once."""
    desk = standing("*/USD")

    desk.find(InstrumentChanged("NEW/USD", ONLINE), InstrumentChanged("NEW/EUR", ONLINE))
    desk.find(InstrumentsListed(("BTC/USD", "ETH/USD", "NEW/EUR", "NEW/USD", "XMR/USD")))

    assert symbols_of(desk.asked()) == ["NEW/USD"]


@pytest.mark.parametrize(("status", "words"), [(DELISTED, "delisted"), (HIDDEN, "hidden")])
def test_delisted_symbol_is_let_go_of_and_told(status: int, words: str) -> None:
    """Its subscription is stopped, nothing is asked of it again, and the summary says since when it is missing."""
    desk = standing("*/USD")
    old = md_req_id(desk, "XMR/USD")

    desk.find(InstrumentChanged("XMR/USD", status))

    assert desk.asked() == [f"stop {old} XMR/USD"]
    desk.venue(refresh("new bid 99.0 1", symbol="XMR/USD", md_req_id=old, checksum=1))
    assert desk.pass_by(100) == []
    assert desk.subscriber.settled
    assert desk.subscriber.shortfalls() == {"XMR/USD": f"no longer recorded, the venue lists it as {words}"}


def test_symbol_that_is_listed_again_is_asked_for_again() -> None:
    """Back from any status in which nothing is served, it begins anew at once, and its hole stays in the summary."""
    desk = standing("*/USD")
    desk.find(InstrumentChanged("XMR/USD", DELISTED))
    desk.asked()

    desk.find(InstrumentChanged("XMR/USD", ONLINE))

    (asked,) = desk.asked()
    assert symbols_of([asked]) == ["XMR/USD"]
    desk.serve(asked)
    assert desk.subscriber.shortfalls() == {"XMR/USD": "not recorded for a time, the venue lists it as delisted"}


def test_delisted_before_the_run_is_missed_only_where_it_was_named() -> None:
    """A glob is content with what there is; a name that is delisted is told, and ends nothing."""
    desk = Desk("*/USD", "OLD/EUR")
    desk.open()
    desk.find(InstrumentChanged("OLD/USD", DELISTED), InstrumentChanged("OLD/EUR", DELISTED))
    desk.find(InstrumentsListed(("BTC/USD", "OLD/EUR", "OLD/USD")))

    (asked,) = [it for it in desk.asked() if it.startswith("subscribe")]
    assert symbols_of([asked]) == ["BTC/USD"]
    desk.venue(listing("BTC/USD"))
    desk.serve(asked)
    assert desk.subscriber.shortfalls() == {"OLD/EUR": "not recorded, the venue lists it as delisted"}


def test_glob_of_delisted_symbols_alone_is_an_error() -> None:
    """A pattern of which nothing can be had is told at the first list."""
    desk = Desk("*/USD")
    desk.open()

    with pytest.raises(SymbolUnknown, match=r"\*/USD: all that it matches is left out, hidden or delisted"):
        desk.find(InstrumentChanged("OLD/USD", DELISTED), InstrumentsListed(("BTC/EUR", "OLD/USD")))


def test_symbol_missing_from_the_list_of_a_new_session() -> None:
    """A whole list that lacks it says the same as a status: gone, until a list names it again."""
    desk = standing("*/USD")
    desk.close()
    desk.open(listed=listing("BTC/USD", "ETH/USD"))
    desk.find(InstrumentChanged("XMR/USD", UNLISTED))

    assert symbols_of(desk.asked()) == ["BTC/USD", "ETH/USD"]
    desk.find(InstrumentChanged("XMR/USD", ONLINE))
    assert symbols_of(desk.asked()) == ["XMR/USD"]


@pytest.mark.parametrize("status", [ONLINE, 3, POST_ONLY, 5, 7, 99, MAINTENANCE])
def test_other_statuses_leave_the_book_alone(status: int) -> None:
    """Whether data flows in maintenance is open: the book is kept, and nothing is said."""
    desk = standing("*/USD")

    desk.find(InstrumentChanged("XMR/USD", status))

    assert desk.asked() == []
    assert desk.subscriber.shortfalls() == {}


def test_after_maintenance_the_book_is_begun_anew() -> None:
    """The venue may have ended the subscription without a word; a snapshot proves that it lives."""
    desk = standing("*/USD")
    old = md_req_id(desk, "XMR/USD")
    desk.find(InstrumentChanged("XMR/USD", MAINTENANCE))

    desk.find(InstrumentChanged("XMR/USD", ONLINE))

    stop, begin = desk.asked()
    assert stop == f"stop {old} XMR/USD"
    assert symbols_of([begin]) == ["XMR/USD"]


def test_refusal_holds_until_the_status_changes() -> None:
    """What was refused in maintenance is asked for again when the instrument, or the venue, is online again."""
    desk = Desk("*/USD")
    desk.open(listed=listing("BTC/USD", "ETH/USD"))
    desk.find(TradingStatusArrived(1))
    for asked in desk.asked()[-2:]:
        desk.venue(f"35=Y 262={asked.split()[1]} 281=0 58=not now")

    desk.find(InstrumentChanged("BTC/USD", POST_ONLY))
    assert symbols_of(desk.asked()) == ["BTC/USD"]
    desk.find(TradingStatusArrived(102))
    assert desk.asked() == []
    desk.find(TradingStatusArrived(2))
    assert symbols_of(desk.asked()) == ["ETH/USD"]
    desk.find(TradingStatusArrived(2))
    assert desk.asked() == []


def test_first_status_of_a_session_asks_for_nothing() -> None:
    """A refusal before the answer to the status request is not undone by it."""
    desk = Desk("BTC/USD")
    desk.open(listed=listing("BTC/USD"))
    desk.venue(f"35=Y 262={desk.asked()[-1].split()[1]} 281=0 58=no")

    desk.find(TradingStatusArrived(2))

    assert desk.asked() == []


def test_more_symbols_than_a_run_takes_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Past the limit a symbol is not asked for, the others go on, and the summary says so."""
    monkeypatch.setattr("capture.subscriber.SYMBOLS_LIMIT", 3)
    desk = standing("*/USD")

    desk.find(InstrumentChanged("NEW/USD", ONLINE))

    assert desk.asked() == []
    assert desk.subscriber.shortfalls() == {"others": "not recorded, a run takes 3 symbols at most"}


# Precision.


def test_changed_precision_is_a_new_subscription_at_once() -> None:
    """Even where the book failed before and would wait, and before all others that wait for their turn."""
    desk = Desk("all")
    desk.open(listed=listing("BTC/USD", *(f"S{number}/USD" for number in range(OUTSTANDING_LIMIT + 5))))
    asked = desk.asked()[3:]
    desk.serve(asked[0])
    for _ in range(3):
        desk.break_book(md_req_id(desk))
    old = md_req_id(desk)
    desk.asked()

    desk.find(InstrumentChanged("BTC/USD", ONLINE, precision_changed=True))
    assert desk.asked() == [], "as many requests are open as may be"
    desk.serve(asked[1])

    stop, begin = desk.asked()
    assert stop == f"stop {old} BTC/USD"
    assert symbols_of([begin]) == ["BTC/USD"]


def test_precision_that_changes_before_the_snapshot_asks_anew() -> None:
    """A snapshot that was asked for under the old precision is not waited for."""
    desk = Desk("BTC/USD")
    desk.open(listed=listing("BTC/USD"))
    first = desk.asked()[-1]

    desk.find(InstrumentChanged("BTC/USD", ONLINE, precision_changed=True))

    stop, begin = desk.asked()
    assert stop == first.replace("subscribe", "stop")
    assert begin.startswith("subscribe M3-")
    assert desk.pass_by(14.9) == []


@pytest.mark.parametrize("suspect_first", [True, False])
def test_precision_change_with_its_suspect_book_is_one_subscription(suspect_first: bool) -> None:
    """The feed finds the book suspect and the precision changed; both together ask once, in either order."""
    desk = standing("*/USD")
    both = [BookSuspect("XMR/USD", "precision"), InstrumentChanged("XMR/USD", ONLINE, precision_changed=True)]

    desk.find(*both[:: 1 if suspect_first else -1])

    assert [it.partition(" ")[0] for it in desk.asked()] == ["stop", "subscribe"]


# What it costs.


class Unwalked(dict):  # type: ignore[type-arg]
    """A dictionary that may be looked into but not walked through."""

    def __iter__(self) -> None:  # type: ignore[override]
        raise AssertionError("walked through")

    keys = values = items = __iter__  # type: ignore[assignment]


def test_nothing_walks_all_symbols_without_need() -> None:
    """With two thousand books standing, neither time nor a message nor a suspect book looks at all of them."""
    names = [f"S{number}/USD" for number in range(2_000)]
    desk = Desk("all")
    desk.open(listed=listing(*names))
    while asked := [it for it in desk.asked() if it.startswith("subscribe")]:
        for it in asked:
            desk.serve(it)
    subscriber = desk.subscriber
    assert subscriber.settled
    subscriber._wanted = Unwalked(subscriber._wanted)
    subscriber._statuses = Unwalked(subscriber._statuses)

    assert desk.pass_by(100) == []
    desk.break_book(md_req_id(desk, "S7/USD"), symbol="S7/USD")
    assert symbols_of(desk.asked()) == ["S7/USD"]
    desk.find(InstrumentChanged("S9/USD", DELISTED))
    assert symbols_of(desk.asked(), "stop") == ["S9/USD"]
    assert not subscriber.settled


def test_no_request_is_lost_over_two_thousand_symbols() -> None:
    """A gap makes every book suspect; each is subscribed anew, so many at a time, until all stand."""
    names = [f"S{number}/USD" for number in range(2_000)]
    desk = Desk("all")
    desk.open(listed=listing(*names))
    counts = []
    for _ in range(2):
        served: list[str] = []
        while asked := [it for it in desk.asked() if it.startswith("subscribe")]:
            counts.append(len(asked))
            served += symbols_of(asked)
            for it in asked:
                desk.serve(it)
        assert sorted(served) == sorted(names)
        missing = desk._their_next
        desk.venue("35=0", seq=missing + 3)
        desk.venue(f"35=4 43=Y 123=Y 36={missing + 3}", seq=missing)

    assert max(counts) <= OUTSTANDING_LIMIT
