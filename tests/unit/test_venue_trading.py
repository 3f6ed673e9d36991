"""The simulated venue's order entry: who may log on, what is refused and how, what trades, what a disconnect does."""

import pytest
from trading import KEY, SECRET, WALL_NS, D
from venues import recordings

from capture.session.session import Role, Session, SessionSettings
from capture.trading.credentials import Credentials
from capture.trading.orders import Side
from capture.venue.exchange import Exchange
from capture.venue.matching import MatchingBook, Standing
from capture.venue.trading import TradingAcceptor, TradingVenueSettings
from capture.wire import values
from capture.wire.framer import Framer
from capture.wire.message import parse

BEST_OFFER, BEST_BID = D("1877.3"), D("1877.29")  # Of the recording that is served.
TIME = values.timestamp_text(WALL_NS)
MILLISECONDS = WALL_NS // 10**6


class Client:
    """A client of the acceptor, which sends what it is told and keeps what comes."""

    def __init__(self, exchange, *, sender=b"CLIENT", settings=None, nonce=None, key=KEY, secret=SECRET, **logon):
        self.acceptor = TradingAcceptor(exchange, settings or TradingVenueSettings(), Credentials(KEY, SECRET))
        nonce = nonce or exchange.nonces.get(key.encode(), MILLISECONDS - 1) + 1

        def logon_fields(number):
            password = Credentials(key, secret).password(
                msg_seq_num=number, sender=sender, target=b"KRAKEN-TRD", nonce=nonce
            )
            more = tuple((int(tag[1:]), value) for tag, value in logon.items())
            return ((553, key.encode()), (554, password), (5025, b"%d" % nonce), *more)

        self.session = Session(
            SessionSettings(Role.INITIATOR, sender=sender, target=b"KRAKEN-TRD", logon_fields=logon_fields)
        )
        self.framer = Framer()
        self.got = []
        self.acceptor.opened(0)
        self.session.opened(0)
        self.step()

    def step(self):
        """Carry messages until there are none."""
        while True:
            frames = []
            while (frame := self.session.next_frame(WALL_NS)) is not None:
                self.session.sent(parse(frame), 0)
                frames.append(frame)
            self.acceptor.received(b"".join(frames), WALL_NS, 0)
            self.acceptor.tick(WALL_NS, 0)
            data = self.acceptor.take_bytes()
            if not frames and not data:
                return
            for item in self.framer.feed(data):
                message = parse(item.data)
                self.got.append(message)
                self.session.receive(message, WALL_NS, 0)

    def ask(self, msg_type, **fields):
        """Send a request; return what came since, as MsgType and chosen fields."""
        self.got.clear()
        self.session.send(msg_type, tuple((int(tag[1:]), str(value).encode()) for tag, value in fields.items()))
        self.step()
        return list(self.got)

    def order(self, cl_ord_id, side="1", quantity="1", price="1000", **more):
        """Place a limit order; `price=None` is a market order."""
        fields = {"t11": cl_ord_id, "t38": quantity, "t40": 1 if price is None else 2, "t44": price, "t54": side}
        fields |= {"t55": "ETH/USD", "t59": 1, "t60": TIME.decode(), **more}
        return self.ask(b"D", **{tag: value for tag, value in fields.items() if value is not None})


@pytest.fixture
def exchange():
    """Order entry for one recorded symbol."""
    return Exchange(recordings("ethusd-d25"))


def said(messages, *tags):
    """The values of some fields, message by message, as text."""
    return [tuple(it.text(tag) for tag in tags) for it in messages]


def test_the_book_is_that_of_the_recording(exchange):
    """Best prices of its first snapshot."""
    book = exchange.books["ETH/USD"]

    assert (book.best(Side.SELL), book.best(Side.BUY)) == (BEST_OFFER, BEST_BID)


