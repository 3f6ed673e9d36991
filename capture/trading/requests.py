"""Bodies of the requests that a trading session sends.

Layer: trading. Source: venue reference 6.3, 6.4, 6.6; fields in ascending order, as captured.
Left to others: when to ask, and keeping what was asked (`trading.session`).
"""

from enum import Enum
from typing import Final

from capture.trading.orders import Order, decimal_text
from capture.wire import tags, values
from capture.wire.message import Field

GOOD_TILL_CANCEL: Final = b"1"
REQUEST_TYPES: Final = frozenset(
    {
        tags.NEW_ORDER_SINGLE,
        tags.ORDER_CANCEL_REQUEST,
        tags.ORDER_MASS_CANCEL_REQUEST,
        tags.ORDER_STATUS_REQUEST,
    }
)


class CancelScope(Enum):
    """MassCancelRequestType(530): whose orders go. The widest was described as the whole account, so expect that."""

    SESSION_SYMBOL = "1"
    SESSION = "6"
    SENDER = "7"


def new_order_single(order: Order) -> tuple[Field, ...]:
    """Return the body of the request (35=D) that places an order, good till cancelled."""
    price = () if order.price is None else ((tags.PRICE, decimal_text(order.price).encode()),)
    return (
        (tags.CL_ORD_ID, b"%d" % order.cl_ord_id),
        (tags.ORDER_QTY, decimal_text(order.quantity).encode()),
        (tags.ORD_TYPE, order.ord_type.value.encode()),
        *price,
        (tags.SIDE, order.side.value.encode()),
        (tags.SYMBOL, order.symbol.encode()),
        (tags.TIME_IN_FORCE, GOOD_TILL_CANCEL),
        (tags.TRANSACT_TIME, values.timestamp_text(order.placed_ns)),
    )


def order_cancel_request(cl_ord_id: int, order: Order, wall_ns: int) -> tuple[Field, ...]:
    """Return the body of a cancel (35=F), by OrderID(37) where the venue gave one, else by what placed the order."""
    if order.order_id:
        which = (tags.ORDER_ID, order.order_id.encode())
    else:
        which = (tags.ORIG_CL_ORD_ID, b"%d" % order.cl_ord_id)
    return (
        (tags.CL_ORD_ID, b"%d" % cl_ord_id),
        which,
        (tags.SIDE, order.side.value.encode()),
        (tags.SYMBOL, order.symbol.encode()),
        (tags.TRANSACT_TIME, values.timestamp_text(wall_ns)),
    )


def order_mass_cancel_request(
    cl_ord_id: int, scope: CancelScope, symbol: str | None, wall_ns: int
) -> tuple[Field, ...]:
    """Return the body of a mass cancel (35=q). symbol: with CancelScope.SESSION_SYMBOL, and only with it."""
    assert (symbol is not None) == (scope is CancelScope.SESSION_SYMBOL), "a symbol belongs to scope 1 alone"
    return (
        (tags.CL_ORD_ID, b"%d" % cl_ord_id),
        *(() if symbol is None else ((tags.SYMBOL, symbol.encode()),)),
        (tags.TRANSACT_TIME, values.timestamp_text(wall_ns)),
        (tags.MASS_CANCEL_REQUEST_TYPE, scope.value.encode()),
    )


def order_status_request(cl_ord_id: int, order: Order, wall_ns: int) -> tuple[Field, ...]:
    """Return the body of a question after an order (35=H); it needs an OrderID(37).

    54 and 60 are sent as in the venue's printed example, whose worth is doubtful, but they do no harm.
    """
    assert order.order_id, "an order without OrderID(37) cannot be asked after"
    return (
        (tags.CL_ORD_ID, b"%d" % cl_ord_id),
        (tags.ORDER_ID, order.order_id.encode()),
        (tags.SIDE, order.side.value.encode()),
        (tags.SYMBOL, order.symbol.encode()),
        (tags.TRANSACT_TIME, values.timestamp_text(wall_ns)),
    )
