"""What the simulated venue answers: lists, status, and each documented refusal, field by field."""

import pytest
from peer import Peer, told

from capture.errors import MisuseError
from capture.venue import recording
from capture.venue.listing import Listing
from capture.venue.settings import FAST, VenueSettings

V = "35=V 146=1 55=ETH/USD 262={id} 263=1 264={depth} 265=1 267=3 269=0 269=1 269=2"


@pytest.fixture(scope="module")
def source():
    """Two recordings: BTC/USD at 10 and ETH/USD at 25."""
    return recording.load([recording.SHIPPED / f"{name}.fix.gz" for name in ("btcusd-d10-resubscribe", "ethusd-d25")])


@pytest.fixture
def peer(source):
    """A client logged on."""
    return Peer(source)


def subscribe(md_req_id="M1", depth=25):
    """A request for ETH/USD."""
    return V.format(id=md_req_id, depth=depth)


# The list.


def test_one_instrument(peer):
    """559=0 gives the one that was asked for, its fields in the order as captured."""
    (answer,) = peer.say("35=x 55=BTC/USD 320=L1 559=0")

    assert told(answer) == (
        "35=y 320=L1 560=0 146=1 55=BTC/USD 562=0.00000001 5010=8 5011=0.00000001 2349=1 5022=0.1 5032=1"
    )
    assert answer.get(322)


def test_all_instruments(peer):
    """559=4 gives every instrument."""
    (answer,) = peer.say("35=x 320=L1 559=4")

    assert [value for tag, value in answer.fields if tag == 55] == [b"BTC/USD", b"ETH/USD"]


@pytest.mark.parametrize(
    ("request_text", "answer_text"),
    [
        ("559=0 55=FOO/BAR", "560=2 58=Unknown symbol: FOO/BAR"),
        ("559=1 167=FUT", "560=2 58=No instruments of SecurityType: FUT"),
        ("559=3", "560=1 58=Unsupported InstrumentListRequestType: 3"),
        ("559=4 263=7", "560=1 58=Unsupported SubscriptionRequestType: 7"),
    ],
)
def test_lists_that_cannot_be_had(peer, request_text, answer_text):
    """A list that cannot be had is a result and a text, without the group."""
    (answer,) = peer.say(f"35=x 320=L1 {request_text}")

    assert told(answer) == f"35=y 320=L1 {answer_text}"


def test_spot_is_cash(peer):
    """559=1 with 167=CASH gives every instrument of this venue."""
    (answer,) = peer.say("35=x 320=L1 559=1 167=CASH")

    assert answer.get(146) == b"2"


def test_a_long_list_comes_in_fragments(source):
    """Past the set size a list is in fragments, each with the total, the last one marked."""
    answers = Peer(source, fragment=1).say("35=x 320=L1 559=4")

    assert [(it.get(393), it.get(893), it.get(146)) for it in answers] == [(b"2", b"N", b"1"), (b"2", b"Y", b"1")]


def test_a_change_is_pushed_to_who_asked(source):
    """With 263=1 a changed instrument comes as a further y with the same 320; without, nothing comes."""
    listing = Listing(source, VenueSettings())
    asked, other = Peer(source, listing=listing), Peer(source, listing=listing)
    asked.say("35=x 263=1 320=L1 559=4")
    other.say("35=x 263=0 320=L1 559=4")

    listing.update("ETH/USD", status=2)
    for it in (asked, other):
        it.acceptor.instrument_changed("ETH/USD", it.now_ns, it.mono_ns)

    (pushed,) = asked.pushed()
    assert told(pushed).startswith("35=y 320=L1 560=0 146=1 55=ETH/USD ")
    assert pushed.get(5032) == b"2"
    assert other.pushed() == []


def test_updates_end_when_asked_to(source):
    """263=2 with the same 320 ends the updates of the list."""
    peer = Peer(source)
    peer.say("35=x 263=1 320=L1 559=4")
    assert peer.say("35=x 263=2 320=L1 559=4") == []

    peer.acceptor.instrument_changed("ETH/USD", peer.now_ns, peer.mono_ns)

    assert peer.pushed() == []


