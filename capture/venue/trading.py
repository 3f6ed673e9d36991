"""One client's connection to the simulated venue's order entry, sans I/O: signed Logon, requests, refusals.

Layer: venue. Source: venue reference 3.1, 3.6, 3.7, 6.1 to 6.8, 8.2; rows 1, 2, 20 to 25, 28, 31 and 33 of
section 7.
Left to others: sockets and timers (`venue.trading_server`), orders and reports (`venue.exchange`), what switches there
are (`venue.settings`).

The owner calls `opened`, `received`, `tick`, `closed`, and writes what `take_bytes` returns. Reports may also come of
another client's order; they wait for the next `take_bytes`.
"""

import hmac
from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from capture.errors import ValueMalformed
from capture.session.intake import Intake
from capture.session.session import Session
from capture.session.states import ESTABLISHED, State
from capture.trading.credentials import Credentials
from capture.trading.orders import OrdType, Side, decimal
from capture.trading.requests import REQUEST_TYPES
from capture.venue.exchange import (
    FILL_OR_KILL,
    GOOD_TILL_CANCEL,
    IMMEDIATE_OR_CANCEL,
    Exchange,
    Refused,
    VenueOrder,
)
from capture.venue.garbled import RejectingIntake
from capture.venue.outgoing import told
from capture.venue.register import Register
from capture.venue.settings import TradingVenueSettings
from capture.wire import tags, values
from capture.wire.encoder import encode
from capture.wire.message import Field, Message, split

__all__ = ["TradingAcceptor", "TradingVenueSettings"]

NONCE_WINDOW_MS: Final = 5000  # Either side of our clock.
MICROSECOND_NS: Final = 1000
SECOND_MICROSECONDS: Final = 1_000_000
LEAVE_ORDERS: Final = b"1"  # CancelOrdersOnDisconnect(8674): the inversion is the venue's.
_REQUIRED_MISSING, _OUT_OF_RANGE, _BAD_FORMAT = b"1", b"5", b"6"  # SessionRejectReason(373).

_NAMES: Final[Mapping[int, str]] = {
    tags.CL_ORD_ID: "ClOrdID",
    tags.ORDER_ID: "OrderID",
    tags.ORDER_QTY: "OrderQty",
    tags.ORD_TYPE: "OrdType",
    tags.PRICE: "Price",
    tags.SIDE: "Side",
    tags.SYMBOL: "Symbol",
    tags.TIME_IN_FORCE: "TimeInForce",
    tags.TRANSACT_TIME: "TransactTime",
    tags.MASS_CANCEL_REQUEST_TYPE: "MassCancelRequestType",
}
_REQUIRED: Final[Mapping[bytes, tuple[int, ...]]] = {
    tags.NEW_ORDER_SINGLE: (
        tags.CL_ORD_ID, tags.ORDER_QTY, tags.ORD_TYPE, tags.SIDE, tags.SYMBOL, tags.TIME_IN_FORCE, tags.TRANSACT_TIME,
    ),
    tags.ORDER_CANCEL_REQUEST: (tags.CL_ORD_ID, tags.SIDE, tags.SYMBOL, tags.TRANSACT_TIME),
    tags.ORDER_MASS_CANCEL_REQUEST: (tags.CL_ORD_ID, tags.TRANSACT_TIME, tags.MASS_CANCEL_REQUEST_TYPE),
    tags.ORDER_STATUS_REQUEST: (tags.CL_ORD_ID, tags.ORDER_ID, tags.SYMBOL),
}  # fmt: skip
_TIMES_IN_FORCE: Final = frozenset({GOOD_TILL_CANCEL, IMMEDIATE_OR_CANCEL, FILL_OR_KILL})


class _FieldFault(Exception):
    """A field that is answered by a Reject (35=3)."""

    def __init__(self, tag: int, reason: bytes, text: str) -> None:
        super().__init__(f"{text}: {_NAMES[tag]} ({tag})")
        self.tag, self.reason = tag, reason