def test_a_signed_logon_is_answered_without_the_credentials(exchange):
    """The reply shows neither key nor password."""
    (reply,) = Client(exchange).got

    assert (reply.msg_type, reply.get(553), reply.get(554)) == (b"A", None, None)


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ({"secret": "d3Jvbmc="}, "invalid signature"),
        ({"key": "OTHER"}, "invalid key"),
        ({"nonce": MILLISECONDS + 5001}, "nonce more than 5000 ms"),
        ({"nonce": MILLISECONDS - 5001}, "nonce more than 5000 ms"),
        ({"sender": b"STRANGER"}, "unknown SenderCompID"),
    ],
)
def test_a_logon_that_proves_nothing_is_refused_by_a_logout(exchange, wrong, text):
    """Text(58) says "authentication failure" and why; the connection is to be closed."""
    client = Client(exchange, settings=TradingVenueSettings(clients=frozenset({b"CLIENT"})), **wrong)

    ((msg_type, reason),) = said(client.got, 35, 58)
    assert msg_type == "5"
    assert reason.startswith("authentication failure")
    assert text in reason
    assert client.acceptor.session.close_reason


@pytest.mark.parametrize("second", [0, -1])
def test_a_nonce_counts_once_and_only_upwards(exchange, second):
    """Over connections."""
    Client(exchange, nonce=MILLISECONDS)

    client = Client(exchange, nonce=MILLISECONDS + second)

    assert "nonce not above the last one" in client.got[0].text(58)


def test_a_logon_without_credentials_is_refused(exchange):
    """As a market-data client would send it."""
    acceptor = TradingAcceptor(exchange, TradingVenueSettings(), Credentials(KEY, SECRET))
    session = Session(SessionSettings(Role.INITIATOR, sender=b"CLIENT", target=b"KRAKEN-TRD"))
    acceptor.opened(0)
    session.opened(0)

    acceptor.received(session.next_frame(WALL_NS), WALL_NS, 0)

    assert b"\x0135=5\x01" in acceptor.take_bytes()
    assert acceptor.session.close_reason


def test_an_order_below_the_market_is_acknowledged_as_in_the_venues_example(exchange):
    """150=0, 39=0, nothing filled, and the order in words."""
    (report,) = Client(exchange).order(11, quantity="0.5")

    assert said([report], 35, 11, 39, 150, 14, 151, 38, 6, 58) == [
        ("8", "11", "0", "0", "0", "0.5", "0.5", "0", "buy 0.5 ETH/USD @ limit 1000")
    ]
    body = [tag for tag, _ in report.fields[7:-1]]
    assert body == sorted(body)


def test_a_market_order_goes_through_several_levels(exchange):
    """New, a trade for each level, then filled; the average is exact."""
    reports = Client(exchange).order(11, quantity="2.5", price=None)

    assert said(reports, 39, 150)[0] == ("0", "0")
    assert set(said(reports[1:-1], 39, 150)) == {("1", "F")}
    assert said(reports[-1:], 39, 150, 14, 151) == [("2", "F", "2.5", "0")]
    assert sum(D(it.text(32)) for it in reports[1:]) == D("2.5")


def test_a_limit_order_that_crosses_takes_up_to_its_price_and_stands(exchange):
    """What is left is live at its price, and other clients can take it."""
    first, second = Client(exchange), Client(exchange, sender=b"OTHER")

    taken = first.order(11, quantity="5", price=BEST_OFFER)
    sold = second.order(11, side="2", quantity="0.5", price=BEST_OFFER)
    first.got.clear()
    first.step()

    assert said(taken, 39, 14, 151) == [("0", "0", "5"), ("1", "2.39751185", "2.60248815")]
    assert said(sold, 39, 31) == [("0", ""), ("2", str(BEST_OFFER))]
    assert said(first.got, 11, 39, 14) == [("11", "1", "2.89751185")]