def test_a_new_instrument_is_listed(source):
    """An unknown symbol that is updated is listed; a hidden one is not."""
    peer = Peer(source)
    peer.acceptor.listing.update("NEW/USD", price_precision=3)
    peer.acceptor.listing.update("BTC/USD", status=0)

    (answer,) = peer.say("35=x 320=L1 559=4")

    assert [value for tag, value in answer.fields if tag == 55] == [b"ETH/USD", b"NEW/USD"]


def test_a_delisted_instrument_stops(source):
    """Status 6 ends its stream, and a new request for it is refused."""
    peer = Peer(source)
    peer.say(subscribe())
    assert len(peer.play(5)) == 5
    peer.acceptor.listing.update("ETH/USD", status=6)
    peer.acceptor.instrument_changed("ETH/USD", peer.now_ns, peer.mono_ns)

    assert peer.play(5) == []
    assert told(peer.say(subscribe("M2"))[0]).endswith("262=M2 281=0")


@pytest.mark.parametrize("changes", [{"colour": 1}, {"price_precision": 0}])
def test_changes_that_cannot_be(source, changes):
    """An unknown change is misuse, and so is a precision that falls: what was sent would no longer be exact."""
    with pytest.raises(MisuseError):
        Listing(source, VenueSettings()).update("ETH/USD", **changes)


def test_precisions_can_come_with_a_point(source):
    """A switch writes 2349 and 5010 as the tables type them."""
    (answer,) = Peer(source, precision_text="float").say("35=x 55=BTC/USD 320=L1 559=0")

    assert (answer.get(2349), answer.get(5010)) == (b"1.0", b"8.0")


# The status.


def test_the_status(peer):
    """35=g is answered with the status as Kraken numbers it."""
    (answer,) = peer.say("35=g 263=0 335=TSS0 336=SESSION")

    assert told(answer) == "35=h 335=TSS0 336=SESSION 340=2"


def test_a_status_change_is_pushed_to_who_asked(peer):
    """With 263=1 each change follows under the same 335."""
    peer.say("35=g 263=1 335=TSS0 336=SESSION")
    peer.acceptor.listing.status = 102

    peer.acceptor.status_changed(peer.now_ns, peer.mono_ns)

    assert [told(it) for it in peer.pushed()] == ["35=h 335=TSS0 336=SESSION 340=102"]


@pytest.mark.parametrize(
    ("request_text", "reason"),
    [
        ("263=0 335=A 336=OTHER", "1"),
        ("263=0 335=" + "A" * 65 + " 336=SESSION", "100"),
        ("263=7 335=A 336=SESSION", "101"),
        ("263=0 335=TAKEN 336=SESSION", "102"),
        ("263=1 335=A 336=SESSION", "103"),
    ],
)
def test_status_requests_that_are_refused(peer, request_text, reason):
    """Each refusal of 35=g has its reason in 567, and status 0."""
    peer.say("35=g 263=1 335=TAKEN 336=SESSION")

    (answer,) = peer.say(f"35=g {request_text}")

    assert told(answer).endswith(f"340=0 567={reason}")


def test_a_halt_stops_trades_alone(source):
    """In a status without matching books go on and trades do not."""
    recordings = recording.load([recording.SHIPPED / "spot10-d1000.fix.gz"])
    peer = Peer(recordings)
    peer.acceptor.listing.status = 1
    peer.say(subscribe().replace("ETH/USD", "XMR/USD"))

    played = peer.play(10_000)

    assert len(played) > 100
    assert not any((269, b"2") in it.fields for it in played)


# Market data: every refusal of 4.9, with the documented text.


