"""The simulated venue's order entry: orders of all clients, what they trade, and the reports about it.

Layer: venue. Knows orders and reports; no session, no clock, no socket.
Source: venue reference 6.1 to 6.8; field order of the reports ascending, as captured.
Left to others: who may log on, and how a request is read (`venue.trading`); prices (`venue.matching`).

One exchange serves every connection. A report goes to the connection that its order's SenderCompID has now; where
there is none it is lost, as with the real one, and a status request tells.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal, localcontext
from typing import Final, NamedTuple

from capture.errors import ValueMalformed
from capture.trading.orders import OrdType, Side, decimal_text
from capture.venue.matching import Fill, MatchingBook, Standing, book_of
from capture.venue.order_ids import order_id
from capture.venue.recording import Recordings
from capture.wire import tags, values
from capture.wire.message import Field

COST_LIMIT: Final = Decimal(1_000_000)  # Of one order in its quote currency: beyond it funds are insufficient.
OPEN_ORDERS_LIMIT: Final = 225  # For one sender and symbol; the venue's highest tier.
ORDERS_LIMIT: Final = 1_000_000
EXACT_DIGITS: Final = 40  # Of a price times a size, and of sums of these.
NEW, PARTIALLY_FILLED, FILLED, CANCELED = b"0", b"1", b"2", b"4"  # OrdStatus(39).
OPEN_STATUSES: Final = frozenset({NEW, PARTIALLY_FILLED})
GOOD_TILL_CANCEL, IMMEDIATE_OR_CANCEL, FILL_OR_KILL = b"1", b"3", b"4"  # TimeInForce(59).
ZERO: Final = Decimal(0)

Send = Callable[[bytes, tuple[Field, ...]], None]


class Connected(NamedTuple):
    """A sender's connection: its number, how to write to it, and how to end it."""

    number: int
    send: Send
    end: Callable[[str], None]


class Refused(Exception):
    """A request that is answered by a BusinessMessageReject (35=j)."""

    def __init__(self, text: str, reason: bytes = b"0") -> None:
        super().__init__(text)
        self.reason = reason


@dataclass(slots=True)
class VenueOrder:
    """One order. cl_ord_id: of the last action on it. connection: the one that placed it."""

    sender: bytes
    connection: int
    cl_ord_id: bytes
    order_id: str
    symbol: str
    side: Side
    ord_type: OrdType
    quantity: Decimal
    price: Decimal | None
    time_in_force: bytes
    status: bytes = NEW
    cum_qty: Decimal = ZERO
    cost: Decimal = ZERO
    trades: int = field(default=0)

    @property
    def leaves_qty(self) -> Decimal:
        """What is still to be traded; nothing once it is closed."""
        return self.quantity - self.cum_qty if self.status in OPEN_STATUSES else ZERO

    @property
    def summary(self) -> str:
        """The order in the venue's own words."""
        at = "market" if self.price is None else f"limit {decimal_text(self.price)}"
        return f"{self.side.name.lower()} {decimal_text(self.quantity)} {self.symbol} @ {at}"


