"""What happened on a session, as values.

Layer: session. Data only. Each event is named for what happened; the `events` table keeps them all.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LoggedOn:
    """Both Logons are said; application messages may go."""

    heartbeat_s: int


@dataclass(frozen=True, slots=True)
class LogonRefused:
    """The acceptor answered the Logon with a Logout."""

    text: str


@dataclass(frozen=True, slots=True)
class PeerLoggedOut:
    """The other side asked for the end of the session."""

    text: str


@dataclass(frozen=True, slots=True)
class LoggedOut:
    """The other side answered our Logout."""

    text: str


@dataclass(frozen=True, slots=True)
class LogoutSent:
    """We asked for the end of the session, and said why."""

    text: str


@dataclass(frozen=True, slots=True)
class GapOpened:
    """Messages of these numbers are missing, both ends included."""

    begin_seq_no: int
    end_seq_no: int


@dataclass(frozen=True, slots=True)
class GapFilled:
    """The other side says that nothing will be resent for these numbers."""

    begin_seq_no: int
    end_seq_no: int


@dataclass(frozen=True, slots=True)
class GapClosed:
    """Every number up to the one before `next_seq_no` is accounted for."""

    next_seq_no: int


@dataclass(frozen=True, slots=True)
class SequenceReset:
    """The other side set the next number by force; what lay between is lost."""

    expected: int
    new_seq_no: int


@dataclass(frozen=True, slots=True)
class RolledOver:
    """The session ended, or began anew in place, by the venue's daily roll-over; `how` is the form it took."""

    how: str


@dataclass(frozen=True, slots=True)
class HeartbeatReceived:
    """A numbered sign of life; `test_req_id` says which TestRequest it answers, if any."""

    test_req_id: str


@dataclass(frozen=True, slots=True)
class Proven:
    """The answer to a TestRequest of ours for a proof has come in its turn: nothing up to its number is missing."""

    test_req_id: str


@dataclass(frozen=True, slots=True)
class TestRequestSent:
    """We asked whether the other side is alive."""

    __test__ = False
    test_req_id: str


@dataclass(frozen=True, slots=True)
class ResendRequested:
    """The other side misses messages of ours; `end_seq_no` 0 is all from the beginning."""

    begin_seq_no: int
    end_seq_no: int


@dataclass(frozen=True, slots=True)
class RejectReceived:
    """The other side refused a message of ours (35=3)."""

    ref_seq_num: str
    text: str


@dataclass(frozen=True, slots=True)
class MessageRejected:
    """We refused a message of the other side (35=3, or 35=j for its application's types)."""

    ref_seq_num: str
    ref_msg_type: str
    text: str


@dataclass(frozen=True, slots=True)
class StoreLost:
    """What was stored of the session cannot be believed; its numbers begin anew."""

    reason: str


@dataclass(frozen=True, slots=True)
class StoreFailed:
    """The store cannot be written. `not_sent` is the message that does not go out for it; none where one came in."""

    reason: str
    not_sent: str


@dataclass(frozen=True, slots=True)
class MessageIgnored:
    """A message that FIX says to ignore: garbled, or a possible duplicate seen before."""

    reason: str


@dataclass(frozen=True, slots=True)
class TimeOff:
    """SendingTime(52) is further from the receive time than the limit."""

    off_ms: int


@dataclass(frozen=True, slots=True)
class Violated:
    """The other side broke the session's rules; a Logout with this text goes out and the connection ends."""

    text: str
    expected: str = ""
    received: str = ""


SessionEvent = (
    LoggedOn
    | LogonRefused
    | PeerLoggedOut
    | LoggedOut
    | LogoutSent
    | GapOpened
    | GapFilled
    | GapClosed
    | SequenceReset
    | RolledOver
    | HeartbeatReceived
    | Proven
    | TestRequestSent
    | ResendRequested
    | RejectReceived
    | MessageRejected
    | StoreLost
    | StoreFailed
    | MessageIgnored
    | TimeOff
    | Violated
)