@pytest.mark.parametrize(("tif", "filled"), [(3, "2.39751185"), (4, "0")])
def test_what_may_not_stand_is_canceled(exchange, tif, filled):
    """Immediate-or-cancel takes what there is, fill-or-kill all or nothing."""
    reports = Client(exchange).order(11, quantity="5", price=BEST_OFFER, t59=tif)

    assert said(reports[-1:], 39, 14, 151) == [("4", filled, "0")]


def test_nobody_trades_with_himself(exchange):
    """The newest order goes."""
    client = Client(exchange)
    client.order(11, side="2", price="1877.295", quantity="1")

    reports = client.order(12, price="1877.295", quantity="1")

    assert said(reports, 11, 39) == [("12", "0"), ("12", "4")]


@pytest.mark.parametrize("tag", ["t38", "t40", "t44", "t54", "t55", "t59", "t60"])
def test_a_missing_field_is_a_reject_that_names_it(exchange, tag):
    """35=3 with 45, 371, 372 and 373=1."""
    client = Client(exchange)
    (reject,) = client.order(11, **{tag: None})

    assert said([reject], 35, 45, 371, 372, 373) == [("3", "2", tag[1:], "D", "1")]
    assert reject.text(58).startswith("Missing mandatory field: ")


@pytest.mark.parametrize(
    ("bad", "reason"), [({"t54": "9"}, "5"), ({"t40": "Z"}, "5"), ({"t38": "1e3"}, "6"), ({"t44": "-1"}, "5")]
)
def test_a_bad_value_is_a_reject(exchange, bad, reason):
    """373=5 out of range, 373=6 bad format."""
    (reject,) = Client(exchange).order(11, **bad)

    assert said([reject], 35, 373) == [("3", reason)]


@pytest.mark.parametrize(
    ("bad", "reason", "text"),
    [
        ({"t55": "NO/NE"}, "2", "Unknown asset pair"),
        ({"t38": "1000000"}, "0", "EOrder:Insufficient funds"),
    ],
)
def test_an_order_that_cannot_be_is_a_business_reject(exchange, bad, reason, text):
    """35=j as captured: 45 is 0, 379 is the ClOrdID."""
    (reject,) = Client(exchange).order(11, **bad)

    assert said([reject], 35, 45, 372, 379, 380) == [("j", "0", "D", "11", reason)]
    assert text in reject.text(58)


def test_cl_ord_ids_must_rise_until_the_watermark_is_reset(exchange):
    """Over connections; 5030=Y forgets it."""
    Client(exchange).order(11)
    again = Client(exchange)

    assert said(again.order(11), 35, 380) == [("j", "0")]
    assert said(Client(exchange, t5030=b"Y").order(11), 35, 39) == [("8", "0")]


def test_an_unsupported_type_is_refused(exchange):
    """380=3."""
    assert said(Client(exchange).ask(b"G", t11=5), 35, 372, 380) == [("j", "G", "3")]


def test_a_cancel_by_the_last_cl_ord_id_and_a_second_one(exchange):
    """39=4 under the cancel's own 11, with 41; then there is no such order any more."""
    client = Client(exchange)
    client.order(11)
    cancel = {"t41": 11, "t54": 1, "t55": "ETH/USD", "t60": TIME.decode()}

    assert said(client.ask(b"F", t11=12, **cancel), 35, 11, 41, 39, 151) == [("8", "12", "11", "4", "0")]
    assert said(client.ask(b"F", t11=13, **cancel), 35, 379, 380) == [("j", "13", "101")]


def test_nobody_cancels_or_sees_an_order_of_another_sender(exchange):
    """It is unknown to him."""
    order_id = Client(exchange).order(11)[0].text(37)
    other = Client(exchange, sender=b"OTHER")
    which = {"t37": order_id, "t54": 1, "t55": "ETH/USD", "t60": TIME.decode()}

    assert said(other.ask(b"F", t11=12, **which), 35, 380) == [("j", "101")]
    assert said(other.ask(b"H", t11=13, **which), 35, 380) == [("j", "101")]


