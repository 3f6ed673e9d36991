"""The trading session: a signed Logon, orders as captured, reports and refusals where they belong, nothing twice."""

from itertools import product

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis.strategies import binary, lists, sampled_from, tuples
from trading import IDENTITY, KEY, SECRET, WALL_NS, D, Desk

from capture.errors import OrderInvalid, SessionError, StoreFailed
from capture.session.states import State
from capture.trading.events import OrderChanged, ReportUnmatched, RequestRefused, StoreUnwritten
from capture.trading.orders import OPEN, TRANSITIONS, Order, OrderSignal, OrderState, OrdType, Side
from capture.trading.reports import read_execution_report
from capture.trading.requests import CancelScope, new_order_single
from capture.trading.session import TradingSettings
from capture.wire.encoder import encode
from capture.wire.message import parse


@pytest.fixture
def desk(tmp_path):
    """A session that is logged on."""
    return Desk(tmp_path).connect()


def test_every_pair_of_the_table_and_no_other():
    """A pair that is absent raises, and an order that is closed stays as it is."""
    order = Order(1, "BTC/USD", Side.BUY, OrdType.LIMIT, D("1"), D("1"), 0)
    for state, signal in product(OrderState, OrderSignal):
        standing = Order(1, "BTC/USD", Side.BUY, OrdType.LIMIT, D("1"), D("1"), 0, state=state)
        if (state, signal) in TRANSITIONS:
            assert standing.after(signal).state is TRANSITIONS[state, signal]
        else:
            with pytest.raises(SessionError):
                standing.after(signal)
    assert {state for state, _ in TRANSITIONS} == OPEN
    assert order.open


def test_the_logon_is_signed_for_its_number(desk):
    """553, 554 and 5025 follow what the session core says, and 8674 says whether orders go with the connection."""
    logon = parse(desk.frames[0])
    nonce = logon.integer(5025)
    expected = desk.ours._credentials.password(msg_seq_num=1, sender=b"CLIENT", target=b"KRAKEN-TRD", nonce=nonce)

    assert [tag for tag, _ in logon.fields][6:-1] == [52, 98, 108, 141, 553, 554, 5025, 8674]
    assert (logon.text(553), logon.get(554)) == (KEY, expected)
    assert nonce == WALL_NS // 10**6


def test_optional_fields_of_the_logon(tmp_path):
    """109, 5030 and 8674 as they are set."""
    settings = TradingSettings(
        sender=b"CLIENT", client_id=b"LINK", cancel_on_disconnect=False, force_reset_cl_ord_id=True
    )
    logon = parse(Desk(tmp_path, settings=settings).connect().frames[0])

    assert (logon.text(109), logon.text(5030), logon.text(8674)) == ("LINK", "Y", "1")


def test_the_nonce_rises_over_restarts_even_if_the_clock_goes_back(desk):
    """Each Logon has a nonce of its own, above every earlier one."""
    desk.restart()
    desk.wall_ns -= 10**12
    desk.connect()
    nonces = [parse(it).integer(5025) for it in desk.frames if parse(it).msg_type == b"A"]

    assert nonces[1] == nonces[0] + 1


def test_an_order_is_the_bytes_of_the_capture():
    """The venue's own example of a NewOrderSingle, byte for byte."""
    order = Order(1688738168, "BTC/USD", Side.BUY, OrdType.LIMIT, D("0.01"), D("1000"), 1688738168277 * 10**6)

    frame = encode(
        b"D",
        new_order_single(order),
        msg_seq_num=2,
        sender=b"damien",
        target=b"KRAKEN-TRD",
        sending_text=b"20230707-13:56:08.000",
    )

    assert frame.replace(b"\x01", b"|") == (
        b"8=FIX.4.4|9=140|35=D|34=2|49=damien|52=20230707-13:56:08.000|56=KRAKEN-TRD|11=1688738168|38=0.01|40=2|44=1000"
        b"|54=1|55=BTC/USD|59=1|60=20230707-13:56:08.277|10=222|"
    )


