"""Header fields of what comes in, against what was agreed.

Layer: session. Source: FIX 4.4 volume 2, cases HDR.
"""

from capture.errors import ValueMalformed
from capture.session import events
from capture.session.core import Core
from capture.wire import tags, values
from capture.wire.message import Message


def expect(message: Message, tag: int, expected: bytes) -> None:
    """Hold a field against its only value. Errors: ValueMalformed."""
    received = message.need(tag)
    if received != expected:
        raise ValueMalformed(expected=f"tag {tag} {expected.decode('ascii', 'replace')}", received=received)


def expect_comp_ids(core: Core, message: Message) -> None:
    """Hold SenderCompID(49) and TargetCompID(56) against the session's. Errors: ValueMalformed."""
    expect(message, tags.SENDER_COMP_ID, core.target)
    expect(message, tags.TARGET_COMP_ID, core.sender)


def header(core: Core, message: Message, wall_ns: int) -> int | None:
    """Return SendingTime(52) in ns, or None where the message ends the session or is refused."""
    try:
        expect(message, tags.BEGIN_STRING, tags.BEGIN_STRING_VALUE)
        expect_comp_ids(core, message)
        message.integer(tags.MSG_SEQ_NUM)
        return sending_time(core, message, wall_ns)
    except ValueMalformed as error:
        core.violate(str(error))
        return None


def sending_time(core: Core, message: Message, wall_ns: int) -> int | None:
    """Return SendingTime(52) in ns, or None where it is off and the limit is strict. Errors: ValueMalformed."""
    sending_ns = values.timestamp_ns(message.need(tags.SENDING_TIME))
    off_ms = (sending_ns - wall_ns) // values.MILLISECOND_NS
    if abs(off_ms) > core.settings.sending_time_limit_s * 1000:
        core.happened.append(events.TimeOff(off_ms))
        if core.settings.strict_time:
            core.violate(f"SendingTime accuracy problem: {off_ms} ms off")
            return None
    return sending_ns
