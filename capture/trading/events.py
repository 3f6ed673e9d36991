"""What happened on a trading session, as values, besides the events of the session core.

Layer: trading. Data only.
"""

from dataclasses import dataclass

from capture.session import events as session_events
from capture.trading.orders import Order
from capture.trading.reports import ExecutionReport, Refusal


@dataclass(frozen=True, slots=True)
class OrderChanged:
    """An order stands otherwise than before; `report` is the venue's, None where we know by ourselves."""

    order: Order
    report: ExecutionReport | None


@dataclass(frozen=True, slots=True)
class RequestRefused:
    """The venue refused a cancel, a mass cancel or a question; the order it was about stands as it stood."""

    msg_type: str
    order: Order | None
    refusal: Refusal


@dataclass(frozen=True, slots=True)
class ReportUnmatched:
    """The venue said something that belongs to no order or request of ours, or that cannot apply to it."""

    msg_type: str
    reason: str
    text: str


@dataclass(frozen=True, slots=True)
class StoreUnwritten:
    """The store failed; what came in is known in memory only, and no request goes out any more."""

    text: str


TradingEvent = OrderChanged | RequestRefused | ReportUnmatched | StoreUnwritten | session_events.SessionEvent
