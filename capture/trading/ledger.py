"""The ledger: which report or refusal answers which request, and how each order stands.

Layer: trading. Knows orders, requests and what the venue said of them; no bytes.
Source: venue reference 3.6, 3.7, 6.7; what its captures demand: a j by BusinessRejectRefID(379), for its 45 is 0; a 3
by RefSeqNum(45), for it has nothing else; an ExecutionReport by OrderID(37), 41 or 11.
Left to others: the session (`trading.session`), the file (`trading.store`).
"""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import replace
from typing import Final, NamedTuple, Protocol, TypeVar

from capture.errors import StoreFailed
from capture.trading.events import OrderChanged, ReportUnmatched, RequestRefused, StoreUnwritten, TradingEvent
from capture.trading.orders import Order, OrderSignal, open_orders
from capture.trading.reports import ExecutionReport, Refusal
from capture.wire import tags

REQUESTS_LIMIT: Final = 10_000  # Requests whose answer can still be told; the oldest are forgotten.
EXEC_IDS_LIMIT: Final = 10_000  # Reports that are known when they come again.

K = TypeVar("K")
V = TypeVar("V")


class Store(Protocol):
    """What keeps orders; `trading.store.OrderStore` does, on a disk."""

    last_cl_ord_id: int

    @property
    def orders(self) -> Mapping[int, Order]:
        """Every order, by the ClOrdID that placed it."""

    def next_nonce(self, wall_ns: int) -> int:
        """Return the next nonce, kept."""

    def placed(self, order: Order) -> None:
        """Keep an order before it is sent."""

    def requested(self, cl_ord_id: int, msg_type: bytes) -> None:
        """Keep the ClOrdID of another request before it is sent."""

    def changed(self, order: Order) -> None:
        """Keep what became of an order."""


class _Request(NamedTuple):
    msg_type: bytes
    order: int  # The ClOrdID that placed the order it is about; 0 for a mass cancel.


