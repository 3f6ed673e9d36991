"""What both sides of a session agreed on beforehand, and the session's limits.

Layer: session. Data only.
Source: FIX 4.4 volume 2; section "Numbers and times" of the cases.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Final

from capture.session.rollover_window import RolloverWindow
from capture.wire import tags, values
from capture.wire.message import Field

LOGON_TIME_NS: Final = 10 * values.SECOND_NS
LOGOUT_TIME_NS: Final = 10 * values.SECOND_NS
VIOLATION_LOGOUT_TIME_NS: Final = 2 * values.SECOND_NS
RESEND_TIME_NS: Final = 5 * values.SECOND_NS  # No progress for this long: ask again.
RESEND_REQUESTS_LIMIT: Final = 3  # For one gap; then the session is begun anew.
TEST_REQUEST_AFTER: Final = 1.2  # Of the heartbeat interval, in silence (TC 6).
GIVE_UP_AFTER: Final = 2.4
HEARTBEAT_S_LIMIT: Final = 3600  # Past it, a silent connection would go unnoticed.
OUTBOX_LIMIT: Final = 100_000
UNSUPPORTED_MESSAGE_TYPE: Final = 3  # BusinessRejectReason(380)
PROOF_PREFIX: Final = "PROOF-"  # Of TestReqID(112), by which a follower knows that an answer is a proof.
PROOF_TEST_REQ_ID: Final = b"LOGON"  # Of the TestRequest that proves the numbers after the Logons.
TEXT_LIMIT: Final = 200  # Of Text(58) that we send.


class Role(Enum):
    """Who begins: the initiator connects and sends the first Logon."""

    INITIATOR = "initiator"
    ACCEPTOR = "acceptor"


@dataclass(frozen=True, slots=True)
class SessionSettings:
    """What both sides agreed on beforehand.

    target: empty for an acceptor that takes any SenderCompID; it is then learned from the Logon.
    sending_time_limit_s: SendingTime(52) further off than this is an event, and ends the session where `strict_time`.
    strict_content: hold every message against the dictionary; else only what the session itself needs (`content`).
    supported: application messages that are taken, the others refused (35=j); None hands over whatever comes.
    refuse_silently: an acceptor drops a Logon that it refuses, instead of saying why by a Logout.
    resent_types: application messages that are sent again when asked for; None is all. The others are filled over:
        market data comes anew with a snapshot, an old request would be a new one.
    resend_span: numbers asked for in one ResendRequest; 0 is all at once.
    test_req_id: TestReqID(112) of our TestRequests; empty for a fresh one each time.
    silence_s_limit: say something at least every so many seconds, where the interval agreed is longer; 0 is as agreed.
    test_request_after, give_up_after: heartbeat intervals of silence that end in a TestRequest, and in a close.
    takes_resets: whether the other side may set its number by force (SequenceReset with 123=N); else it is rejected.
    hold_unsent: keep what the application sends before the Logon until it is answered; else that is an error.
    prove_numbers: test the connection before anything held goes out.
    next_expected: NextExpectedMsgSeqNum(789) is agreed with the other side; never sent or heeded otherwise.
    rollover: the venue's daily roll-over; None where there is none.
    answers: False for a follower, which is told what was sent instead of deciding it.
    logon_fields: what a Logon carries besides, given its MsgSeqNum(34), which a signature covers; asked as it is built.
    """

    role: Role
    sender: bytes
    target: bytes
    heartbeat_s: int = 60
    reset: bool = True
    sending_time_limit_s: int = 120
    strict_time: bool = False
    strict_content: bool = False
    supported: frozenset[bytes] | None = None
    refuse_silently: bool = False
    resent_types: frozenset[bytes] | None = frozenset()
    resend_span: int = 0
    test_req_id: bytes = b""
    silence_s_limit: int = 0
    test_request_after: float = TEST_REQUEST_AFTER
    give_up_after: float = GIVE_UP_AFTER
    takes_resets: bool = True
    hold_unsent: bool = False
    prove_numbers: bool = False
    next_expected: bool = False
    begin_string: bytes = tags.BEGIN_STRING_VALUE
    rollover: RolloverWindow | None = None
    answers: bool = True
    logon_fields: Callable[[int], tuple[Field, ...]] | None = None