def test_the_venues_example_of_a_report_is_read_exactly():
    """Recovered from its published example, section 6.7."""
    frame = (
        b"8=FIX.4.4|9=260|35=8|34=3|49=KRAKEN-TRD|56=CLIENT|52=20260407-14:32:05.122|6=0|11=1744036325000000|14=0"
        b"|17=EXEC002:TRD001|37=OQNCZM-NVAVC-AVD2LO|38=0.001|39=0|40=2|44=84000|54=1|55=BTC/USD"
        b"|58=buy 0.001 BTC/USD @ limit 84000|59=1|60=20260407-14:32:05.000|150=0|151=0.001|381=0|10=144|"
    ).replace(b"|", b"\x01")

    report = read_execution_report(parse(frame))

    assert (report.cl_ord_id, report.order_id) == (1744036325000000, "OQNCZM-NVAVC-AVD2LO")
    assert (report.leaves_qty, report.signal) == (D("0.001"), OrderSignal.REPORTED_NEW)


def test_an_order_goes_from_new_over_a_part_to_filled(desk):
    """Each report moves it, and quantities stay exact."""
    order = desk.buy("0.3")

    desk.report(order, "0")
    assert desk.state(order) is OrderState.NEW
    desk.report(order, "1", exec_type="F", cum="0.1", t31="999.9", t32="0.1")
    assert desk.state(order) is OrderState.PARTIALLY_FILLED
    desk.report(order, "2", exec_type="F", cum="0.3", t6="999.95", t31="1000.0", t32="0.2")

    assert desk.state(order) is OrderState.FILLED
    assert desk.ours.orders[order].cum_qty == D("0.3")
    assert desk.ours.orders[order].avg_px == D("999.95")


def test_a_report_that_comes_twice_counts_once(desk):
    """ExecID(17) is the venue's name of a report."""
    order = desk.buy()
    desk.report(order, "0", exec_id="E7")
    desk.ours.take_events()

    desk.report(order, "0", exec_id="E7")

    assert desk.events(OrderChanged) == []


def test_an_older_report_takes_nothing_back(desk):
    """After a fill, "new" is an event and no change."""
    order = desk.buy()
    desk.report(order, "2", exec_type="F", cum="0.01")

    desk.report(order, "0")

    assert desk.state(order) is OrderState.FILLED
    assert len(desk.events(ReportUnmatched)) == 1


def test_a_business_reject_is_told_by_379_for_45_is_zero(desk):
    """As captured: 45=0, the ClOrdID in 379 and in the text."""
    first, second = desk.buy(), desk.buy()

    desk.say(b"j", t45=0, t58=f"{first} : EOrder:Insufficient funds", t372="D", t379=first, t380=0)

    assert (desk.state(first), desk.state(second)) == (OrderState.REJECTED, OrderState.PENDING_NEW)
    assert "Insufficient funds" in desk.ours.orders[first].text


def test_a_session_reject_is_told_by_its_number_alone(desk):
    """As captured: 45 and 58, and no 371 to 373."""
    first, second = desk.buy(), desk.buy()

    desk.say(b"3", t45=parse(desk.frames[-1]).integer(34), t58="Missing Mandatory Field: Side (54)")

    assert (desk.state(first), desk.state(second)) == (OrderState.PENDING_NEW, OrderState.REJECTED)


def test_a_refused_cancel_leaves_the_order_as_it_stood(desk):
    """The refusal is about the cancel."""
    order = desk.buy()
    desk.report(order, "0")
    cancel = desk.ours.cancel(desk.ours.orders[order], desk.wall_ns)
    desk.step()

    desk.say(b"j", t45=0, t58="EOrder:Unknown order", t372="F", t379=cancel, t380=101)

    (refused,) = desk.events(RequestRefused)
    assert (refused.msg_type, refused.refusal.reason) == ("F", "101")
    assert desk.state(order) is OrderState.NEW


def test_a_cancel_goes_by_order_id_and_is_reported_under_its_own_cl_ord_id(desk):
    """11 is the cancel's, 41 the order's, 37 the venue's name for it."""
    order = desk.buy()
    desk.report(order, "0")
    cancel = desk.ours.cancel(desk.ours.orders[order], desk.wall_ns)
    desk.step()

    desk.report(cancel, "4", exec_type="4", t41=order)

    assert [(it.msg_type, it.get(37), it.get(41)) for it in desk.asked[1:]] == [(b"F", b"O1", None)]
    assert desk.state(order) is OrderState.CANCELED


def test_a_mass_cancel_ends_orders_by_their_order_id(desk):
    """Each order gets its own report; the widest scope names no symbol."""
    orders = [desk.buy(), desk.buy()]
    for number, order in enumerate(orders):
        desk.report(order, "0", order_id=f"O{number}")
    mass = desk.ours.cancel_all(CancelScope.SENDER, desk.wall_ns)
    desk.step()

    for number in range(2):
        desk.report(mass, "4", exec_type="4", order_id=f"O{number}")

    assert (desk.asked[-1].get(530), desk.asked[-1].get(55)) == (b"7", None)
    assert [desk.state(it) for it in orders] == [OrderState.CANCELED] * 2