class Ledger:
    """Orders and requests over one connection after another."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._events: list[TradingEvent] = []
        self._requests: OrderedDict[int, _Request] = OrderedDict()  # By ClOrdID.
        self._numbers: OrderedDict[int, int] = OrderedDict()  # MsgSeqNum to ClOrdID, of this connection.
        self._exec_ids: OrderedDict[str, None] = OrderedDict()
        self._unsent: set[int] = set()  # ClOrdIDs of orders that are queued.
        self._by_order_id = {it.order_id: it.cl_ord_id for it in store.orders.values() if it.order_id}
        self.doubt()

    def add(self, event: TradingEvent) -> None:
        """Take note of what happened elsewhere, in its order."""
        self._events.append(event)

    def take_events(self) -> list[TradingEvent]:
        """Return what happened since the last call, in order."""
        taken, self._events = self._events, []
        return taken

    # What we do.

    def placed(self, order: Order) -> None:
        """Store an order; then queue it. Errors: StoreFailed; it is not to be queued then."""
        self._store.placed(order)
        self._unsent.add(order.cl_ord_id)
        _remember(self._requests, order.cl_ord_id, _Request(tags.NEW_ORDER_SINGLE, order.cl_ord_id), REQUESTS_LIMIT)

    def requested(self, cl_ord_id: int, msg_type: bytes, order: int) -> None:
        """Store another request, about the order that a ClOrdID placed; then queue it. Errors: StoreFailed."""
        self._store.requested(cl_ord_id, msg_type)
        _remember(self._requests, cl_ord_id, _Request(msg_type, order), REQUESTS_LIMIT)

    def handed_out(self, cl_ord_id: int, msg_seq_num: int) -> None:
        """Take note of a request that is about to be written: from here on it may have gone out."""
        self._unsent.discard(cl_ord_id)
        _remember(self._numbers, msg_seq_num, cl_ord_id, REQUESTS_LIMIT)

    def connected(self) -> None:
        """Begin with the numbers of a new connection."""
        self._numbers.clear()

    def disconnected(self) -> None:
        """Take note of the connection's end: what never went out is NOT_SENT, what was open is UNKNOWN."""
        for cl_ord_id in sorted(self._unsent):
            self._apply(self._store.orders[cl_ord_id], OrderSignal.LEFT_UNSENT)
        self._unsent.clear()
        self.doubt()

    def doubt(self) -> None:
        """Take note that reports may be lost: how open orders stand is not known, but for those that never went out."""
        for order in open_orders(self._store.orders.values()):
            if order.cl_ord_id not in self._unsent:
                self._apply(order, OrderSignal.REPORTS_LOST)

    # What the venue says.

    def reported(self, report: ExecutionReport) -> None:
        """Apply an ExecutionReport to the order that it is about."""
        if report.exec_id in self._exec_ids:
            self._events.append(ReportUnmatched("8", f"ExecID(17) {report.exec_id} came before", report.text))
            return
        _remember(self._exec_ids, report.exec_id, None, EXEC_IDS_LIMIT)
        order = self._order_of(report)
        if order is None:
            reason = f"an order that is not in the store: OrderID(37) {report.order_id}, {report.ord_status}"
            self._events.append(ReportUnmatched("8", reason, report.text))
            return
        if report.cum_qty < order.cum_qty or not order.knows(report.signal):
            reason = f"OrdStatus(39) {report.ord_status} after {order.state.value}, {report.cum_qty} filled"
            self._events.append(ReportUnmatched("8", reason, report.text))
            return
        self._by_order_id[report.order_id] = order.cl_ord_id
        order = replace(
            order,
            order_id=report.order_id,
            cum_qty=report.cum_qty,
            # Zero was seen on fills; the last price is then the best that is known.
            avg_px=report.avg_px or (report.last_px if report.last_qty else order.avg_px),
            text=report.text,
        )
        self._apply(order, report.signal, report)

    def _order_of(self, report: ExecutionReport) -> Order | None:
        """Return our order: by the venue's name for it, else by the action before, else by the request answered."""
        request = self._requests.get(report.cl_ord_id)
        for cl_ord_id in (
            self._by_order_id.get(report.order_id, 0),
            report.orig_cl_ord_id,
            report.cl_ord_id,
            0 if request is None else request.order,
        ):
            order = self._store.orders.get(cl_ord_id)
            if cl_ord_id in self._unsent:
                continue  # The venue cannot know of it.
            # An order goes by one OrderID only, so a ClOrdID cannot give it a second one.
            if order is not None and order.order_id in {"", report.order_id} and report.symbol in {"", order.symbol}:
                return order
        return None

    def refused(self, msg_type: bytes, refusal: Refusal) -> None:
        """Apply a refusal to the request that it answers: by its ClOrdID, else by its number."""
        cl_ord_id = refusal.cl_ord_id or self._numbers.get(refusal.ref_seq_num, 0)
        request = self._requests.get(cl_ord_id)
        if request is None or cl_ord_id in self._unsent:
            reason = f"it names no request of ours: ClOrdID {refusal.cl_ord_id}, MsgSeqNum {refusal.ref_seq_num}"
            self._events.append(ReportUnmatched(msg_type.decode("ascii"), reason, refusal.text))
            return
        order = self._store.orders.get(request.order)
        if request.msg_type != tags.NEW_ORDER_SINGLE:
            self._events.append(RequestRefused(request.msg_type.decode("ascii"), order, refusal))
        elif order is not None and order.knows(OrderSignal.REFUSED):
            self._apply(replace(order, text=refusal.text), OrderSignal.REFUSED)
        else:
            reason = f"a refusal of order {cl_ord_id}, which is {order.state.value if order else 'not in the store'}"
            self._events.append(ReportUnmatched(msg_type.decode("ascii"), reason, refusal.text))

    # Helpers.

    def _apply(self, order: Order, signal: OrderSignal, report: ExecutionReport | None = None) -> None:
        order = order.after(signal)
        before = self._store.orders.get(order.cl_ord_id)
        if order != before:
            try:
                self._store.changed(order)
            except StoreFailed as error:
                self._events.append(StoreUnwritten(str(error)))
        if order != before or report is not None:
            self._events.append(OrderChanged(order, report))


def _remember(into: OrderedDict[K, V], key: K, value: V, limit: int) -> None:
    """Keep a value, and forget the oldest beyond a limit."""
    into[key] = value
    while len(into) > limit:
        into.popitem(last=False)
