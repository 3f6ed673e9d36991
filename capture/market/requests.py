"""Bodies of the requests that the venue understands.

Layer: market. Source: venue reference 4.1, 4.3, 4.4; field order as captured, ascending, a group where its count sorts.
Left to others: when to ask (`subscriber`).
"""

from dataclasses import dataclass
from typing import Final

from capture.errors import SettingInvalid, ValueMalformed
from capture.wire import tags, values
from capture.wire.message import Field, Message

DEPTHS: Final = (10, 25, 100, 500, 1000)  # 264=1 is legal but cannot be proven: ten levels are needed.
FULL_DEPTH: Final = 1000  # What 264=0 means for Level 2.

_LIST_ALL: Final = b"4"
_TRADING_SESSION: Final = b"SESSION"  # The only TradingSessionID(336) there is.
_SUBSCRIBE: Final = b"1"
_UNSUBSCRIBE: Final = b"2"
_INCREMENTAL: Final = b"1"


def depth_ok(depth: int, *, where: str) -> int:
    """Return a depth to subscribe to. Errors: SettingInvalid naming the depths that the venue offers."""
    if depth not in DEPTHS and depth != 0:
        allowed = ", ".join(map(str, DEPTHS[:-1]))
        raise SettingInvalid(
            where=where, received=depth, allowed=f"one of {allowed} or {DEPTHS[-1]} (0 is {FULL_DEPTH})"
        )
    return depth or FULL_DEPTH


def security_list_request(request_id: str) -> tuple[Field, ...]:
    """Return the body of a request for every instrument, with updates."""
    return (
        (tags.SUBSCRIPTION_REQUEST_TYPE, _SUBSCRIBE),
        (tags.SECURITY_REQ_ID, request_id.encode()),
        (tags.SECURITY_LIST_REQUEST_TYPE, _LIST_ALL),
    )


def trading_status_request(request_id: str) -> tuple[Field, ...]:
    """Return the body of a request for the venue's own status, with updates."""
    return (
        (tags.SUBSCRIPTION_REQUEST_TYPE, _SUBSCRIBE),
        (tags.TRAD_SES_REQ_ID, request_id.encode()),
        (tags.TRADING_SESSION_ID, _TRADING_SESSION),
    )


@dataclass(frozen=True, slots=True)
class MarketDataRequest:
    """One MarketDataRequest (35=V): one symbol, book and trades."""

    md_req_id: str
    symbol: str
    depth: int
    subscribe: bool

    def body(self) -> tuple[Field, ...]:
        """Return its fields; an end of subscription repeats what began it."""
        return (
            (tags.NO_RELATED_SYM, b"1"),
            (tags.SYMBOL, self.symbol.encode()),
            (tags.MD_REQ_ID, self.md_req_id.encode()),
            (tags.SUBSCRIPTION_REQUEST_TYPE, _SUBSCRIBE if self.subscribe else _UNSUBSCRIBE),
            (tags.MARKET_DEPTH, b"%d" % self.depth),
            (tags.MD_UPDATE_TYPE, _INCREMENTAL),
            (tags.NO_MD_ENTRY_TYPES, b"3"),
            (tags.MD_ENTRY_TYPE, b"0"),
            (tags.MD_ENTRY_TYPE, b"1"),
            (tags.MD_ENTRY_TYPE, b"2"),
        )


def read_market_data_request(message: Message) -> tuple[MarketDataRequest, ...]:
    """Return what a MarketDataRequest asks for, one for each symbol it names. Errors: ValueMalformed."""
    kind = message.need(tags.SUBSCRIPTION_REQUEST_TYPE)
    if kind not in {_SUBSCRIBE, _UNSUBSCRIBE}:
        raise ValueMalformed(expected="SubscriptionRequestType(263) 1 or 2", received=kind)
    md_req_id = message.need(tags.MD_REQ_ID).decode("utf-8", "backslashreplace")
    depth = values.integer(message.need(tags.MARKET_DEPTH))
    return tuple(
        MarketDataRequest(md_req_id, value.decode("utf-8", "backslashreplace"), depth, kind == _SUBSCRIBE)
        for tag, value in message.fields
        if tag == tags.SYMBOL
    )
