"""What a feed finds, as values: kinds of event rows, and findings that somebody acts upon.

Layer: beside the feed. Data only.
Source: design section 5, table `events`.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple, TypedDict

from capture.book.levels import PriceLevel
from capture.market.instruments import Instrument
from capture.session import events
from capture.sinks import Position


class Kind(StrEnum):
    """What an event row is about."""

    CONNECT = "connect"
    DISCONNECT = "disconnect"
    LOGON = "logon"
    LOGON_REFUSED = "logon_refused"
    LOGOUT = "logout"
    HEARTBEAT = "heartbeat"
    TEST_REQUEST = "test_request"
    PROOF = "proof"
    GAP = "gap"
    GAP_FILL = "gap_fill"
    GAP_CLOSED = "gap_closed"
    SEQUENCE_RESET = "sequence_reset"
    ROLLOVER = "rollover"
    RESEND_REQUEST = "resend_request"
    REJECT = "reject"
    REJECTED = "rejected"
    GARBLED = "garbled"
    TIME_OFF = "time_off"
    VIOLATION = "violation"
    SUBSCRIBE = "subscribe"
    UNSUBSCRIBE = "unsubscribe"
    SUBSCRIPTION_REJECTED = "subscription_rejected"
    SNAPSHOT = "snapshot"
    MISMATCH = "mismatch"
    INVARIANT = "invariant"
    SUSPECT = "suspect"
    HEALED = "healed"
    PRECISION_CHANGE = "precision_change"
    INSTRUMENTS = "instruments"
    INSTRUMENT_STATUS = "instrument_status"
    TRADING_STATUS = "trading_status"
    MALFORMED = "malformed"
    UNKNOWN_MESSAGE = "unknown_message"
    NOTE = "note"
    MERGED = "merged"


@dataclass(frozen=True, slots=True)
class InstrumentsListed:
    """A whole instrument list is in."""

    symbols: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class InstrumentChanged:
    """An instrument came, went, or came in another version; told before the list that it came with.

    status: AssetPairStatus(5032), or UNLISTED where a whole list no longer names it.
    precision_changed: whether the decimals of its price or size are others than before.
    """

    symbol: str
    status: int
    precision_changed: bool = False


@dataclass(frozen=True, slots=True)
class TradingStatusArrived:
    """The venue said its own status, TradSesStatus(340)."""

    status: int


@dataclass(frozen=True, slots=True)
class ListFailed:
    """The instrument list could not be had."""

    text: str


@dataclass(frozen=True, slots=True)
class SnapshotArrived:
    """A book of this symbol stands again."""

    symbol: str


@dataclass(frozen=True, slots=True)
class BookSuspect:
    """A book is not to be believed until its next snapshot."""

    symbol: str
    reason: str


class Place(NamedTuple):
    """One message: its MsgSeqNum(34), receive time, and the journal block of its first byte."""

    msg_seq_num: int
    receive_ns: int
    position: Position


@dataclass(frozen=True, slots=True)
class BookBroken:
    """A book is not what the venue says: what of it only the feed knows, and only at that moment.

    level: 2 or 3; the levels of a book of orders are their sums. at: the message after which it showed. snapshot: the
    one that the book began with.
    received, computed: ChecksumOrderBook(5041) of the message, and ours; None where none was due.
    bids, offers: the book after the message, best level first.
    """

    symbol: str
    md_req_id: str
    session_id: str
    instrument: Instrument
    depth: int
    level: int
    at: Place
    snapshot: Place
    received: int | None
    computed: int | None
    text: str
    bids: tuple[PriceLevel, ...]
    offers: tuple[PriceLevel, ...]


@dataclass(frozen=True, slots=True)
class BookHealed:
    """A book that was not to be believed stands again by a new snapshot, which was made by this instrument."""

    symbol: str
    session_id: str
    instrument: Instrument
    at: Place


@dataclass(frozen=True, slots=True)
class SubscriptionRejected:
    """The venue refused to serve a symbol (35=Y)."""

    symbol: str
    md_req_id: str
    reason: str
    text: str


Finding = (
    events.SessionEvent
    | InstrumentsListed
    | InstrumentChanged
    | TradingStatusArrived
    | ListFailed
    | SnapshotArrived
    | BookSuspect
    | BookBroken
    | BookHealed
    | SubscriptionRejected
)


class EventFields(TypedDict, total=False):
    """The columns of an event row that depend on its kind."""

    seq: int
    count: int
    expected: str
    received: str
    text: str


class Described(NamedTuple):
    """A session event as an event row."""

    kind: Kind
    fields: EventFields


def describe(event: events.SessionEvent, seq: int) -> Described:  # noqa: C901, PLR0911, PLR0912 - one line for each kind of event
    """Return a session event as the row that keeps it; `seq` is the last number accounted for."""
    match event:
        case events.LoggedOn(heartbeat_s):
            return Described(Kind.LOGON, {"seq": seq, "count": heartbeat_s})
        case events.LogonRefused(text):
            return Described(Kind.LOGON_REFUSED, {"text": text})
        case events.PeerLoggedOut(text):
            return Described(Kind.LOGOUT, {"seq": seq, "expected": "by the venue", "text": text})
        case events.LoggedOut(text):
            return Described(Kind.LOGOUT, {"seq": seq, "expected": "by us", "text": text})
        case events.LogoutSent(text):
            return Described(Kind.LOGOUT, {"expected": "by us", "text": text})
        case events.HeartbeatReceived(test_req_id):
            return Described(Kind.HEARTBEAT, {"seq": seq, "text": test_req_id})
        case events.Proven(test_req_id):
            return Described(Kind.PROOF, {"seq": seq, "text": test_req_id})
        case events.TestRequestSent(test_req_id):
            return Described(Kind.TEST_REQUEST, {"text": test_req_id})
        case events.GapOpened(begin, end):
            span: EventFields = {"expected": str(begin), "received": str(end + 1)}
            return Described(Kind.GAP, {"seq": begin, "count": end - begin + 1, **span})
        case events.GapFilled(begin, end):
            return Described(Kind.GAP_FILL, {"seq": begin, "count": end - begin + 1, "text": f"{begin} to {end}"})
        case events.GapClosed(next_seq_no):
            return Described(Kind.GAP_CLOSED, {"seq": next_seq_no - 1})
        case events.SequenceReset(expected, new_seq_no):
            return Described(Kind.SEQUENCE_RESET, {"seq": seq, "expected": str(expected), "received": str(new_seq_no)})
        case events.RolledOver(how):
            return Described(Kind.ROLLOVER, {"seq": seq, "text": how})
        case events.ResendRequested(begin, end):
            return Described(Kind.RESEND_REQUEST, {"seq": seq, "text": f"{begin} to {end}"})
        case events.RejectReceived(ref_seq_num, text):
            return Described(Kind.REJECT, {"seq": seq, "received": ref_seq_num, "text": text})
        case events.MessageRejected(ref_seq_num, ref_msg_type, text):
            return Described(Kind.REJECTED, {"seq": seq, "received": ref_seq_num, "text": f"35={ref_msg_type}: {text}"})
        case events.StoreLost(reason) | events.StoreFailed(reason):
            return Described(Kind.NOTE, {"expected": "session store", "text": reason})
        case events.MessageIgnored(reason):
            return Described(Kind.GARBLED, {"text": reason})
        case events.TimeOff(off_ms):
            return Described(Kind.TIME_OFF, {"seq": seq, "count": off_ms})
        case events.Violated(text, expected, received):
            return Described(Kind.VIOLATION, {"seq": seq, "expected": expected, "received": received, "text": text})