@pytest.mark.parametrize(
    ("request_text", "answer_text"),
    [
        (subscribe().replace("ETH/USD", "TEST/TEST"),
         "58=MarketData subscription failed due to unsupported symbol: TEST/TEST 262=M1 281=0"),
        (subscribe().replace("263=1", "263=0"), "58=Unsupported subscription request type: 0 262=M1 281=4"),
        (subscribe(depth=20), "58=Unsupported market depth: 20 262=M1 281=5"),
        (subscribe().replace("265=1", "265=0"), "58=Unsupported MDUpdateType: 0 262=M1 281=6"),
        (subscribe().replace("267=3 269=0 269=1 269=2", "267=1 269=0"), "58=Unsupported MDEntryType 262=M1 281=8"),
        (subscribe().replace("267=3", "266=X 267=3"), "58=Unsupported scope: X 262=M1 281=A"),
        (subscribe().replace("267=3 269=0 269=1 269=2", "266=N 267=2 269=0 269=1"),
         "58=Level 3 not available 262=M1 281=B"),
        (subscribe().replace("267=3", "266=N 267=3"), "58=Trade not available on this request 262=M1 281=C"),
    ],
)  # fmt: skip
def test_market_data_rejects(peer, request_text, answer_text):
    """Each reason is answered as documented, and nothing is subscribed."""
    (answer,) = peer.say(request_text)

    assert told(answer) == f"35=Y {answer_text}"
    assert peer.acceptor.subscriptions == 0


def test_the_newer_texts(source):
    """The newer examples have other texts, and another order."""
    peer = Peer(source, reject_texts="newer")

    (answer,) = peer.say(subscribe().replace("ETH/USD", "FOO/BAR"))

    assert told(answer) == "35=Y 262=M1 281=0 58=Unknown symbol: FOO/BAR"


def test_a_duplicate_id(peer):
    """An MDReqID that is subscribed is taken; one that ended is free again."""
    assert peer.say(subscribe()) == []

    assert told(peer.say(subscribe())[0]) == "35=Y 58=Duplicate MDReqID 262=M1 281=1"
    assert peer.say(subscribe().replace("263=1", "263=2")) == []
    assert peer.say(subscribe()) == []


def test_an_id_can_be_taken_for_the_session(source):
    """A switch keeps an MDReqID taken after its end."""
    peer = Peer(source, md_req_id="session")
    peer.say(subscribe())
    peer.say(subscribe().replace("263=1", "263=2"))

    assert told(peer.say(subscribe())[0]).endswith("281=1")


TWO = subscribe(depth=10).replace("146=1 55=ETH/USD", "146=2 55=ETH/USD 55={other}")


def test_several_symbols_under_one_id(peer):
    """A V with two symbols plays both under its one MDReqID, and one stop ends both."""
    assert peer.say(TWO.format(other="BTC/USD")) == []
    played = peer.play(500)

    assert {it.get(55) for it in played} == {b"BTC/USD", b"ETH/USD"}
    assert {it.get(262) for it in played} == {b"M1"}
    peer.say(TWO.format(other="BTC/USD").replace("263=1", "263=2"))
    assert peer.play(500) == []


@pytest.mark.parametrize(("bad_symbol", "left"), [("reject", 0), ("skip", 1)])
def test_one_bad_symbol_among_several(source, bad_symbol, left):
    """It refuses the whole request, or under a switch itself alone."""
    peer = Peer(source, bad_symbol=bad_symbol)

    (answer,) = peer.say(TWO.format(other="FOO/BAR"))

    assert told(answer).endswith("unsupported symbol: FOO/BAR 262=M1 281=0")
    assert peer.acceptor.subscriptions == left


def test_two_subscriptions_on_one_symbol(source):
    """Two depths of one symbol side by side, unless a switch forbids it."""
    peer, strict = Peer(source), Peer(source, same_symbol=False)
    for it in (peer, strict):
        it.say(subscribe("M1", 25))

    assert peer.say(subscribe("M2", 10)) == []
    assert {it.get(262) for it in peer.play(100)} == {b"M1", b"M2"}
    assert told(strict.say(subscribe("M2", 10))[0]).endswith("281=1")