class Exchange:
    """Books, orders and watermarks of one venue."""

    def __init__(self, recordings: Recordings) -> None:
        self.books: Mapping[str, MatchingBook] = {
            symbol: book_of(stream) for symbol, stream in recordings.streams.items() if stream.messages
        }
        self.orders: dict[str, VenueOrder] = {}
        self.watermarks: dict[bytes, int] = {}  # Highest ClOrdID of each sender.
        self.nonces: dict[bytes, int] = {}  # Highest nonce of each API key.
        self.placed_count = 0
        self.connections: dict[bytes, Connected] = {}  # By sender.
        self._connection = self._exec = 0

    def connect(self, sender: bytes, send: Send, end: Callable[[str], None]) -> int:
        """Return the number of a sender's new connection, to which its reports go from now on; it evicts the old."""
        old = self.connections.get(sender)
        if old is not None:
            old.end("the same SenderCompID logged on elsewhere")
        self._connection += 1
        self.connections[sender] = Connected(self._connection, send, end)
        return self._connection

    def disconnect(self, sender: bytes, connection: int, *, cancel: bool, wall_ns: int) -> None:
        """Take note of a connection's end. cancel: its orders end with it; nobody is there to be told."""
        now = self.connections.get(sender)
        if now is not None and now.number == connection:
            del self.connections[sender]
        if cancel:
            for order in self.open_orders(sender):
                if order.connection == connection:
                    self.cancel(order, order.cl_ord_id, wall_ns, text="Disconnected")

    def rises(self, sender: bytes, cl_ord_id: bytes) -> None:
        """Hold a ClOrdID against the watermark, and raise that. Errors: Refused."""
        try:
            number = values.integer(cl_ord_id)
        except ValueMalformed:
            number = 0  # A UUID is legal at the real venue; this one asks for integers.
        if number <= self.watermarks.get(sender, 0):
            raise Refused("EOrder:Invalid ClOrdID: not above the last one")
        self.watermarks[sender] = number

    def place(self, order: VenueOrder, wall_ns: int) -> None:
        """Admit an order, report it, trade it, and let the rest stand. Errors: Refused."""
        book = self._admit(order)
        order.order_id = order_id(len(self.orders) + 1)
        self.orders[order.order_id] = order
        self.placed_count += 1
        self._report(order, b"0", order.cl_ord_id, wall_ns)
        killed = order.time_in_force == FILL_OR_KILL and (
            book.available(order.side, order.price, order.sender) < order.quantity
        )
        fills: list[Fill] = []
        left = order.quantity
        if not killed:
            fills, left = book.take(order.side, order.quantity, order.price, order.sender)
        for fill in fills:
            self._trade(order, fill, wall_ns)
            maker = self.orders.get(fill.maker_order_id)
            if maker is not None:
                self._trade(maker, fill, wall_ns)
        if not left:
            return
        if killed or order.price is None or order.time_in_force != GOOD_TILL_CANCEL:
            self.cancel(order, order.cl_ord_id, wall_ns, text="EOrder:Order not filled: no more at that price")
        elif book.meets_own(order.side, order.price, order.sender):
            self.cancel(order, order.cl_ord_id, wall_ns, text="Self-trade prevention: newest canceled")
        else:
            assert order.price is not None
            book.rest(order.side, Standing(order.price, left, order.order_id, order.sender))

    def cancel(self, order: VenueOrder, answering: bytes, wall_ns: int, *, text: str = "") -> None:
        """End an open order and report it. answering: the ClOrdID of the request, or the order's own."""
        order.status = CANCELED
        self.books[order.symbol].remove(order.side, order.order_id)
        original = order.cl_ord_id
        order.cl_ord_id = answering
        self._report(order, b"4", answering, wall_ns, original=original, text=text)

    def tell(self, order: VenueOrder, answering: bytes, wall_ns: int) -> None:
        """Report how an order stands."""
        self._report(order, b"I", answering, wall_ns)

    def find(self, sender: bytes, order_id: str, orig_cl_ord_id: bytes) -> VenueOrder:
        """Return a sender's order by OrderID(37), else by the last ClOrdID used on it. Errors: Refused."""
        if order_id:
            order = self.orders.get(order_id)
        else:
            order = next((it for it in self.open_orders(sender) if it.cl_ord_id == orig_cl_ord_id), None)
        if order is None or order.sender != sender:
            raise Refused("EOrder:Unknown order", b"101")
        return order

    def open_orders(self, sender: bytes | None) -> list[VenueOrder]:
        """Return a sender's open orders, or everybody's, oldest first."""
        return [it for it in self.orders.values() if sender in {it.sender, None} and it.status in OPEN_STATUSES]

    # Helpers.

    def _admit(self, order: VenueOrder) -> MatchingBook:
        book = self.books.get(order.symbol)
        if book is None:
            raise Refused(f"EQuery:Unknown asset pair: {order.symbol}", b"2")
        if len(self.orders) >= ORDERS_LIMIT:
            raise Refused("EService:Busy", b"4")
        mine = [it for it in self.open_orders(order.sender) if it.symbol == order.symbol]
        if len(mine) >= OPEN_ORDERS_LIMIT:
            raise Refused("EOrder:Orders limit exceeded")
        opposite = Side.SELL if order.side is Side.BUY else Side.BUY
        price = order.price if order.price is not None else book.best(opposite)
        if _product(order.quantity, price or ZERO) > COST_LIMIT:
            raise Refused("EOrder:Insufficient funds")
        return book

    def _trade(self, order: VenueOrder, fill: Fill, wall_ns: int) -> None:
        order.cum_qty += fill.size
        order.trades += 1
        with localcontext(prec=EXACT_DIGITS):
            order.cost += fill.price * fill.size
        order.status = FILLED if order.cum_qty == order.quantity else PARTIALLY_FILLED
        self._report(order, b"F", order.cl_ord_id, wall_ns, fill=fill)

    def _report(
        self,
        order: VenueOrder,
        exec_type: bytes,
        answering: bytes,
        wall_ns: int,
        *,
        original: bytes = b"",
        fill: Fill | None = None,
        text: str = "",
    ) -> None:
        self._exec += 1
        fields: dict[int, bytes] = {
            tags.AVG_PX: _text(_quotient(order.cost, order.cum_qty) if order.cum_qty else ZERO),
            tags.CL_ORD_ID: answering,
            tags.CUM_QTY: _text(order.cum_qty),
            tags.EXEC_ID: b"EXEC%06d" % self._exec,
            tags.ORDER_ID: order.order_id.encode(),
            tags.ORDER_QTY: _text(order.quantity),
            tags.ORD_STATUS: order.status,
            tags.ORD_TYPE: order.ord_type.value.encode(),
            tags.SIDE: order.side.value.encode(),
            tags.SYMBOL: order.symbol.encode(),
            tags.TEXT: (text or order.summary).encode(),
            tags.TIME_IN_FORCE: order.time_in_force,
            tags.TRANSACT_TIME: values.timestamp_text(wall_ns),
            tags.EXEC_TYPE: exec_type,
            tags.LEAVES_QTY: _text(order.leaves_qty),
            tags.GROSS_TRADE_AMT: _text(order.cost),
        }
        if original not in {b"", answering}:
            fields[tags.ORIG_CL_ORD_ID] = original
        if order.price is not None:
            fields[tags.PRICE] = _text(order.price)
        if fill is not None:
            fields[tags.LAST_PX], fields[tags.LAST_QTY] = _text(fill.price), _text(fill.size)
            fields[tags.SECONDARY_EXEC_ID] = b"%d" % self._exec
        connection = self.connections.get(order.sender)
        if connection is not None:
            connection.send(tags.EXECUTION_REPORT, tuple(sorted(fields.items())))


def _product(one: Decimal, other: Decimal) -> Decimal:
    with localcontext(prec=EXACT_DIGITS):
        return one * other


def _quotient(cost: Decimal, size: Decimal) -> Decimal:
    """Return an average price, cut to what a client can read."""
    with localcontext(prec=values.DIGITS_LIMIT):
        return cost / size


def _text(number: Decimal) -> bytes:
    return decimal_text(number).encode()