@pytest.mark.parametrize(("scope", "gone"), [("1", ["22"]), ("6", ["22"]), ("7", ["11", "22"])])
def test_a_mass_cancel_reaches_as_far_as_it_says(exchange, scope, gone):
    """1 and 6: this connection; 7: whatever the sender has. Each order has its report."""
    Client(exchange, t8674=b"1").order(11)
    client = Client(exchange)
    client.order(22)

    reports = client.ask(b"q", t11=33, t55="ETH/USD", t60=TIME.decode(), t530=scope)

    assert said(reports, 41, 39) == [(it, "4") for it in gone]


def test_a_mass_cancel_of_nothing_is_silence(exchange):
    """No reply is described, so there is none."""
    assert Client(exchange).ask(b"q", t11=33, t60=TIME.decode(), t530=7) == []


def test_a_status_request_tells_how_an_order_stands(exchange):
    """150=I, also of an order that is closed."""
    client = Client(exchange)
    order_id = client.order(11, price=None)[0].text(37)

    reports = client.ask(b"H", t11=12, t37=order_id, t55="ETH/USD")

    assert said(reports, 11, 150, 39, 14) == [("12", "I", "2", "1")]


@pytest.mark.parametrize(
    ("cancel", "orderly", "settings", "left"),
    [(b"0", False, {}, 0), (b"1", False, {}, 1), (b"0", True, {}, 1), (b"0", True, {"cancel_on_disconnect": "any"}, 0)],
)
def test_a_disconnect_takes_orders_with_it_unless_told_otherwise(exchange, cancel, orderly, settings, left):
    """8674: 0 cancels, 1 leaves; an orderly Logout is no disconnect, but for a switch."""
    client = Client(exchange, t8674=cancel, settings=TradingVenueSettings(**settings))
    client.order(11)
    if orderly:
        client.session.log_out("")
        client.step()

    client.acceptor.closed(WALL_NS)

    assert len(exchange.open_orders(b"CLIENT")) == left


def test_a_second_logon_evicts_the_first_and_its_orders_with_it(exchange):
    """Reports go to the newcomer; a switch refuses it instead."""
    first = Client(exchange)
    first.order(11)

    second = Client(exchange)
    first.acceptor.closed(WALL_NS)
    third = Client(exchange, settings=TradingVenueSettings(second_logon="refuse"))

    assert first.acceptor.session.close_reason == "the same SenderCompID logged on elsewhere"
    assert exchange.open_orders(b"CLIENT") == []
    assert "logged on already" in third.got[0].text(58)
    second.step()
    assert said(second.got[1:], 35, 11, 39) == [("8", "11", "4")]
    assert said(second.order(12), 35, 11) == [("8", "12")]


@pytest.mark.parametrize(("mass_cancel", "gone"), [("sender", ["22"]), ("account", ["11", "22"])])
def test_the_widest_mass_cancel(exchange, mass_cancel, gone):
    """530=7 is every order of the SenderCompID, or of the account, whoever placed it; each owner has his report."""
    other = Client(exchange, sender=b"OTHER")
    other.order(11)
    client = Client(exchange, settings=TradingVenueSettings(mass_cancel=mass_cancel))
    client.order(22)

    reports = client.ask(b"q", t11=33, t60=TIME.decode(), t530="7")
    other.got.clear()
    other.step()

    assert [it.text(41) for it in (*other.got, *reports)] == gone
    assert exchange.open_orders(None) == exchange.open_orders(b"OTHER")


@pytest.mark.parametrize(
    ("seconds", "off_s", "refused"),
    [(0, None, False), (120, None, True), (120, 119, False), (120, -119, False), (120, 121, True), (120, -121, True)],
)
def test_the_time_in_a_cl_ord_id(exchange, seconds, off_s, refused):
    """Any rising number is taken, or one of microseconds that are near the venue's clock."""
    client = Client(exchange, settings=TradingVenueSettings(cl_ord_id_seconds=seconds))
    cl_ord_id = 11 if off_s is None else WALL_NS // 1000 + off_s * 10**6

    (answer,) = client.order(cl_ord_id)

    assert said([answer], 35) == [("j" if refused else "8",)]
    assert ("timestamp is out of date" in answer.text(58)) == refused


