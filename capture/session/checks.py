"""Header fields of what comes in, against what was agreed.

Layer: session. Source: FIX 4.4 volume 2, cases HDR.
"""

from functools import lru_cache

from capture.errors import ValueMalformed
from capture.session import content, events
from capture.session.content import Fault
from capture.session.core import Core
from capture.wire import tags, values
from capture.wire.message import Message

# A message's times are read at several steps, and most messages bear the millisecond of the one before.
timestamp_ns = lru_cache(maxsize=64)(values.timestamp_ns)


def expect(message: Message, tag: int, expected: bytes) -> None:
    """Hold a field against its only value. Errors: ValueMalformed."""
    received = message.need(tag)
    if received != expected:
        raise ValueMalformed(expected=f"tag {tag} {expected.decode('ascii', 'replace')}", received=received)


def expect_comp_ids(core: Core, message: Message) -> None:
    """Hold SenderCompID(49) and TargetCompID(56) against the session's. Errors: ValueMalformed."""
    expect(message, tags.SENDER_COMP_ID, core.target)
    expect(message, tags.TARGET_COMP_ID, core.sender)


def header(core: Core, message: Message, wall_ns: int) -> bool:
    """Return whether a message belongs to this session; where not, it ends it.

    What can be refused by its number alone is left to `fault`, in its turn.
    """
    try:
        expect(message, tags.BEGIN_STRING, core.settings.begin_string)
        message.integer(tags.MSG_SEQ_NUM)
    except ValueMalformed as error:
        core.violate(str(error))
        return False
    if message.get(tags.SENDER_COMP_ID) != core.target and not _stranger(
        core, message, tags.SENDER_COMP_ID, core.target
    ):
        return False
    if message.get(tags.TARGET_COMP_ID) != core.sender and not _stranger(
        core, message, tags.TARGET_COMP_ID, core.sender
    ):
        return False
    try:
        return sending_time(core, message, wall_ns)
    except ValueMalformed:
        return True


def _stranger(core: Core, message: Message, tag: int, expected: bytes) -> bool:
    """End the session over a CompID of somebody else; return True where it is only missing, which is refused later."""
    received = message.get(tag)
    if not received:
        return True
    text = f"expected tag {tag} {expected.decode('ascii', 'replace')}, received {received!r}"
    core.violate_by(message, Fault(9, tag), text)
    return False


def fault(core: Core, message: Message) -> Fault | None:
    """Return what a message is refused for in its turn: a header field missing or unreadable, or its content."""
    get = message.get
    if not (get(tags.SENDER_COMP_ID) and get(tags.TARGET_COMP_ID) and get(tags.SENDING_TIME)):
        tag = next(it for it in (tags.SENDER_COMP_ID, tags.TARGET_COMP_ID, tags.SENDING_TIME) if not get(it))
        return Fault(1 if get(tag) is None else 4, tag)
    try:
        sending_ns = timestamp_ns(message.need(tags.SENDING_TIME))
    except ValueMalformed:
        return Fault(6, tags.SENDING_TIME)
    if message.get(tags.POSS_DUP_FLAG) == b"Y" and message.msg_type != tags.SEQUENCE_RESET:
        found = _original_time(message, sending_ns)
        if found is not None:
            return found
    return content.fault(message, strict=core.settings.strict_content)


def _original_time(message: Message, sending_ns: int) -> Fault | None:
    original = message.get(tags.ORIG_SENDING_TIME)
    if not original:
        return Fault(1 if original is None else 4, tags.ORIG_SENDING_TIME)
    try:
        late = timestamp_ns(original) > sending_ns
    except ValueMalformed:
        return Fault(6, tags.ORIG_SENDING_TIME)
    return Fault(10, tags.ORIG_SENDING_TIME, ends="OrigSendingTime(122) is after SendingTime(52)") if late else None


def sending_time(core: Core, message: Message, wall_ns: int) -> bool:
    """Return whether SendingTime(52) is near enough, told as an event where not. Errors: ValueMalformed."""
    off_ms = (timestamp_ns(message.need(tags.SENDING_TIME)) - wall_ns) // values.MILLISECOND_NS
    if abs(off_ms) <= core.settings.sending_time_limit_s * 1000:
        return True
    core.happened.append(events.TimeOff(off_ms))
    if not core.settings.strict_time:
        return True
    text = f"SendingTime accuracy problem: {off_ms} ms off"
    if message.msg_type == tags.LOGON:
        core.refuse_logon(text)
    else:
        core.violate_by(message, Fault(10, tags.SENDING_TIME), text)
    return False
