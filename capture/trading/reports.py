"""What the venue says of orders and requests: ExecutionReport (35=8), BusinessMessageReject (35=j), Reject (35=3).

Layer: trading. Source: venue reference 3.6, 3.7, 6.1, 6.7, and what its captures leave out: 45 is 0 in a j, 371 to 373
are absent from a 3.
Left to others: whose report it is (`trading.session`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from capture.errors import ValueMalformed
from capture.trading.orders import OrderSignal, decimal
from capture.wire import tags, values
from capture.wire.message import Message

TRADE: Final = "F"  # ExecType(150).
STATUS: Final = "I"
UNKNOWN_ORDER: Final = "101"  # BusinessRejectReason(380).
ZERO: Final = Decimal(0)

# 5 and E tell of an amend: the order is as live as it was, filled as far as CumQty(14) says.
_LIVE_STATUSES: Final = frozenset({"0", "5", "E"})
_SIGNALS: Final[Mapping[str, OrderSignal]] = {
    "A": OrderSignal.REPORTED_PENDING,
    "1": OrderSignal.REPORTED_PARTIALLY_FILLED,
    "2": OrderSignal.REPORTED_FILLED,
    "4": OrderSignal.REPORTED_CANCELED,
    "C": OrderSignal.REPORTED_EXPIRED,
    "8": OrderSignal.REFUSED,  # Not in the venue's list; handled in case it is sent all the same.
}


@dataclass(frozen=True, slots=True)
class ExecutionReport:
    """One ExecutionReport. cl_ord_id: of the request answered; orig_cl_ord_id: the action before it, 0 if none.

    last_qty, last_px: of the trade, zero in any other report.
    """

    exec_id: str
    exec_type: str
    ord_status: str
    order_id: str
    cl_ord_id: int
    orig_cl_ord_id: int
    symbol: str
    cum_qty: Decimal
    leaves_qty: Decimal
    avg_px: Decimal
    last_qty: Decimal
    last_px: Decimal
    transact_ns: int
    text: str

    @property
    def signal(self) -> OrderSignal:
        """What it says of the order's state. Errors: ValueMalformed for an OrdStatus(39) that nobody described."""
        if self.ord_status in _LIVE_STATUSES:
            return OrderSignal.REPORTED_PARTIALLY_FILLED if self.cum_qty else OrderSignal.REPORTED_NEW
        try:
            return _SIGNALS[self.ord_status]
        except KeyError:
            raise ValueMalformed(expected="an OrdStatus(39)", received=self.ord_status.encode()) from None


@dataclass(frozen=True, slots=True)
class Refusal:
    """A request that the venue refused. cl_ord_id: of the request, 0 where the venue names its number only."""

    cl_ord_id: int
    ref_seq_num: int
    reason: str
    text: str


def read_execution_report(message: Message) -> ExecutionReport:
    """Return the report of a message. Errors: ValueMalformed where 11, 17, 37, 39 or 150 is missing or malformed."""
    transact = message.get(tags.TRANSACT_TIME)
    report = ExecutionReport(
        exec_id=_name(message, tags.EXEC_ID),
        exec_type=message.need(tags.EXEC_TYPE).decode("ascii", "backslashreplace"),
        ord_status=message.need(tags.ORD_STATUS).decode("ascii", "backslashreplace"),
        order_id=_name(message, tags.ORDER_ID),
        cl_ord_id=_cl_ord_id(message.need(tags.CL_ORD_ID)),
        orig_cl_ord_id=_cl_ord_id(message.get(tags.ORIG_CL_ORD_ID)),
        symbol=message.text(tags.SYMBOL),
        cum_qty=_number(message, tags.CUM_QTY),
        leaves_qty=_number(message, tags.LEAVES_QTY),
        avg_px=_number(message, tags.AVG_PX),
        last_qty=_number(message, tags.LAST_QTY),
        last_px=_number(message, tags.LAST_PX),
        transact_ns=0 if transact is None else values.timestamp_ns(transact),
        text=message.text(tags.TEXT),
    )
    assert report.signal is not None  # Raises for a status that nobody described.
    return report


def read_business_reject(message: Message) -> Refusal:
    """Return the refusal of a 35=j: BusinessRejectRefID(379) counts, for RefSeqNum(45) may be 0."""
    return Refusal(
        cl_ord_id=_cl_ord_id(message.get(tags.BUSINESS_REJECT_REF_ID)),
        ref_seq_num=_integer_or_zero(message.get(tags.REF_SEQ_NUM)),
        reason=message.text(tags.BUSINESS_REJECT_REASON),
        text=message.text(tags.TEXT),
    )


def read_session_reject(ref_seq_num: str, text: str) -> Refusal:
    """Return the refusal that a Reject (35=3) is: nothing but RefSeqNum(45) is sure to be there."""
    return Refusal(cl_ord_id=0, ref_seq_num=_integer_or_zero(ref_seq_num.encode()), reason="", text=text)


def _name(message: Message, tag: int) -> str:
    """Return what the venue calls something. Errors: ValueMalformed where it is absent, empty or no printable ASCII."""
    value = message.need(tag)
    text = value.decode("ascii", "replace")
    if not text or not text.isascii() or not text.isprintable():
        raise ValueMalformed(expected=f"printable ASCII in tag {tag}", received=value)
    return text


def _cl_ord_id(value: bytes | None) -> int:
    """Return a ClOrdID as the integer that ours are; 0 for what cannot be ours."""
    return _integer_or_zero(value)


def _integer_or_zero(value: bytes | None) -> int:
    try:
        return values.integer(value or b"")
    except ValueMalformed:
        return 0


def _number(message: Message, tag: int) -> Decimal:
    value = message.get(tag)
    return ZERO if value is None else decimal(value)