@pytest.mark.parametrize(
    ("nonce", "late", "low"), [("both", True, True), ("rising", False, True), ("window", True, False)]
)
def test_what_a_nonce_has_to_be(exchange, nonce, late, low):
    """Near the clock and above the last one, or one of both."""
    settings = TradingVenueSettings(nonce=nonce)
    far = Client(exchange, settings=settings, nonce=MILLISECONDS + 5001)
    exchange.nonces.clear()
    Client(exchange, settings=settings, nonce=MILLISECONDS)
    again = Client(exchange, settings=settings, nonce=MILLISECONDS)

    assert [it.got[0].msg_type for it in (far, again)] == [b"5" if late else b"A", b"5" if low else b"A"]


@pytest.mark.parametrize(("business_ref", "number"), [("zero", "0"), ("number", "2")])
def test_the_number_in_a_refusal(exchange, business_ref, number):
    """0 as captured, or what is refused."""
    client = Client(exchange, settings=TradingVenueSettings(business_ref=business_ref))

    assert said(client.order(11, t55="NO/NE"), 35, 45) == [("j", number)]


def test_a_reject_without_its_tags(exchange):
    """As in the older capture: the number, and the text."""
    client = Client(exchange, settings=TradingVenueSettings(reject_tags=False))

    (reject,) = client.order(11, t54=None)

    assert said([reject], 45, 58, 371, 372, 373) == [("2", "Missing mandatory field: Side (54)", "", "", "")]


@pytest.mark.parametrize(("garbled", "answered"), [("ignored", []), ("rejected", [("3", "2", "D")])])
def test_a_garbled_order(exchange, garbled, answered):
    """It is never carried out; under a switch it is rejected too."""
    client = Client(exchange, settings=TradingVenueSettings(garbled=garbled))
    client.got.clear()
    client.session.send(b"D", ((11, b"11"), (55, b"ETH/USD")))
    data = client.session.next_frame(WALL_NS)
    client.session.sent(parse(data), 0)
    client.acceptor.received(data[:-4] + b"%03d\x01" % ((int(data[-4:-1]) + 1) % 256), WALL_NS, 0)
    client.session.send(b"D", ())

    client.step()

    rejected = [it for it in client.got if it.msg_type == b"3" and it.text(45) == "2"]
    assert said(rejected, 35, 45, 372) == answered
    assert exchange.placed_count == 0


@pytest.mark.parametrize(
    ("rollover", "said_first", "orders"), [("logout", "5", 1), ("close", "", 0), ("reset", "A", 1)]
)
def test_a_roll_over_of_order_entry(exchange, rollover, said_first, orders):
    """A Logout or a reset in place leaves orders alone; a close without a word is a disconnect, which takes them."""
    client = Client(exchange, settings=TradingVenueSettings(rollover=rollover))
    client.order(11)
    client.got.clear()

    client.acceptor.roll_over(WALL_NS, 0)
    client.step()
    if rollover != "reset":
        client.acceptor.closed(WALL_NS)

    assert said(client.got[:1], 35) == ([(said_first,)] if said_first else [])
    assert len(exchange.open_orders(b"CLIENT")) == orders


def test_price_comes_before_time():
    """Better prices first, and at one price whoever came first."""
    book = MatchingBook()
    for order_id, price in (("late", "3"), ("early", "2"), ("second", "2"), ("best", "1")):
        book.rest(Side.SELL, Standing(D(price), D("1"), order_id))

    fills, left = book.take(Side.BUY, D("3.5"), D("2"), b"TAKER")

    assert [it.maker_order_id for it in fills] == ["best", "early", "second"]
    assert (left, book.best(Side.SELL)) == (D("0.5"), D("3"))
