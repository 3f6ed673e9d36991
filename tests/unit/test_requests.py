"""Bodies of requests, as the venue's captures show them."""

import pytest
from fix import message

from capture.errors import SettingInvalid, ValueMalformed
from capture.market.requests import (
    DEPTHS,
    LEVEL_2,
    LEVEL_3,
    UNCUT,
    MarketDataRequest,
    depth_ok,
    read_market_data_request,
    security_list_request,
    trading_status_request,
)
from capture.wire.encoder import encode
from capture.wire.message import parse


def test_subscription_is_the_captured_message() -> None:
    """The bytes of a subscription are those of the venue's capture, apart from the depth and the names."""
    data = encode(
        b"V",
        MarketDataRequest("1", "BTC/USD", 0, subscribe=True).body(),
        msg_seq_num=3,
        sender=b"damien",
        target=b"KRAKEN-MD",
        sending_text=b"20230707-13:42:21.000",
    )

    captured = (
        "8=FIX.4.4|9=123|35=V|34=3|49=damien|52=20230707-13:42:21.000|56=KRAKEN-MD|146=1|55=BTC/USD|262=1|263=1|264=0"
        "|265=1|267=3|269=0|269=1|269=2|10=019|"
    )
    assert data.replace(b"\x01", b"|").decode() == captured


def test_level_3_subscription_is_the_captured_message() -> None:
    """The fields of a Level 3 request are those of the venue's capture: by order, and no trades."""
    data = encode(
        b"V",
        MarketDataRequest("1", "PF_ETHUSD", 0, subscribe=True, level=LEVEL_3).body(),
        msg_seq_num=2,
        sender=b"damien_DRV",
        target=b"KRAKEN-DRV-MD",
        sending_text=b"20250303-18:00:21.589",
    )

    captured = (
        "8=FIX.4.4|9=133|35=V|34=2|49=damien_DRV|52=20250303-18:00:21.589|56=KRAKEN-DRV-MD|146=1|55=PF_ETHUSD|262=1"
        "|263=1|264=0|265=1|266=N|267=2|269=0|269=1|10=108|"
    )
    assert data.replace(b"\x01", b"|").decode() == captured


def test_end_of_a_subscription_repeats_it() -> None:
    """A stop has the same fields, its type apart."""
    start = MarketDataRequest("M1", "BTC/USD", 100, subscribe=True).body()
    stop = MarketDataRequest("M1", "BTC/USD", 100, subscribe=False).body()

    assert [(tag, value) for tag, value in stop if tag != 263] == [(tag, value) for tag, value in start if tag != 263]
    assert dict(stop)[263] == b"2"


def test_list_is_asked_for_whole_with_updates() -> None:
    """The list request asks for every instrument and for what changes."""
    assert security_list_request("L1") == ((263, b"1"), (320, b"L1"), (559, b"4"))


def test_status_request_is_the_captured_message() -> None:
    """The bytes are those of the venue's capture, which asks for no updates, where ours does."""
    subscription, *rest = trading_status_request("TSS0")
    assert subscription == (263, b"1")

    data = encode(
        b"g",
        ((263, b"0"), *rest),
        msg_seq_num=6,
        sender=b"damien",
        target=b"KRAKEN-MD",
        sending_text=b"20230707-13:50:02.000",
    )

    captured = (
        "8=FIX.4.4|9=85|35=g|34=6|49=damien|52=20230707-13:50:02.000|56=KRAKEN-MD|263=0|335=TSS0|336=SESSION|10=247|"
    )
    assert data.replace(b"\x01", b"|").decode() == captured


@pytest.mark.parametrize("level", [LEVEL_2, LEVEL_3])
@pytest.mark.parametrize("subscribe", [True, False])
def test_request_is_read_as_it_was_written(subscribe: bool, level: int) -> None:
    """What one side writes, the other reads."""
    request = MarketDataRequest("M1", "ETH/USD", 25, subscribe=subscribe, level=level)
    data = encode(b"V", request.body(), msg_seq_num=1, sender=b"A", target=b"B", sending_text=b"20260301-12:00:00.000")

    assert read_market_data_request(parse(data)) == (request,)


def test_request_of_several_symbols_is_several() -> None:
    """A request that names two symbols is two under one MDReqID."""
    requests = read_market_data_request(message("35=V 262=M1 263=1 264=10 146=2 55=A/B 55=C/D 267=2 269=0 269=1"))

    assert [(it.symbol, it.md_req_id) for it in requests] == [("A/B", "M1"), ("C/D", "M1")]


@pytest.mark.parametrize(
    "text", ["35=V 262=1 263=0 264=10", "35=V 262=1 263=1", "35=V 263=1 264=10", "35=V 262=1 264=10"]
)
def test_malformed_request_is_refused(text: str) -> None:
    """A request without its depth, name or type, or of a type that is not offered, is malformed."""
    with pytest.raises(ValueMalformed):
        read_market_data_request(message(text))


def test_depths_are_those_that_can_be_proven() -> None:
    """The venue's depths from ten on are allowed, 0 is the full book, and 1 is refused with the choice."""
    assert [depth_ok(depth, where="depth") for depth in DEPTHS] == list(DEPTHS)
    assert depth_ok(0, where="depth") == 1000
    with pytest.raises(SettingInvalid, match=r"market\.depth is 20; use one of 10, 25, 100, 500 or 1000"):
        depth_ok(20, where="market.depth")
    with pytest.raises(SettingInvalid):
        depth_ok(1, where="market.depth")


def test_full_depth_cuts_nothing_of_level_3() -> None:
    """264=0 is a thousand levels of Level 2, and of Level 3 all there are: it is sent as it is."""
    assert depth_ok(0, where="depth", level=LEVEL_3) == 0
    assert depth_ok(25, where="depth", level=LEVEL_3) == 25
    with pytest.raises(SettingInvalid, match=r"depth is 20; use one of .* or 1000 \(0 is no cut\)"):
        depth_ok(20, where="depth", level=LEVEL_3)
    kept = [
        MarketDataRequest("M1", "A/B", depth, subscribe=True, level=level).depth_kept
        for depth in (0, 10)
        for level in (LEVEL_2, LEVEL_3)
    ]
    assert kept == [1000, UNCUT, 10, 10]
