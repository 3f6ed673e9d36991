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
FULL_DEPTH: Final = 1000  # What 264=0 means for Level 2; for Level 3 it cuts nothing.
UNCUT: Final = 2**31 - 1  # A depth that no book reaches.
LEVEL_2, LEVEL_3 = 2, 3  # An entry for each price, or for each order.

_LIST_ALL: Final = b"4"
_TRADING_SESSION: Final = b"SESSION"  # The only TradingSessionID(336) there is.
_SUBSCRIBE: Final = b"1"
_UNSUBSCRIBE: Final = b"2"
_INCREMENTAL: Final = b"1"
_BY_ORDER: Final = b"N"


def depth_ok(depth: int, *, where: str, level: int = LEVEL_2) -> int:
    """Return a depth to subscribe to. Errors: SettingInvalid naming the depths that the venue offers."""
    full = FULL_DEPTH if level == LEVEL_2 else 0
    if depth not in DEPTHS and depth != 0:
        allowed = ", ".join(map(str, DEPTHS[:-1]))
        raise SettingInvalid(
            where=where, received=depth, allowed=f"one of {allowed} or {DEPTHS[-1]} (0 is {full or 'no cut'})"
        )
    return depth or full


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
    """One MarketDataRequest (35=V): one symbol, its book and, of Level 2, its trades, which Level 3 has not (281=C)."""

    md_req_id: str
    symbol: str
    depth: int
    subscribe: bool
    level: int = LEVEL_2

    @property
    def depth_kept(self) -> int:
        """How many price levels a side are kept."""
        return self.depth or (FULL_DEPTH if self.level == LEVEL_2 else UNCUT)

    def body(self) -> tuple[Field, ...]:
        """Return its fields; an end of subscription repeats what began it."""
        by_order = self.level == LEVEL_3
        entry_types = (b"0", b"1") if by_order else (b"0", b"1", b"2")
        return (
            (tags.NO_RELATED_SYM, b"1"),
            (tags.SYMBOL, self.symbol.encode()),
            (tags.MD_REQ_ID, self.md_req_id.encode()),
            (tags.SUBSCRIPTION_REQUEST_TYPE, _SUBSCRIBE if self.subscribe else _UNSUBSCRIBE),
            (tags.MARKET_DEPTH, b"%d" % self.depth),
            (tags.MD_UPDATE_TYPE, _INCREMENTAL),
            *(((tags.AGGREGATED_BOOK, _BY_ORDER),) if by_order else ()),
            (tags.NO_MD_ENTRY_TYPES, b"%d" % len(entry_types)),
            *((tags.MD_ENTRY_TYPE, it) for it in entry_types),
        )


def read_market_data_request(message: Message) -> tuple[MarketDataRequest, ...]:
    """Return what a MarketDataRequest asks for, one for each symbol it names. Errors: ValueMalformed."""
    kind = message.need(tags.SUBSCRIPTION_REQUEST_TYPE)
    if kind not in {_SUBSCRIBE, _UNSUBSCRIBE}:
        raise ValueMalformed(expected="SubscriptionRequestType(263) 1 or 2", received=kind)
    md_req_id = message.need(tags.MD_REQ_ID).decode("utf-8", "backslashreplace")
    depth = values.integer(message.need(tags.MARKET_DEPTH))
    level = LEVEL_3 if message.get(tags.AGGREGATED_BOOK) == _BY_ORDER else LEVEL_2
    return tuple(
        MarketDataRequest(md_req_id, value.decode("utf-8", "backslashreplace"), depth, kind == _SUBSCRIBE, level)
        for tag, value in message.fields
        if tag == tags.SYMBOL
    )
