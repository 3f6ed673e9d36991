"""Logons: the first message of a connection, either way, and one that resets the numbers in place.

Layer: session. Source: FIX 4.4 volume 2, cases LON, RES and NXT; venue reference 1.5 and 3.1.
"""

from capture.errors import ValueMalformed
from capture.session import checks, events, gaps, rollover
from capture.session.core import Core
from capture.session.settings import HEARTBEAT_S_LIMIT
from capture.session.states import Signal, State
from capture.wire import tags, values
from capture.wire.message import Field, Message


def body(core: Core, *, reset: bool, expected: int | None = None) -> tuple[Field, ...]:
    """Return the fields of our Logon. expected: what NextExpectedMsgSeqNum(789) says, where it is agreed."""
    fields: list[Field] = [
        (tags.ENCRYPT_METHOD, b"0"),
        (tags.HEART_BT_INT, b"%d" % (core.heartbeat_ns // values.SECOND_NS)),
    ]
    if reset:
        fields.append((tags.RESET_SEQ_NUM_FLAG, b"Y"))
    if core.settings.next_expected:
        next_expected = core.inbound.expected if expected is None else expected
        fields.append((tags.NEXT_EXPECTED_MSG_SEQ_NUM, b"%d" % next_expected))
    return tuple(fields)


def receive_first(core: Core, message: Message, wall_ns: int) -> None:
    """Handle what comes before the session is established."""
    if message.msg_type == tags.LOGON and core.state is (State.LOGON_SENT if core.initiator else State.CONNECTED):
        try:
            _receive(core, message, wall_ns)
        except ValueMalformed as error:
            core.refuse_logon(f"Logon refused: {error}")
    elif message.msg_type == tags.LOGOUT and core.state is State.LOGON_SENT:
        core.signal(Signal.LOGOUT_RECEIVED)
        text = message.text(tags.TEXT)
        core.happened.append(events.LogonRefused(text))
        core.close_reason = f"Logon refused: {text or 'no reason given'}"
    elif core.state is not State.LOGON_RECEIVED:
        core.broken = True
        core.close_reason = "the first message was not a Logon"


def receive_again(core: Core, message: Message) -> None:
    """Handle a Logon on an established session, in its turn; the one that was kept has been answered."""
    if message is not core.kept_logon and (core.inbound.expected > 2 or message.get(tags.MSG_SEQ_NUM) != b"1"):
        # Answering it could make two engines answer each other for ever.
        core.violate("Logon on an established session")


def is_reset(message: Message) -> bool:
    """Return whether a message on an established session is a Logon that resets the numbers in place."""
    return (
        message.msg_type == tags.LOGON
        and message.get(tags.RESET_SEQ_NUM_FLAG) == b"Y"
        and message.get(tags.MSG_SEQ_NUM) == b"1"
        and message.get(tags.POSS_DUP_FLAG) != b"Y"
    )


def reset_in_place(core: Core) -> None:
    """Begin both numbers anew, and answer unless it is the answer to ours; nothing of the old numbers is kept."""
    if core.reset_answered:
        core.violate("Logon on an established session, again")
        return
    rolled_ns = core.rolled_ns
    rolled = rollover.planned(core, core.wall_ns, "Logon with ResetSeqNumFlag(141)")
    if core.rolled_ns == rolled_ns:  # Not that roll-over, or not for the first time.
        core.happened.append(events.SequenceReset(core.inbound.expected, 2))
    core.reset_next = core.new_day = False
    core.inbound.reset(2)
    core.proof_asked = ""
    gaps.close_if_whole(core)
    if core.reset_asked:
        core.reset_asked = False
    else:
        core.next_out = 1
        core.reset_answering = core.reset_answered = True
        core.queue_logon(body(core, reset=True))
    if rolled:
        core.logged_on()  # Whatever was asked for before is gone, and is asked for anew.


def sent_in_place(core: Core) -> None:
    """Take note that a Logon went out on an established session: ours, or the answer to theirs."""
    core.reset_asked = not core.reset_answering
    core.reset_answering = False


def _receive(core: Core, message: Message, wall_ns: int) -> None:
    if not core.initiator and not _known(core, message):
        return
    seq_num, heartbeat_s = message.integer(tags.MSG_SEQ_NUM), message.integer(tags.HEART_BT_INT)
    reset = message.flag(tags.RESET_SEQ_NUM_FLAG)
    checks.expect(message, tags.BEGIN_STRING, core.settings.begin_string)
    checks.expect(message, tags.ENCRYPT_METHOD, b"0")
    checks.expect_comp_ids(core, message)
    if heartbeat_s > HEARTBEAT_S_LIMIT:
        raise ValueMalformed(expected=f"HeartBtInt(108) up to {HEARTBEAT_S_LIMIT}", received=b"%d" % heartbeat_s)
    if not checks.sending_time(core, message, wall_ns):
        return
    core.heartbeat_ns = heartbeat_s * values.SECOND_NS
    if core.initiator:
        _answered(core, message, seq_num, reset=reset)
    else:
        _asked(core, message, seq_num, reset=reset)


def _known(core: Core, message: Message) -> bool:
    """Return whether a Logon is between those who agreed on it; where not, the connection just ends."""
    sender, target = message.get(tags.SENDER_COMP_ID), message.get(tags.TARGET_COMP_ID)
    if not sender or target != core.sender or (core.settings.target and sender != core.settings.target):
        core.drop("unknown SenderCompID(49) or TargetCompID(56)")
        return False
    core.target = sender
    return True


def _answered(core: Core, message: Message, seq_num: int, *, reset: bool) -> None:
    """Handle the answer to our Logon."""
    core.signal(Signal.LOGON_RECEIVED)
    if core.resets:
        core.reset_next = core.new_day = False
        # Whatever number the venue begins with after a reset, zero or one: the next one follows it.
        core.inbound.reset(seq_num + 1)
        core.logged_on()
        return
    if reset and (core.inbound.expected, core.next_out) != (1, 2):
        # Both could go on from here, but what either side missed would be lost without a trace.
        core.reset_next = True
        core.violate("the answer resets the numbers (141=Y) unasked")
        return
    core.logged_on()
    _count(core, message, seq_num)
    if not core.broken:
        _next_expected(core, message, core.next_out - 1)


def _asked(core: Core, message: Message, seq_num: int, *, reset: bool) -> None:
    """Handle an initiator's Logon, and answer it."""
    if reset and seq_num != 1:
        raise ValueMalformed(expected="MsgSeqNum(34) 1 with ResetSeqNumFlag(141)", received=b"%d" % seq_num)
    if rollover.passing(core):
        core.new_day = True  # A Logout that says so uses a number.
        core.refuse_logon("daily roll-over, come back later")
        return
    if core.reset_next and not reset and seq_num != 1:
        core.refuse_logon("the numbers of this session are lost here; log on with ResetSeqNumFlag(141)=Y")
        return
    core.signal(Signal.LOGON_RECEIVED)
    core.reset_next = False
    if reset:
        core.inbound.reset(1)
        core.next_out = 1
    expected = core.inbound.expected
    core.queue(tags.LOGON, body(core, reset=reset, expected=expected + (seq_num == expected)))
    _count(core, message, seq_num)
    if not core.broken and not reset:
        _next_expected(core, message, core.next_out)


def _count(core: Core, message: Message, seq_num: int) -> None:
    """Hold the Logon's own number against the expected one."""
    if seq_num < core.inbound.expected:
        core.reset_next = core.initiator  # The same numbers would be refused for ever.
        core.violate(f"MsgSeqNum too low, expecting {core.inbound.expected} but received {seq_num}")
    elif seq_num == core.inbound.expected:
        core.inbound.advance(seq_num + 1)
    else:
        core.kept_logon = message
        core.inbound.keep(seq_num, message)
        if core.initiator:  # An acceptor asks after its Logon is out.
            gaps.open_if_any(core, core.received_ns, ask=not core.settings.next_expected)


def _next_expected(core: Core, message: Message, our_logon: int) -> None:
    """Heed NextExpectedMsgSeqNum(789) where it is agreed: send again unasked what the other side has not got.

    our_logon: the number of our Logon, sent by an initiator already, due from an acceptor.
    """
    if not core.settings.next_expected or message.get(tags.NEXT_EXPECTED_MSG_SEQ_NUM) is None:
        return
    theirs = message.integer(tags.NEXT_EXPECTED_MSG_SEQ_NUM)
    agreed = our_logon + 1 if core.initiator else our_logon
    if not theirs:
        core.violate("NextExpectedMsgSeqNum(789) is 0")
    elif theirs > agreed:
        core.violate(f"NextExpectedMsgSeqNum too high, expecting {agreed} but received {theirs}")
    elif theirs < agreed:
        core.queue_resend(theirs, our_logon)
