"""The first message of a connection, either way.

Layer: session. Source: FIX 4.4 volume 2, cases LON; venue reference 1.5 and 3.1.
"""

from capture.errors import ValueMalformed
from capture.session import checks, events, gaps
from capture.session.core import Core
from capture.session.states import Signal, State
from capture.wire import tags, values
from capture.wire.message import Field, Message


def body(core: Core, *, reset: bool) -> tuple[Field, ...]:
    """Return the fields of our Logon."""
    fields: list[Field] = [
        (tags.ENCRYPT_METHOD, b"0"),
        (tags.HEART_BT_INT, b"%d" % (core.heartbeat_ns // values.SECOND_NS)),
    ]
    if reset:
        fields.append((tags.RESET_SEQ_NUM_FLAG, b"Y"))
    return tuple(fields)


def receive_first(core: Core, message: Message, wall_ns: int) -> None:
    """Handle what comes before the session is established."""
    if message.msg_type == tags.LOGON and core.state is (State.LOGON_SENT if core.initiator else State.CONNECTED):
        try:
            _receive(core, message, wall_ns)
        except ValueMalformed as error:
            core.violate(f"Logon refused: {error}")
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


def _receive(core: Core, message: Message, wall_ns: int) -> None:
    seq_num, heartbeat_s = message.integer(tags.MSG_SEQ_NUM), message.integer(tags.HEART_BT_INT)
    reset = message.flag(tags.RESET_SEQ_NUM_FLAG)
    if not core.initiator and not core.settings.target:
        core.target = message.need(tags.SENDER_COMP_ID)
    checks.expect(message, tags.BEGIN_STRING, tags.BEGIN_STRING_VALUE)
    checks.expect(message, tags.ENCRYPT_METHOD, b"0")
    checks.expect_comp_ids(core, message)
    if not checks.sending_time(core, message, wall_ns):
        return
    if core.initiator:
        core.heartbeat_ns = heartbeat_s * values.SECOND_NS
        core.signal(Signal.LOGON_RECEIVED)
        core.happened.append(events.LoggedOn(heartbeat_s))
        if core.settings.reset:
            # Whatever number the venue begins with after a reset, zero or one: the next one follows it.
            core.inbound.reset(seq_num + 1)
            return
    else:
        if reset and seq_num != 1:
            raise ValueMalformed(expected="MsgSeqNum(34) 1 with ResetSeqNumFlag(141)", received=b"%d" % seq_num)
        core.heartbeat_ns = heartbeat_s * values.SECOND_NS
        core.signal(Signal.LOGON_RECEIVED)
        if reset:
            core.inbound.reset(1)
            core.next_out = 1
        core.queue(tags.LOGON, body(core, reset=reset))
    _count(core, message, seq_num)


def _count(core: Core, message: Message, seq_num: int) -> None:
    """Hold the Logon's own number against the expected one."""
    if seq_num < core.inbound.expected:
        core.violate(f"MsgSeqNum too low, expecting {core.inbound.expected} but received {seq_num}")
    elif seq_num == core.inbound.expected:
        core.inbound.advance(seq_num + 1)
    else:
        core.kept_logon = message
        core.inbound.keep(seq_num, message)
        if core.initiator:  # An acceptor asks after its Logon is out.
            gaps.open_if_any(core, core.received_ns)
