"""What is asked of the venue, and when it is asked again."""

import pytest
from desk import Desk, standing
from fix import SECOND, listing

from capture.errors import SymbolUnknown
from capture.subscriber import LIST_REQUESTS_LIMIT, OUTSTANDING_LIMIT


def test_list_is_asked_for_after_each_logon() -> None:
    """The first thing said on a session is the request for the list, under a new id."""
    desk = Desk("BTC/USD")
    desk.open()
    (_, first) = desk.asked()
    desk.close()
    desk.after(60)
    desk.open()
    (_, second) = desk.asked()

    assert first.startswith("list L1-")
    assert second.startswith("list L1-")
    assert first != second


def test_each_symbol_is_asked_for_alone_under_its_own_id() -> None:
    """One request a symbol, each with a new MDReqID that carries the second of the session."""
    desk = Desk("BTC/USD", "ETH/USD")
    desk.open(listed=listing("BTC/USD", "ETH/USD", "XMR/USD"))

    _, _, first, second = desk.asked()

    stem = first.split()[1].partition("-")[2]
    assert first == f"subscribe M2-{stem} BTC/USD"
    assert second == f"subscribe M3-{stem} ETH/USD"
    assert len(first.split()[1]) <= 20
    assert not desk.subscriber.settled


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
    assert desk.subscriber.unknown == ("XMR/USD",)
    desk.asked()

    desk.venue(listing("XMR/USD"))

    assert [it.split()[2] for it in desk.asked()] == ["XMR/USD"]
    assert desk.subscriber.unknown == ()


def test_mismatch_stops_the_subscription_and_begins_a_new_one() -> None:
    """The old one is stopped under its id, and a new one is asked for at once, in this order."""
    desk = standing("BTC/USD", "ETH/USD")
    old = desk.feed.by_symbol["BTC/USD"].request.md_req_id

    desk.break_book(old)

    stop, begin = desk.asked()
    assert stop == f"stop {old} BTC/USD"
    assert begin.startswith("subscribe M4-")


def test_retries_back_off() -> None:
    """A book that does not hold is asked for at once, then after 1, 2, 4 s and so on; in between nothing is asked."""
    desk = standing("BTC/USD")
    desk.break_book(desk.feed.by_symbol["BTC/USD"].request.md_req_id)
    waited = []

    for _ in range(9):
        desk.serve(next(it for it in desk.asked() if it.startswith("subscribe")))
        desk.break_book(desk.feed.by_symbol["BTC/USD"].request.md_req_id)
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
        desk.break_book(desk.feed.by_symbol["BTC/USD"].request.md_req_id)
        (_, begin) = desk.asked() or desk.pass_by(1)
        desk.serve(begin)
    desk.pass_by(60)

    desk.break_book(desk.feed.by_symbol["BTC/USD"].request.md_req_id)

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


def test_gap_asks_for_every_book_anew() -> None:
    """A hole in the session is a hole in every book: each is subscribed anew, once."""
    desk = standing("BTC/USD", "ETH/USD")
    desk.venue("35=0", seq=20)

    asked = [it.partition(" ")[0] for it in desk.asked()]

    assert asked == ["2", "stop", "subscribe", "stop", "subscribe"]


def test_refused_symbol_is_not_asked_for_again() -> None:
    """A refusal for good is kept with its text for the rest of the session, and the others go on."""
    desk = Desk("BTC/USD", "ETH/USD")
    desk.open(listed=listing("BTC/USD", "ETH/USD"))
    refused, served = desk.asked()[-2:]
    desk.serve(served)

    desk.venue(f"35=Y 262={refused.split()[1]} 281=0 58=Unknown symbol: BTC/USD")

    assert desk.subscriber.rejected == {"BTC/USD": "Unknown symbol: BTC/USD"}
    assert desk.subscriber.settled
    assert desk.pass_by(100) == []
    desk.close()
    desk.open(listed=listing("BTC/USD", "ETH/USD"))
    assert len(desk.asked()) == 4, "the next session asks for it again"


def test_refusal_without_a_text_names_its_reason() -> None:
    """A reject that says nothing is told by its number."""
    desk = Desk("BTC/USD")
    desk.open(listed=listing("BTC/USD"))
    desk.venue(f"35=Y 262={desk.asked()[-1].split()[1]} 281=5")

    assert desk.subscriber.rejected == {"BTC/USD": "MDReqRejReason(281) 5"}


def test_duplicate_id_is_answered_by_a_new_one() -> None:
    """A reject of the id and not of the symbol leads to another id."""
    desk = Desk("BTC/USD")
    desk.open(listed=listing("BTC/USD"))
    first = desk.asked()[-1].split()[1]

    desk.venue(f"35=Y 262={first} 281=1 58=Duplicate MDReqID")

    assert [it.split()[0] for it in desk.asked()] == ["subscribe"]
    assert desk.subscriber.rejected == {}


def test_reject_of_an_old_subscription_changes_nothing() -> None:
    """A late reject under an id that is no longer used is passed over."""
    desk = standing("BTC/USD")
    old = desk.feed.by_symbol["BTC/USD"].request.md_req_id
    desk.break_book(old)
    desk.serve(desk.asked()[-1])

    desk.venue(f"35=Y 262={old} 281=4 58=what")

    assert desk.subscriber.rejected == {}
    assert desk.subscriber.settled


def test_no_more_than_so_many_requests_are_open() -> None:
    """The pace of subscribing follows the venue's: a new request goes out as a snapshot comes in."""
    symbols = [f"S{number}/USD" for number in range(OUTSTANDING_LIMIT + 3)]
    desk = Desk("all")
    desk.open(listed=listing(*symbols))
    open_requests = desk.asked()[2:]
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


@pytest.mark.parametrize("by_us", [True, False])
def test_nothing_is_asked_after_a_logout(by_us: bool) -> None:
    """Once either side has said its Logout, no request goes out, whatever is found."""
    desk = standing("BTC/USD")
    md_req_id = desk.feed.by_symbol["BTC/USD"].request.md_req_id
    if by_us:
        desk.session.log_out("")
        desk.flush()
    else:
        desk.venue("35=5")
    desk.asked()

    desk.break_book(md_req_id)

    assert desk.asked() == []
    assert desk.pass_by(30) == []


def test_wants_survive_the_session() -> None:
    """A new session asks for the same symbols under ids that no session used before."""
    desk = standing("BTC/USD")
    before = desk.feed.by_symbol["BTC/USD"].request.md_req_id
    desk.close()
    desk.after(5)
    desk.open(listed=listing("BTC/USD"))

    assert desk.asked()[-1].endswith(" BTC/USD")
    assert desk.asked() == []
    assert desk.feed.by_symbol["BTC/USD"].request.md_req_id != before


def test_time_is_what_the_owner_says() -> None:
    """Nothing happens by itself: without a tick no time passes."""
    desk = Desk("BTC/USD")
    desk.open(listed=listing("BTC/USD"))
    desk.asked()
    desk.now_ns += 3600 * SECOND

    desk.flush()

    assert desk.asked() == []