@pytest.mark.parametrize(
    ("request_text", "answer_text"),
    [
        ("35=V 146=1 55=ETH/USD 263=1 264=10 267=1 269=2",
         "58=Missing mandatory field: MDReqID (262) 371=262 372=V 373=1"),
        (subscribe().replace(" 264=25", ""), "58=Missing mandatory field: MarketDepth (264) 371=264 372=V 373=1"),
        (subscribe(depth="ten"), "58=Incorrect data format: MarketDepth (264) 371=264 372=V 373=6"),
        (subscribe().replace("146=1", "146=2"),
         "58=Incorrect NumInGroup count: NoRelatedSym (146) 371=146 372=V 373=16"),
        (subscribe("M" * 65),
         "58=Value is incorrect (out of range) for this tag: MDReqID (262) 371=262 372=V 373=5"),
        ("35=x 559=4", "58=Missing mandatory field: InstrumentReqID (320) 371=320 372=x 373=1"),
        ("35=g 335=A 336=SESSION",
         "58=Missing mandatory field: SubscriptionRequestType (263) 371=263 372=g 373=1"),
    ],
)  # fmt: skip
def test_malformed_requests(peer, request_text, answer_text):
    """What is missing or cannot be read is answered by 35=3 with tag and reason."""
    (answer,) = peer.say(request_text)

    assert told(answer) == f"35=3 45=2 {answer_text}"


def test_other_messages_are_not_of_this_session(peer):
    """A MsgType that market data does not know is 35=j, reason 3."""
    (answer,) = peer.say("35=D 11=1")

    assert told(answer) == "35=j 45=0 58=Unsupported message type 372=D 380=3"


# Other switches.


def test_stragglers(source):
    """After a stop as many messages as the switch says are still on their way."""
    peer = Peer(source, stragglers=3)
    peer.say(subscribe())
    peer.play(10)
    peer.say(subscribe().replace("263=1", "263=2"))

    assert len(peer.play(100)) == 3


def test_trades_alone(source):
    """A subscription to trades alone has no snapshot, or under a switch an empty one."""
    recordings = recording.load([recording.SHIPPED / "spot10-d1000.fix.gz"])
    request = "35=V 146=1 55=XMR/USD 262=M1 263=1 264=10 265=1 267=1 269=2"
    plain, switched = Peer(recordings), Peer(recordings, trades_snapshot=True)
    for it in (plain, switched):
        it.say(request)

    trades, with_snapshot = plain.play(10_000), switched.play(10_000)

    assert trades
    assert {it.msg_type for it in trades} == {b"X"}
    assert told(with_snapshot[0]) == "35=W 55=XMR/USD 262=M1 268=0"
    assert [told(it) for it in with_snapshot[1:]] == [told(it) for it in trades]


def test_an_idle_session_is_dropped(source):
    """Under a switch a session that subscribes to nothing is dropped after some heartbeats; one that does is not."""
    idle, busy = Peer(source, idle_heartbeats=2), Peer(source, idle_heartbeats=2)
    busy.say(subscribe())
    for it in (idle, busy):
        for _ in range(5):
            it.pass_by(30)
            it.say("35=0")

    assert idle.acceptor.session.close_reason == "no subscription"
    assert busy.acceptor.session.close_reason is None


@pytest.mark.parametrize(("how", "answered"), [("close", 0), ("logout", 1)])
def test_a_logon_that_is_refused(source, how, answered):
    """An unknown SenderCompID ends the connection at once, or after a Logout that says why."""
    settings = VenueSettings(speed=FAST, clients=frozenset({b"SOMEBODY"}), logon_failure=how)
    peer = Peer(source, settings=settings)

    assert len(peer.log) == answered
    assert all(it.msg_type == b"5" and b"SenderCompID" in it.need(58) for it in peer.log)
    assert peer.acceptor.session.close_reason == "unknown SenderCompID(49)"
