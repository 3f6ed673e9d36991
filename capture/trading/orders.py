"""Orders, their states, and the one table of transitions.

Layer: trading. Data and rules only: no bytes, no clock, no file.
Source: venue reference 6.1, 6.2, 6.7; FIX 4.4 volume 4, order state changes.
Left to others: what a message of the venue says (`trading.reports`), keeping it (`trading.store`).

After a disconnect or a restart every open order is UNKNOWN until the venue reports it: it may have been filled, it may
have been cancelled with the connection, it may never have arrived.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import Enum
from typing import Final

from capture.errors import OrderInvalid, SessionError, ValueMalformed
from capture.wire import values

CL_ORD_ID_LIMIT: Final = 10**18 - 1  # At most 18 digits.
SYMBOL_LIMIT: Final = 64
MICROSECOND_NS: Final = 1000


class Side(Enum):
    """Side(54)."""

    BUY = "1"
    SELL = "2"


class OrdType(Enum):
    """OrdType(40)."""

    MARKET = "1"
    LIMIT = "2"


class OrderState(Enum):
    """What is known of an order."""

    PENDING_NEW = "pending new"  # Asked for; the venue has not said that it is live.
    NEW = "new"
    PARTIALLY_FILLED = "partially filled"
    FILLED = "filled"
    CANCELED = "canceled"
    EXPIRED = "expired"
    REJECTED = "rejected"
    NOT_SENT = "not sent"  # Its frame was never handed out; the venue cannot have it.
    UNKNOWN = "unknown"  # Reports may have been lost since it was last reported.


class OrderSignal(Enum):
    """What moves an order from state to state."""

    REPORTED_PENDING = "reported pending"
    REPORTED_NEW = "reported new"
    REPORTED_PARTIALLY_FILLED = "reported partially filled"
    REPORTED_FILLED = "reported filled"
    REPORTED_CANCELED = "reported canceled"
    REPORTED_EXPIRED = "reported expired"
    REFUSED = "refused"
    REPORTS_LOST = "reports lost"  # With a connection, or in a gap that was filled over.
    LEFT_UNSENT = "left unsent"


OPEN: Final = frozenset(
    {OrderState.PENDING_NEW, OrderState.NEW, OrderState.PARTIALLY_FILLED, OrderState.UNKNOWN}
)  # The venue may have it live.
LIVE: Final = frozenset({OrderState.NEW, OrderState.PARTIALLY_FILLED})  # The venue said that it is live.

TRANSITIONS: Final[Mapping[tuple[OrderState, OrderSignal], OrderState]] = {
    # A first report can be any: a market order is often filled in the first one we see.
    **{
        (state, signal): after
        for state in OPEN
        for signal, after in (
            (OrderSignal.REPORTED_PARTIALLY_FILLED, OrderState.PARTIALLY_FILLED),
            (OrderSignal.REPORTED_FILLED, OrderState.FILLED),
            (OrderSignal.REPORTED_CANCELED, OrderState.CANCELED),
            (OrderSignal.REPORTED_EXPIRED, OrderState.EXPIRED),
            (OrderSignal.REPORTS_LOST, OrderState.UNKNOWN),
        )
    },
    # Fills are never taken back: "new" or "pending" after a fill is an older report that came late.
    (OrderState.PENDING_NEW, OrderSignal.REPORTED_PENDING): OrderState.PENDING_NEW,
    (OrderState.PENDING_NEW, OrderSignal.REPORTED_NEW): OrderState.NEW,
    (OrderState.NEW, OrderSignal.REPORTED_NEW): OrderState.NEW,
    (OrderState.UNKNOWN, OrderSignal.REPORTED_PENDING): OrderState.PENDING_NEW,
    (OrderState.UNKNOWN, OrderSignal.REPORTED_NEW): OrderState.NEW,
    # A refusal is the venue's word on the request that placed it; a live order cannot be refused.
    (OrderState.PENDING_NEW, OrderSignal.REFUSED): OrderState.REJECTED,
    (OrderState.UNKNOWN, OrderSignal.REFUSED): OrderState.REJECTED,
    (OrderState.PENDING_NEW, OrderSignal.LEFT_UNSENT): OrderState.NOT_SENT,
}


@dataclass(frozen=True, slots=True)
class Order:
    """One order: what was asked for, and what the venue said last.

    cl_ord_id: of the request that placed it. price: None for a market order.
    cum_qty, avg_px: filled so far, and at what price on average. text: the venue's last words.
    """

    cl_ord_id: int
    symbol: str
    side: Side
    ord_type: OrdType
    quantity: Decimal
    price: Decimal | None
    placed_ns: int
    state: OrderState = OrderState.PENDING_NEW
    order_id: str = ""
    cum_qty: Decimal = Decimal(0)
    avg_px: Decimal = Decimal(0)
    text: str = ""

    @property
    def open(self) -> bool:
        """Whether the venue may have it live."""
        return self.state in OPEN

    def knows(self, signal: OrderSignal) -> bool:
        """Return whether a signal of the venue can apply; one that cannot is an event, not an error."""
        return (self.state, signal) in TRANSITIONS

    def after(self, signal: OrderSignal) -> "Order":
        """Return the order as a signal leaves it. Errors: SessionError for a pair that the table does not know."""
        try:
            return replace(self, state=TRANSITIONS[self.state, signal])
        except KeyError:
            raise SessionError(state=self.state.value, signal=signal.value) from None


def new_order(
    *, cl_ord_id: int, symbol: str, side: Side, quantity: Decimal, price: Decimal | None, placed_ns: int
) -> Order:
    """Return an order to place: a limit order, or a market order where there is no price. Errors: OrderInvalid."""
    _checked("the quantity", quantity)
    if price is not None:
        _checked("the price", price)
    if not 0 < len(symbol) <= SYMBOL_LIMIT or not symbol.isascii() or not symbol.isprintable():
        raise OrderInvalid(what="the symbol", received=repr(symbol), allowed="a name as the venue lists it: BTC/USD")
    ord_type = OrdType.MARKET if price is None else OrdType.LIMIT
    return Order(cl_ord_id, symbol, side, ord_type, quantity, price, placed_ns)


def next_cl_ord_id(last: int, wall_ns: int) -> int:
    """Return a ClOrdID(11): current microseconds, or one more than the last where the clock stands or went back."""
    following = max(last + 1, wall_ns // MICROSECOND_NS)
    if following > CL_ORD_ID_LIMIT:
        raise OrderInvalid(what="ClOrdID(11)", received=following, allowed="a clock that is right: at most 18 digits")
    return following


def open_orders(orders: Iterable[Order]) -> list[Order]:
    """Return those that the venue may have live, oldest first."""
    return sorted((it for it in orders if it.open), key=lambda it: it.cl_ord_id)


def _checked(what: str, number: Decimal) -> None:
    if not number.is_finite() or number <= 0:
        raise OrderInvalid(what=what, received=number, allowed="a number above 0")
    try:
        values.scaled(decimal_text(number).encode(), 0)
    except ValueMalformed:
        limit = f"at most {values.DIGITS_LIMIT} digits"
        raise OrderInvalid(what=what, received=number, allowed=limit) from None


def decimal(value: bytes) -> Decimal:
    """Return a decimal of the wire, exactly. Errors: ValueMalformed for anything but digits and one point."""
    return Decimal(values.unscaled(*values.scaled(value, 0)))


def decimal_text(number: Decimal) -> str:
    """Return a decimal as the wire has it: no exponent, no trailing zeros."""
    text = format(number, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text
