"""The trading session, sans I/O: orders in, frames out; bytes in, events out.

Layer: trading. Knows the session core, its own orders, and a store that it is given; no socket and no clock.
Source: venue reference 3.1 and 6; session cases STO-1, RSD-8.
Left to others: what answers what (`trading.ledger`), sockets and timers (`capture.trader`), the file (`trading.store`).

The owner's loop is that of the session core: after `opened`, `received`, `tick` or a request, take each frame of
`next_frame`, put it on the wire and tell `sent`; then look at `take_events` and `close_reason`.

Nothing is sent twice: a request is stored before it is queued, what is stored is never queued again, and the core
answers a ResendRequest with a gap fill. Each Logon resets the numbers (141=Y), for there is nothing to resend.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from capture.errors import SessionError, SettingInvalid, StoreFailed, ValueMalformed
from capture.session import events as session_events
from capture.session.intake import Intake
from capture.session.session import Delivery, Role, Session, SessionSettings
from capture.session.states import State
from capture.trading import requests
from capture.trading.credentials import Credentials
from capture.trading.events import ReportUnmatched, StoreUnwritten, TradingEvent
from capture.trading.ledger import Ledger, Store
from capture.trading.orders import Order, Side, new_order, next_cl_ord_id, open_orders
from capture.trading.reports import read_business_reject, read_execution_report, read_session_reject
from capture.trading.requests import REQUEST_TYPES, CancelScope
from capture.wire import tags
from capture.wire.message import Field, Message, parse

TARGET_COMP_ID: Final = b"KRAKEN-TRD"
STATUS_REQUESTS_LIMIT: Final = 250  # After one logon; above the venue's open orders for a pair.


@dataclass(frozen=True, slots=True)
class TradingSettings:
    """Who we are at the venue.

    client_id: ClientID(109), which links this session to another one of ours, such as market data.
    cancel_on_disconnect: whether the venue cancels this session's orders when the connection is lost (8674).
    force_reset_cl_ord_id: 5030=Y, for emergencies: the venue forgets the highest ClOrdID it has seen.
    """

    sender: bytes
    target: bytes = TARGET_COMP_ID
    heartbeat_s: int = 60
    client_id: bytes = b""
    cancel_on_disconnect: bool = True
    force_reset_cl_ord_id: bool = False

    def __post_init__(self) -> None:
        """Errors: SettingInvalid for a name that cannot stand in a message."""
        for where, name in (("SenderCompID(49)", self.sender), ("TargetCompID(56)", self.target)):
            if not name.isascii() or not name.decode("ascii").isprintable() or not name:
                raise SettingInvalid(where=where, received=repr(name), allowed="printable ASCII")


class TradingSession:
    """Our end of a trading session; see the module for the owner's loop."""

    def __init__(self, settings: TradingSettings, credentials: Credentials, store: Store) -> None:
        self.settings = settings
        self.session = Session(
            SessionSettings(
                Role.INITIATOR,
                sender=settings.sender,
                target=settings.target,
                heartbeat_s=settings.heartbeat_s,
                logon_fields=self._logon_fields,
            )
        )
        self.ledger = Ledger(store)
        self._credentials = credentials
        self._store = store
        self._intake = Intake(self.session)
        self._wall_ns = 0
        self._ask_due = False

    # Transport and time.

    def opened(self, mono_ns: int) -> None:
        """Begin on a new connection; the signed Logon is due."""
        self._intake = Intake(self.session)
        self.ledger.connected()
        self.session.opened(mono_ns)

    def closed(self) -> None:
        """Take note of the transport's end: what was open is UNKNOWN, what never went out is NOT_SENT."""
        self.session.closed()
        self.ledger.disconnected()

    def received(self, data: bytes, wall_ns: int, mono_ns: int) -> None:
        """Handle bytes of the venue."""
        self._wall_ns = wall_ns
        for message in self._intake.messages(data, mono_ns):
            for delivery in self.session.receive(message, wall_ns, mono_ns):
                self._handle(delivery)
            self._take_session_events()

    def tick(self, wall_ns: int, mono_ns: int) -> None:
        """Let time pass."""
        self._wall_ns = wall_ns
        self.session.tick(mono_ns)
        self._take_session_events()

    def log_out(self) -> None:
        """Ask for the end of the session."""
        self.session.log_out("")

    def next_frame(self, wall_ns: int) -> bytes | None:
        """Return the next frame to put on the wire, or None; then tell `sent`. Errors: StoreFailed for a Logon."""
        self._wall_ns = wall_ns
        frame = self.session.next_frame(wall_ns)
        if frame is not None:
            message = parse(frame)
            if message.msg_type in REQUEST_TYPES:
                self.ledger.handed_out(message.integer(tags.CL_ORD_ID), message.integer(tags.MSG_SEQ_NUM))
        return frame

    def sent(self, frame: bytes, mono_ns: int) -> None:
        """Take note of a frame that went out."""
        self.session.sent(parse(frame), mono_ns)
        self._take_session_events()

    def take_events(self) -> list[TradingEvent]:
        """Return what happened since the last call, in order."""
        self._take_session_events()
        return self.ledger.take_events()

    @property
    def close_reason(self) -> str | None:
        """Why the transport is to be closed, or None."""
        return self.session.close_reason

    # Requests. Each is stored before it is queued. Errors: SessionError while the session is not active, StoreFailed;
    # nothing is queued then.

    @property
    def orders(self) -> Mapping[int, Order]:
        """Every order of the store, by the ClOrdID that placed it."""
        return self._store.orders

    def place_limit(self, symbol: str, side: Side, quantity: Decimal, price: Decimal, wall_ns: int) -> Order:
        """Place a limit order, good till cancelled. Errors: also OrderInvalid."""
        return self._place(symbol, side, quantity, price, wall_ns)

    def place_market(self, symbol: str, side: Side, quantity: Decimal, wall_ns: int) -> Order:
        """Place a market order. Errors: also OrderInvalid."""
        return self._place(symbol, side, quantity, None, wall_ns)

    def cancel(self, order: Order, wall_ns: int) -> int:
        """Ask for the end of one order; return the ClOrdID of the request.

        By OrderID(37) where it is known, else by the ClOrdID that placed the order, which also reaches an order in
        state UNKNOWN. The venue reaches only orders placed on the same FIX session so; `cancel_all` reaches further.
        """
        cl_ord_id = self._begin_request(tags.ORDER_CANCEL_REQUEST, order.cl_ord_id, wall_ns)
        body = requests.order_cancel_request(cl_ord_id, order, wall_ns)
        self.session.send(tags.ORDER_CANCEL_REQUEST, body)
        return cl_ord_id

    def cancel_all(self, scope: CancelScope, wall_ns: int, *, symbol: str | None = None) -> int:
        """Ask for the end of all orders of a scope; return the ClOrdID of the request. Each answers by a report."""
        cl_ord_id = self._begin_request(tags.ORDER_MASS_CANCEL_REQUEST, 0, wall_ns)
        body = requests.order_mass_cancel_request(cl_ord_id, scope, symbol, wall_ns)
        self.session.send(tags.ORDER_MASS_CANCEL_REQUEST, body)
        return cl_ord_id

    def status(self, order: Order, wall_ns: int) -> int:
        """Ask after an order whose OrderID(37) is known; return the ClOrdID of the request."""
        cl_ord_id = self._begin_request(tags.ORDER_STATUS_REQUEST, order.cl_ord_id, wall_ns)
        body = requests.order_status_request(cl_ord_id, order, wall_ns)
        self.session.send(tags.ORDER_STATUS_REQUEST, body)
        return cl_ord_id

    def _place(self, symbol: str, side: Side, quantity: Decimal, price: Decimal | None, wall_ns: int) -> Order:
        self._need_active(tags.NEW_ORDER_SINGLE)
        cl_ord_id = next_cl_ord_id(self._store.last_cl_ord_id, wall_ns)
        order = new_order(
            cl_ord_id=cl_ord_id, symbol=symbol, side=side, quantity=quantity, price=price, placed_ns=wall_ns
        )
        self.ledger.placed(order)
        self.session.send(tags.NEW_ORDER_SINGLE, requests.new_order_single(order))
        return order

    def _begin_request(self, msg_type: bytes, order: int, wall_ns: int) -> int:
        self._need_active(msg_type)
        cl_ord_id = next_cl_ord_id(self._store.last_cl_ord_id, wall_ns)
        self.ledger.requested(cl_ord_id, msg_type, order)
        return cl_ord_id

    def _need_active(self, msg_type: bytes) -> None:
        if self.session.state is not State.ACTIVE or self.session.close_reason is not None:
            raise SessionError(state=self.session.state.value, signal=f"send 35={msg_type.decode('ascii')}")

    # Logon.

    def _logon_fields(self, msg_seq_num: int) -> tuple[Field, ...]:
        settings = self.settings
        nonce = self._store.next_nonce(self._wall_ns)
        password = self._credentials.password(
            msg_seq_num=msg_seq_num, sender=settings.sender, target=settings.target, nonce=nonce
        )
        fields: list[Field] = []
        if settings.client_id:
            fields.append((tags.CLIENT_ID, settings.client_id))
        fields += [(tags.USERNAME, self._credentials.username), (tags.PASSWORD, password)]
        fields.append((tags.NONCE, b"%d" % nonce))
        if settings.force_reset_cl_ord_id:
            fields.append((tags.FORCE_RESET_CL_ORD_ID, b"Y"))
        fields.append((tags.CANCEL_ORDERS_ON_DISCONNECT, b"0" if settings.cancel_on_disconnect else b"1"))
        return tuple(fields)

    # What the venue says.

    def _handle(self, delivery: Delivery) -> None:
        message = delivery.message
        try:
            if message.msg_type == tags.EXECUTION_REPORT:
                self.ledger.reported(read_execution_report(message))
            elif message.msg_type == tags.BUSINESS_MESSAGE_REJECT:
                self.ledger.refused(message.msg_type, read_business_reject(message))
            else:
                self._unmatched(message, "a message that a trading session does not know")
        except ValueMalformed as error:
            self._unmatched(message, str(error))

    def _take_session_events(self) -> None:
        for event in self.session.take_events():
            self.ledger.add(event)
            if isinstance(event, session_events.RejectReceived):
                self.ledger.refused(tags.REJECT, read_session_reject(event.ref_seq_num, event.text))
            elif isinstance(event, session_events.LoggedOn):
                self._ask_due = True
            elif isinstance(event, session_events.GapFilled | session_events.SequenceReset):
                # Reports may have been among what will not come any more.
                self.ledger.doubt()
                self._ask_due = True
        if self._ask_due and self.session.state is State.ACTIVE and self.session.close_reason is None:
            self._ask_due = False
            self._ask_after_open()

    def _ask_after_open(self) -> None:
        """Ask the venue about every open order that it gave a name to ask by."""
        asked = [it for it in open_orders(self.orders.values()) if it.order_id]
        for order in asked[:STATUS_REQUESTS_LIMIT]:
            try:
                self.status(order, self._wall_ns)
            except StoreFailed as error:
                self.ledger.add(StoreUnwritten(str(error)))
                return

    # Helpers.

    def _unmatched(self, message: Message, reason: str) -> None:
        msg_type = message.msg_type.decode("ascii", "backslashreplace")
        self.ledger.add(ReportUnmatched(msg_type, reason, message.text(tags.TEXT)))