class TradingAcceptor:
    """The venue's end of one trading connection; see the module for the owner's loop."""

    def __init__(
        self,
        exchange: Exchange,
        settings: TradingVenueSettings,
        credentials: Credentials,
        register: Register | None = None,
    ) -> None:
        self.exchange, self.settings = exchange, settings
        self.session = Session(settings.session(settings.target))
        self.requests_count = 0
        self._credentials = credentials
        self._register = register or Register(settings)
        self._intake = (RejectingIntake if settings.garbled == "rejected" else Intake)(self.session)
        self._out: list[bytes] = []
        self._connection = 0
        self._cancel_on_disconnect = True

    def opened(self, mono_ns: int) -> None:
        """Begin on a new connection."""
        self.session.opened(mono_ns)

    def received(self, data: bytes, wall_ns: int, mono_ns: int) -> None:
        """Handle bytes of the client; each message is answered before the next one is read."""
        for message in self._intake.messages(data, mono_ns):
            if self.session.state is State.CONNECTED and not self._may_log_on(message, wall_ns):
                return
            deliveries = self.session.receive(message, wall_ns, mono_ns)
            if self.session.state is State.LOGON_RECEIVED:
                self.session.next_out = self._register.first_number(self.session.target)
            for delivery in deliveries:
                self._serve(delivery.message, delivery.msg_seq_num, wall_ns)
            self._flush(wall_ns, mono_ns)

    def tick(self, wall_ns: int, mono_ns: int) -> None:
        """Let time pass."""
        self.session.tick(mono_ns)
        self._flush(wall_ns, mono_ns)

    def log_out(self, text: str, wall_ns: int, mono_ns: int) -> None:
        """End the session from the venue's side."""
        self.session.log_out(text)
        self._flush(wall_ns, mono_ns)

    def roll_over(self, wall_ns: int, mono_ns: int) -> None:
        """End the day of this session, or have its numbers begin anew in place, which leaves its orders alone."""
        match self.settings.rollover:
            case "logout":
                self.session.log_out("daily roll-over")
            case "reset" if self.session.state in {State.ACTIVE, State.AWAITING_RESEND}:
                self.session.reset_numbers()
            case "close":
                self.session.close("daily roll-over")
        self._flush(wall_ns, mono_ns)

    def closed(self, wall_ns: int) -> None:
        """Take note of the connection's end; without Logouts its orders end too, unless they were to be left."""
        orderly = self.session.state is State.LOGGED_OUT and self.settings.cancel_on_disconnect == "abnormal"
        self.session.closed()
        if self._connection:
            cancel = self._cancel_on_disconnect and not orderly
            self.exchange.disconnect(self.session.target, self._connection, cancel=cancel, wall_ns=wall_ns)

    def take_bytes(self) -> bytes:
        """Return what is to be written now."""
        taken = b"".join(self._out)
        self._out.clear()
        return taken

    # Logon.

    def _may_log_on(self, message: Message, wall_ns: int) -> bool:
        """Return whether a first message is a Logon that proves who sends it; where not, say so and end."""
        try:
            problem = self._logon_problem(message, wall_ns)
        except ValueMalformed as error:
            problem = str(error)
        if problem:
            self._refuse_logon(message, problem, wall_ns)
            return False
        self._cancel_on_disconnect = message.get(tags.CANCEL_ORDERS_ON_DISCONNECT) != LEAVE_ORDERS
        sender = message.need(tags.SENDER_COMP_ID)
        if message.flag(tags.FORCE_RESET_CL_ORD_ID):
            self.exchange.watermarks.pop(sender, None)
        self._connection = self.exchange.connect(sender, self._send, self._end)
        return True

    def _logon_problem(self, message: Message, wall_ns: int) -> str:
        if message.msg_type != tags.LOGON:
            return "the first message is not a Logon"
        sender, key = message.need(tags.SENDER_COMP_ID), message.need(tags.USERNAME)
        if self.settings.clients and sender not in self.settings.clients:
            return "authentication failure: unknown SenderCompID(49)"
        if not hmac.compare_digest(key, self._credentials.username):
            return "authentication failure: invalid key"
        nonce = message.integer(tags.NONCE)
        expected = self._credentials.password(
            msg_seq_num=message.integer(tags.MSG_SEQ_NUM),
            sender=sender,
            target=message.need(tags.TARGET_COMP_ID),
            nonce=nonce,
        )
        if not hmac.compare_digest(message.need(tags.PASSWORD), expected):
            return "authentication failure: invalid signature"
        if self.settings.second_logon == "refuse" and sender in self.exchange.connections:
            return "SenderCompID(49) is logged on already"
        # Only a nonce that is proven counts, else anybody could use up another's.
        off_ms, last = abs(nonce - wall_ns // values.MILLISECOND_NS), self.exchange.nonces.get(key, 0)
        if off_ms > NONCE_WINDOW_MS and self.settings.nonce != "rising":
            return f"authentication failure: nonce more than {NONCE_WINDOW_MS} ms from the venue's clock"
        if nonce <= last and self.settings.nonce != "window":
            return "authentication failure: nonce not above the last one"
        self.exchange.nonces[key] = max(nonce, last)
        return ""

    def _refuse_logon(self, message: Message, text: str, wall_ns: int) -> None:
        # Beside the session core, which has no Logout to say before a Logon was accepted.
        frame = encode(
            tags.LOGOUT,
            ((tags.TEXT, text.encode()),),
            msg_seq_num=1,
            sender=self.settings.target,
            target=message.get(tags.SENDER_COMP_ID) or b"UNKNOWN",
            sending_text=values.timestamp_text(wall_ns),
        )
        self._out.append(frame)
        self.session.close_reason = text

    # Requests.

    def _serve(self, message: Message, seq_num: int, wall_ns: int) -> None:
        self.requests_count += 1
        cl_ord_id = message.get(tags.CL_ORD_ID) or b""
        try:
            if message.msg_type not in REQUEST_TYPES:
                raise Refused("Unsupported message type", b"3")  # noqa: TRY301 - beside what raises it elsewhere.
            _need_fields(message)
            self._check_time(cl_ord_id, wall_ns)
            self.exchange.rises(self.session.target, cl_ord_id)
            self._carry_out(message, cl_ord_id, wall_ns)
        except _FieldFault as fault:
            self._reject(message, seq_num, fault)
        except Refused as refused:
            self._refuse(message, seq_num, cl_ord_id, refused)

    def _check_time(self, cl_ord_id: bytes, wall_ns: int) -> None:
        limit = self.settings.cl_ord_id_seconds
        if not limit:
            return
        microseconds = int(cl_ord_id) if cl_ord_id.isdigit() and len(cl_ord_id) <= values.DIGITS_LIMIT else 0
        if abs(microseconds - wall_ns // MICROSECOND_NS) > limit * SECOND_MICROSECONDS:
            raise Refused("EOrder:ClOrdID invalid value (timestamp is out of date)")

    def _carry_out(self, message: Message, cl_ord_id: bytes, wall_ns: int) -> None:
        sender, exchange = self.session.target, self.exchange
        match message.msg_type:
            case tags.NEW_ORDER_SINGLE:
                exchange.place(self._read_order(message, cl_ord_id), wall_ns)
            case tags.ORDER_CANCEL_REQUEST:
                order = exchange.find(sender, message.text(tags.ORDER_ID), message.get(tags.ORIG_CL_ORD_ID) or b"")
                own = order.connection == self._connection or self.settings.cancel_reach == "sender"
                if order not in exchange.open_orders(sender) or not own:
                    raise Refused("EOrder:Unknown order", b"101")
                exchange.cancel(order, cl_ord_id, wall_ns, text="User requested")
            case tags.ORDER_MASS_CANCEL_REQUEST:
                self._cancel_many(message, cl_ord_id, wall_ns)
            case tags.ORDER_STATUS_REQUEST:
                exchange.tell(exchange.find(sender, message.text(tags.ORDER_ID), b""), cl_ord_id, wall_ns)

    def _read_order(self, message: Message, cl_ord_id: bytes) -> VenueOrder:
        ord_type = _enumerated(message, tags.ORD_TYPE, frozenset(it.value.encode() for it in OrdType))
        limit = ord_type == OrdType.LIMIT.value.encode()
        return VenueOrder(
            sender=self.session.target,
            connection=self._connection,
            cl_ord_id=cl_ord_id,
            order_id="",
            symbol=message.text(tags.SYMBOL),
            side=Side(_enumerated(message, tags.SIDE, frozenset(it.value.encode() for it in Side)).decode()),
            ord_type=OrdType(ord_type.decode()),
            quantity=_above_zero(message, tags.ORDER_QTY),
            price=_above_zero(message, tags.PRICE) if limit else None,
            time_in_force=_enumerated(message, tags.TIME_IN_FORCE, _TIMES_IN_FORCE),
        )

    def _cancel_many(self, message: Message, cl_ord_id: bytes, wall_ns: int) -> None:
        scope = _enumerated(message, tags.MASS_CANCEL_REQUEST_TYPE, frozenset({b"1", b"6", b"7"}))
        whole_account = scope == b"7" and self.settings.mass_cancel == "account"
        orders = self.exchange.open_orders(None if whole_account else self.session.target)
        if scope != b"7":
            orders = [it for it in orders if it.connection == self._connection]
        if scope == b"1":
            _need(message, tags.SYMBOL)
            orders = [it for it in orders if it.symbol == message.text(tags.SYMBOL)]
        for order in orders:
            self.exchange.cancel(order, cl_ord_id, wall_ns, text="User requested")

    def _reject(self, message: Message, seq_num: int, fault: _FieldFault) -> None:
        body = (
            (tags.REF_SEQ_NUM, b"%d" % seq_num),
            (tags.TEXT, str(fault).encode()),
            (tags.REF_TAG_ID, b"%d" % fault.tag),
            (tags.REF_MSG_TYPE, message.msg_type),
            (tags.SESSION_REJECT_REASON, fault.reason),
        )
        self._send(tags.REJECT, body)

    def _refuse(self, message: Message, seq_num: int, cl_ord_id: bytes, refused: Refused) -> None:
        body: list[Field] = [
            (tags.REF_SEQ_NUM, b"%d" % seq_num),
            (tags.TEXT, str(refused).encode()),
            (tags.REF_MSG_TYPE, message.msg_type),
        ]
        if cl_ord_id:
            body.append((tags.BUSINESS_REJECT_REF_ID, cl_ord_id))
        self._send(tags.BUSINESS_MESSAGE_REJECT, (*body, (tags.BUSINESS_REJECT_REASON, refused.reason)))

    def _send(self, msg_type: bytes, body: tuple[Field, ...]) -> None:
        if self.session.state in ESTABLISHED:
            self.session.send(msg_type, body)

    def _end(self, reason: str) -> None:
        self.session.close_reason = self.session.close_reason or reason

    def _flush(self, wall_ns: int, mono_ns: int) -> None:
        while (frame := self.session.next_frame(wall_ns)) is not None:
            frame = told(frame, self.settings)
            self.session.sent(split(frame), mono_ns)
            self._out.append(frame)


def _need_fields(message: Message) -> None:
    for tag in _REQUIRED[message.msg_type]:
        _need(message, tag)
    if message.msg_type == tags.ORDER_CANCEL_REQUEST and not message.get(tags.ORIG_CL_ORD_ID):
        _need(message, tags.ORDER_ID)


def _need(message: Message, tag: int) -> bytes:
    value = message.get(tag)
    if not value:
        raise _FieldFault(tag, _REQUIRED_MISSING, "Missing mandatory field")
    return value


def _enumerated(message: Message, tag: int, allowed: frozenset[bytes]) -> bytes:
    value = _need(message, tag)
    if value not in allowed:
        raise _FieldFault(tag, _OUT_OF_RANGE, "Invalid field value")
    return value


def _above_zero(message: Message, tag: int) -> Decimal:
    try:
        number = decimal(_need(message, tag))
    except ValueMalformed:
        raise _FieldFault(tag, _BAD_FORMAT, "Invalid field format") from None
    if number <= 0:
        raise _FieldFault(tag, _OUT_OF_RANGE, "Invalid field value")
    return number