def test_a_report_of_a_foreign_order_is_an_event(desk):
    """Somebody else's order, or one of ours from before the store."""
    desk.report(4711, "0", order_id="OX")

    assert len(desk.events(ReportUnmatched)) == 1


@pytest.mark.parametrize("bad", [{"t39": "x"}, {"t14": "1e5"}, {"t14": "-"}])
def test_a_report_that_cannot_be_read_changes_nothing(desk, bad):
    """It is an event; the session goes on."""
    order = desk.buy()

    desk.say(b"8", **{"t11": order, "t14": "0", "t17": "E", "t37": "O1", "t39": "0", "t150": "0", **bad})

    assert desk.state(order) is OrderState.PENDING_NEW
    assert len(desk.events(ReportUnmatched)) == 1


def test_cl_ord_ids_rise_though_the_clock_stands_or_goes_back(desk):
    """Also over a restart."""
    first, second = desk.buy(), desk.buy()
    desk.restart()
    desk.wall_ns -= 10**15
    desk.connect()

    assert first < second < desk.buy()


def test_after_a_disconnect_open_orders_are_unknown_and_asked_after(desk):
    """By OrderID(37) where the venue gave one; the order itself is never sent again."""
    named, unnamed, done = desk.buy(), desk.buy(), desk.buy()
    desk.report(named, "0", order_id="ON")
    desk.report(done, "2", order_id="OD", exec_type="F", cum="0.01")

    desk.disconnect()
    states = [desk.state(it) for it in (named, unnamed, done)]
    desk.connect()

    assert states == [OrderState.UNKNOWN, OrderState.UNKNOWN, OrderState.FILLED]
    assert [(it.msg_type, it.get(37)) for it in desk.asked[3:]] == [(b"H", b"ON")]
    desk.report(desk.asked[-1].integer(11), "1", order_id="ON", exec_type="I", cum="0.004")
    assert desk.state(named) is OrderState.PARTIALLY_FILLED


def test_an_order_that_was_queued_when_the_connection_ended_was_not_sent(desk):
    """It is gone for good, and known to be."""
    order = desk.ours.place_market("BTC/USD", Side.SELL, D("1"), desk.wall_ns).cl_ord_id

    desk.disconnect()
    desk.connect()

    assert desk.state(order) is OrderState.NOT_SENT
    assert desk.asked == []


def test_after_a_gap_that_is_filled_over_open_orders_are_asked_after(desk):
    """A report may have been in it; what is asked is how they stand, not that they be placed again."""
    order = desk.buy()
    desk.report(order, "0", order_id="ON")
    queued = desk.ours.place_market("BTC/USD", Side.BUY, D("1"), desk.wall_ns).cl_ord_id
    desk.venue.next_out += 2  # Two reports on their way are lost.

    desk.venue.send(b"j", ((45, b"0"), (58, b"late"), (372, b"D"), (379, b"1"), (380, b"0")))
    desk.ours.received(sent(desk.venue), desk.wall_ns, 0)
    assert desk.ours.session.state is State.AWAITING_RESEND
    desk.step()

    assert [(it.msg_type, it.get(37)) for it in desk.asked[2:]] == [(b"H", b"ON")]
    assert desk.state(order) is OrderState.UNKNOWN
    assert desk.state(queued) is OrderState.UNKNOWN
    desk.report(desk.asked[-1].integer(11), "0", order_id="ON", exec_type="I")
    assert desk.state(order) is OrderState.NEW


@given(
    msg_type=sampled_from([b"8", b"j", b"9", b"3"]),
    body=lists(
        tuples(
            sampled_from([6, 11, 14, 17, 31, 32, 37, 39, 41, 45, 55, 58, 60, 150, 151, 372, 379, 380]),
            sampled_from(
                [b"0", b"1", b"2", b"4", b"A", b"F", b"I", b"BTC/USD", b"O1", b"\xff", b"-1", b"1e9", b"9" * 30]
            )
            | binary(min_size=1, max_size=12).filter(lambda it: b"\x01" not in it),
        ),
        max_size=20,
    ),
)
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_nothing_that_the_venue_says_raises(tmp_path, msg_type, body):
    """It is a change, an event, or nothing; the session goes on."""
    (tmp_path / "orders").unlink(missing_ok=True)
    desk = Desk(tmp_path).connect()
    order = desk.buy()
    body = [(tag, b"%d" % order if value == b"0" and tag in {11, 41, 379} else value) for tag, value in body]

    desk.venue.send(msg_type, tuple(body))
    desk.step()

    repr(desk.ours.take_events())
    desk.disconnect()
    assert not desk.ours.orders[order].open or desk.state(order) is OrderState.UNKNOWN
    desk.store.__exit__()


def test_a_report_of_an_order_that_did_not_go_out_is_not_ours(desk):
    """The venue cannot know of it, so it does not count, and neither does a refusal."""
    order = desk.ours.place_market("BTC/USD", Side.BUY, D("1"), WALL_NS).cl_ord_id
    for msg_type, body in (
        (b"8", ((11, b"%d" % order), (14, b"1"), (17, b"E"), (37, b"O1"), (39, b"2"), (150, b"F"))),
        (b"j", ((45, b"0"), (58, b"no"), (372, b"D"), (379, b"%d" % order), (380, b"0"))),
    ):
        desk.venue.send(msg_type, body)
        desk.ours.received(sent(desk.venue), WALL_NS, 0)

    desk.disconnect()

    assert desk.state(order) is OrderState.NOT_SENT


def test_a_report_of_another_symbol_is_not_ours(desk):
    """Whatever it claims to answer."""
    order = desk.buy()

    desk.report(order, "2", cum="0.01", exec_type="F", t55="ETH/USD")

    assert desk.state(order) is OrderState.PENDING_NEW


def test_a_resend_request_is_answered_by_a_gap_fill_and_no_order(desk):
    """What was asked for minutes ago is not asked for again."""
    desk.buy()
    desk.say(b"2", t7=1, t16=0)

    assert parse(desk.frames[-1]).msg_type == b"4"
    assert sum(parse(it).msg_type == b"D" for it in desk.frames) == 1


@pytest.mark.parametrize(
    ("quantity", "price", "symbol"),
    [("0", "1", "A/B"), ("-1", "1", "A/B"), ("NaN", "1", "A/B"), ("1", "0", "A/B"), ("1", "Infinity", "A/B"),
     ("1", "1", ""), ("1", "1", "A\x01B"), ("1", "1", "é"), ("1.0000000000000000001", "1", "A/B")],
)  # fmt: skip
def test_an_order_that_cannot_be_meant_is_not_stored(desk, quantity, price, symbol):
    """Quantity and price above 0 and of at most 18 digits, a printable symbol."""
    with pytest.raises(OrderInvalid):
        desk.buy(quantity, price, symbol)

    assert desk.ours.orders == {}


def test_nothing_is_placed_before_the_logon_is_answered(tmp_path):
    """Nor stored."""
    desk = Desk(tmp_path)

    with pytest.raises(SessionError):
        desk.ours.place_market("BTC/USD", Side.BUY, D("1"), WALL_NS)

    assert desk.ours.orders == {}


def test_with_a_full_disk_no_order_goes_out_but_reports_come_in(desk, monkeypatch):
    """STO-6: the order is refused here; what the venue says is still known, in memory."""
    order = desk.buy()
    monkeypatch.setattr("os.write", full)

    with pytest.raises(StoreFailed):
        desk.buy()
    desk.report(order, "0")

    assert [it.msg_type for it in desk.asked] == [b"D"]
    assert desk.state(order) is OrderState.NEW
    assert desk.events(StoreUnwritten)
    monkeypatch.undo()
    with pytest.raises(StoreFailed):
        desk.buy()


def test_no_event_and_no_store_shows_a_secret(desk):
    """Key, secret and password are on the wire alone."""
    desk.buy()
    desk.report(1, "0")
    password = parse(desk.frames[0]).text(554)

    shown = repr(desk.ours.take_events()) + repr(vars(desk.ours)) + (desk.folder / "orders").read_text() + IDENTITY
    assert not [it for it in (KEY, SECRET, password) if it in shown]


def sent(session):
    """The next frame of a session core, which takes note of it."""
    frame = session.next_frame(WALL_NS)
    session.sent(parse(frame), 0)
    return frame


def full(descriptor, data):
    """A disk without room."""
    raise OSError(28, "No space left on device")
